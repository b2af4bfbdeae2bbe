//! What a person types, and what a file or standard input says.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use rustix::termios::{self, LocalModes, OptionalActions};

use super::out::{self, Failure};

/// A text that people write and review is shorter.
const MOST: u64 = 16 * 1024 * 1024;

/// The text of a file, or of standard input for `-`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn text(file: &Path) -> Result<String, Failure> {
    let fault = |error: io::Error| Failure::Refused(format!("cannot read {}: {error}", file.display()));
    let mut text = String::new();
    let read = if is_stdin(file) {
        io::stdin().lock().take(MOST).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MOST).read_to_string(&mut text))
    };
    read.map_err(fault)?;
    Ok(text)
}

/// Whether a file's name stands for standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// What a file is called in a sentence.
pub(super) fn named(file: &Path) -> String {
    if is_stdin(file) { "standard input".into() } else { file.display().to_string() }
}

/// Whether a person can be asked.
pub(super) fn is_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a yes.
///
/// # Errors
/// When nobody can answer.
pub(super) fn confirm(question: &str) -> Result<bool, Failure> {
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a line, or reads the next one of standard input.
///
/// # Errors
/// When there is none.
pub(super) fn ask(question: &str) -> Result<String, Failure> {
    if is_asked() {
        write!(out::stderr(), "{question}")?;
    }
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(Failure::Refused(format!("nothing was given for {}", question.trim().trim_end_matches(':'))));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_string())
}

/// The same without showing what is typed.
///
/// # Errors
/// When there is none.
pub(super) fn ask_secretly(question: &str) -> Result<String, Failure> {
    let _quiet = Quiet::begin();
    let answer = ask(question);
    if is_asked() {
        writeln!(out::stderr())?;
    }
    answer
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Option<termios::Termios>);

impl Quiet {
    fn begin() -> Self {
        let stdin = io::stdin();
        let Ok(before) = termios::tcgetattr(&stdin) else { return Self(None) };
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        let set = termios::tcsetattr(&stdin, OptionalActions::Flush, &quiet);
        Self(set.is_ok().then_some(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
