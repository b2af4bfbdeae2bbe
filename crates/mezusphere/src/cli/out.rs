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
    /// What the API says, with the place of the fault in what was sent.
    #[error("{}", told(.0))]
    Problem(Box<mezu_api::Problem>),
    /// Of `diff`: what was compared is not the same. It was told already.
    #[error("")]
    Different,
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

fn told(problem: &mezu_api::Problem) -> String {
    match problem.pointer.as_deref().filter(|pointer| !pointer.is_empty()) {
        Some(pointer) => format!("{pointer}: {}", problem.detail),
        None => problem.detail.clone(),
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

/// How wide the terminal is that standard output goes to, if it is one.
pub(super) fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
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

/// Prints what is known of one thing, a name and a value a line.
///
/// # Errors
/// When standard output is gone.
pub(super) fn rows(rows: &[(&str, String)]) -> Result<(), Failure> {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    rows.iter().try_for_each(|(name, value)| line(format_args!("{}  {value}", format_args!("{name:<width$}").dimmed())))
}

/// Who has done something, in a word: ids are for `--json`.
pub(super) fn actor(actor: &str) -> String {
    let kind = actor.split(':').next().unwrap_or_default();
    let id = actor.rsplit(':').next().unwrap_or_default();
    // The end of an id differs, its beginning is a time.
    let tail = id.get(id.len().saturating_sub(6)..).unwrap_or_default();
    if kind == actor { actor.to_string() } else { format!("{kind} …{tail}") }
}

/// Prints a line that is not the command's product.
pub(super) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(stderr(), "{text}");
}

/// Prints what a person should know beside the command's product.
pub(super) fn warn(text: impl std::fmt::Display) {
    note(format_args!("{} {text}", "warning:".yellow().bold()));
}

pub(super) fn say_failure(failure: &Failure) {
    // Whoever closed our output, such as `head`, has seen enough.
    let is_closed = matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe);
    if is_closed || matches!(failure, Failure::Different) {
        return;
    }
    note(format_args!("{} {failure}", "error:".red().bold()));
}

fn choice(terminal: bool) -> ColorChoice {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if terminal && !no_color { ColorChoice::Auto } else { ColorChoice::Never }
}
