//! Log lines on standard error. The filter is by module and level only: the richer kind would bring a regular
//! expression engine into a small program.

use std::io::IsTerminal as _;

use mezu_runtime::telemetry::LogFormat;
use tracing_subscriber::{Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Starts logging. A filter is a level, or levels by module: `info,warpgate=debug`.
pub(crate) fn init(format: LogFormat, filter: &str) {
    let (targets, fault) = match filter.parse::<Targets>() {
        Ok(targets) => (targets, None),
        Err(error) => (Targets::new().with_default(tracing::Level::INFO), Some(error)),
    };
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    // One subscriber type for both forms.
    let lines =
        if json { lines.json().flatten_event(true).boxed() } else { lines.with_ansi(terminal && colors()).boxed() };
    let _ = tracing_subscriber::registry().with(lines.with_filter(targets)).try_init();
    if let Some(error) = fault {
        tracing::warn!(%error, "the log filter is not valid; using 'info'");
    }
}

fn colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
