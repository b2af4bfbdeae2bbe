//! `mezusphere up`: from flags to a running instance, what it says, and how it stops.

use std::time::Duration;

use owo_colors::OwoColorize as _;

use mezu_model::Seed;
use mezu_runtime::{Signals, telemetry};

use super::args::UpArgs;
use super::notify;
use super::out::{self, Failure};
use crate::up::{HttpWish, Running, Settings, Source};

/// After the drain's own deadline; only a fault gets here.
const GRACE: Duration = Duration::from_secs(5);

pub(super) fn run(args: Box<UpArgs>) -> Result<(), Failure> {
    telemetry::init(args.log_format, &args.log);
    // Control's own runtime. The edge brings its threads along, so nothing here can delay a request.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_name("control")
        .enable_all()
        .build()?;
    runtime.block_on(serve(settings(*args)?))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let drain = settings.drain_timeout;
    let mut running = Running::start(settings).await?;
    let first_key = running.take_first_key();
    announce(&running, first_key)?;
    notify::tell(notify::READY);
    let signal = signals.next().await;
    if out::is_terminal() {
        out::note("\nStopping once open requests have ended. Press Ctrl-C again to stop at once.");
    }
    notify::tell(notify::STOPPING);
    tracing::info!(signal, "asked to stop");
    tokio::select! {
        () = running.drain() => Ok(()),
        second = signals.next() => Err(Failure::Refused(format!("stopped at once by a second {second}"))),
        () = tokio::time::sleep(drain + GRACE) => Err(Failure::Refused("the drain did not end in time".into())),
    }
}

fn settings(args: UpArgs) -> Result<Settings, Failure> {
    let mut settings = Settings::new(&args.data.directory())?;
    settings.store = args.store.url()?;
    settings.https = args.https;
    settings.http = args.http.unwrap_or(HttpWish::Default);
    settings.admin = args.admin;
    settings.admin_public = args.admin_public;
    settings.base_domain = args.base_domain;
    settings.workers = args.workers;
    settings.drain_timeout = args.drain_timeout;
    settings.access_log = args.access_log.0;
    settings.public_port = args.public_port;
    if let (Some(cert), Some(key)) = (args.tls_cert, args.tls_key) {
        settings.certificate = Source::Own { cert, key };
    }
    Ok(settings)
}

/// A person gets a banner with the next step; a log collector gets one line, and never the key.
fn announce(running: &Running, first_key: Option<Seed>) -> Result<(), Failure> {
    if out::is_terminal() {
        return banner(running, first_key);
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        https = %running.https_addr(),
        http = running.http_addr().map(tracing::field::display),
        admin = %running.admin_addr(),
        base_domain = %running.base_domain(),
        data = %running.data().display(),
        store = running.store(),
        "serving"
    );
    for note in running.notes() {
        tracing::info!("{note}");
    }
    if running.setup_token().is_some() {
        tracing::info!(file = %running.setup_token_file().display(), "nobody is an owner yet; the file holds the token");
    }
    if first_key.is_some() {
        tracing::info!(file = %running.first_key_file().display(), "the first key was made");
    }
    Ok(())
}

fn banner(running: &Running, first_key: Option<Seed>) -> Result<(), Failure> {
    let base = running.base_domain();
    let port = running.public_port();
    let shown = if port == 443 { String::new() } else { format!(":{port}") };
    out::line(format_args!("\n  {} {}\n", "Mezusphere".bold(), env!("CARGO_PKG_VERSION").dimmed()))?;
    let row = |name: &str, value: &dyn std::fmt::Display| {
        out::line(format_args!("  {}  {value}", format_args!("{name:<6}").dimmed()))
    };
    row("Edge", &format_args!("https://*.{base}{shown}"))?;
    row("Admin", &format_args!("http://{}", running.admin_addr()))?;
    row("Data", &running.data().display())?;
    for note in running.notes() {
        row("Note", &note.dimmed())?;
    }
    let file = running.first_key_file();
    if let Some(key) = first_key {
        out::line(format_args!("\n  Your first key, shown once and kept in {}:\n", file.display()))?;
        out::line(format_args!("    {}", key.to_text().bold()))?;
    }
    if let Some(token) = running.setup_token() {
        let file = running.setup_token_file();
        out::line(format_args!("\n  The setup token makes the first owner, once; kept in {}:\n", file.display()))?;
        out::line(format_args!("    {}", token.bold()))?;
    }
    if running.awaits_first_workload() && file.exists() {
        out::line("\n  Next, with something listening on port 3000:\n")?;
        for line in next_step(running, &file) {
            out::line(format_args!("    {}", line.cyan()))?;
        }
    }
    out::line(format_args!("\n  {}\n", "Ctrl-C stops, once open requests have ended.".dimmed()))
}

/// The command that connects a first workload, on lines that fit a narrow terminal and can be copied together.
fn next_step(running: &Running, key: &std::path::Path) -> Vec<String> {
    let base = running.base_domain().as_str();
    // Not every resolver knows names under localhost, and every one knows localhost.
    let name = if base.ends_with(".localhost") { "localhost" } else { base };
    let edge = format!("{name}:{}", running.public_port());
    let mut lines = vec![format!("warpgate http 3000 --edge {edge} \\")];
    lines.extend(running.ca_file().map(|file| format!("  --ca {} \\", quoted(&file))));
    lines.push(format!("  --key-file {}", quoted(key)));
    lines
}

/// A path as a word of the shell.
fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@:,".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
