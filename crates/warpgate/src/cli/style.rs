//! Words to the person at the terminal, on standard error. Colours go away by themselves where they are not wanted
//! (NO_COLOR, no terminal).

use std::io::Write as _;

use owo_colors::OwoColorize as _;

pub(crate) fn complain(text: &str) {
    let _ = writeln!(anstream::stderr(), "{} {text}", "error:".red().bold());
}

pub(crate) fn warn(text: &str) {
    let _ = writeln!(anstream::stderr(), "{} {text}", "warning:".yellow().bold());
}

pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
