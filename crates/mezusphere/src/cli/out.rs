//! Writing to the terminal, and how a command fails.

use std::io::{self, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use owo_colors::OwoColorize as _;
use serde::Serialize;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    NotReached(String),
    #[error(transparent)]
    Up(#[from] crate::up::UpError),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// See the module docs of [`crate::cli`].
    #[must_use]
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NotReached(_) => 3,
            _ => 1,
        }
    }
}

/// Standard output; colours only where they can be seen and are wanted (`NO_COLOR`).
pub(super) fn stdout() -> AutoStream<io::Stdout> {
    AutoStream::new(io::stdout(), choice(io::stdout().is_terminal()))
}

pub(super) fn stderr() -> AutoStream<io::Stderr> {
    AutoStream::new(io::stderr(), choice(io::stderr().is_terminal()))
}

/// Whether a person watches standard output.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Prints a value for programs.
///
/// # Errors
/// When standard output is gone.
pub(super) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut out = stdout();
    let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// Prints a line for people.
///
/// # Errors
/// When standard output is gone.
pub(super) fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    writeln!(stdout(), "{text}")?;
    Ok(())
}

/// Prints a text as it is.
///
/// # Errors
/// When standard output is gone.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    write!(stdout(), "{text}")?;
    Ok(())
}

/// Prints a line that is not the command's product.
pub(super) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(stderr(), "{text}");
}

pub(super) fn say_failure(failure: &Failure) {
    // Whoever closed our output, such as `head`, has seen enough.
    if matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
        return;
    }
    note(format_args!("{} {failure}", "error:".red().bold()));
}

fn choice(terminal: bool) -> ColorChoice {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if terminal && !no_color { ColorChoice::Auto } else { ColorChoice::Never }
}
