//! `warpgate http` and `warpgate start`.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use mezu_model::Limits;
use mezu_runtime::Signals;
use warpgate::{
    Config, EdgeAddress, Ended, Handle, HealthCheck, Label, Proxy, Seed, Target, Warpgate, WorkloadConfig, key, proxy,
};

use super::{
    Outcome,
    args::{ConnectArgs, HealthArgs, HttpArgs, ProxyChoice, ShowArgs, StartArgs},
    file::{File, host_header},
    live, log, style,
};

pub(crate) fn http(args: &HttpArgs) -> Outcome {
    let mut workload = WorkloadConfig::new(name(args), args.target.clone());
    workload.host_header = host_header(args.host_header.as_deref(), &args.target)?;
    workload.insecure_tls = args.insecure_workload_tls;
    workload.label.clone_from(&args.label);
    workload.health = health(&args.health)?;
    run(config(&args.connect, &File::default(), vec![workload])?, &args.show)
}

fn health(args: &HealthArgs) -> anyhow::Result<Option<HealthCheck>> {
    let Some(path) = &args.health_path else { return Ok(None) };
    let mut check = HealthCheck::new(path)?;
    check.interval = args.health_interval.map_or(check.interval, |span| span.0);
    check.timeout = args.health_timeout.map_or(check.timeout, |span| span.0);
    check.unhealthy_after = args.unhealthy_after.unwrap_or(check.unhealthy_after);
    check.healthy_after = args.healthy_after.unwrap_or(check.healthy_after);
    Ok(Some(check))
}

pub(crate) fn start(args: &StartArgs) -> Outcome {
    const EXAMPLE: &str = "[workloads.web]\ntarget = \"3000\"";
    let shown = args.config.display();
    if !args.config.exists() {
        bail!("there is no file {shown}; name another with --config, or make it, for example with:\n\n{EXAMPLE}");
    }
    let file = File::read(&args.config)?;
    let workloads = file.workloads()?;
    if workloads.is_empty() {
        bail!("{shown} names no workload; add for example:\n\n{EXAMPLE}");
    }
    run(config(&args.connect, &file, workloads)?, &args.show)
}

/// The name: as given, from the target, or from the folder we are in.
fn name(args: &HttpArgs) -> Label {
    let given = args.name.clone();
    let suggested = || args.target.suggested_name().and_then(|name| name.parse().ok());
    let folder = || {
        let dir = std::env::current_dir().ok()?;
        Target::Folder(dir).suggested_name()?.parse().ok()
    };
    given.or_else(suggested).or_else(folder).unwrap_or_else(fallback_name)
}

#[allow(clippy::expect_used, reason = "a constant that is a label")]
fn fallback_name() -> Label {
    "app".parse().expect("a label")
}

/// Arguments first, then the file, then the environment.
fn config(args: &ConnectArgs, file: &File, workloads: Vec<WorkloadConfig>) -> anyhow::Result<Config> {
    let edge = edge(args, file)?;
    Ok(Config {
        seed: seed(args, file)?,
        ca: ca(args, file, &edge),
        proxy: choose_proxy(args, file, &edge)?,
        connections: args.connections.or(file.connections).map_or(args.connections(), |n| usize::from(n.clamp(1, 16))),
        edge,
        workloads,
        limits: Limits::default(),
    })
}

pub(crate) fn edge(args: &ConnectArgs, file: &File) -> anyhow::Result<EdgeAddress> {
    match (&args.edge, &file.edge) {
        (Some(edge), _) => Ok(edge.clone()),
        (None, Some(text)) => Ok(text.parse()?),
        (None, None) => match lookup(args, file).kept().ok().flatten().and_then(|kept| kept.edge) {
            Some(edge) => Ok(edge),
            None => bail!("no edge: run `warpgate login --edge HOST:PORT` once, or give --edge or set MEZUSPHERE_EDGE"),
        },
    }
}

/// The authorities to trust: as said, or as kept by `warpgate login` for that very edge.
pub(crate) fn ca(args: &ConnectArgs, file: &File, edge: &EdgeAddress) -> Option<PathBuf> {
    let kept = || {
        let kept = lookup(args, file).kept().ok().flatten()?;
        kept.ca.filter(|_| kept.edge.as_ref() == Some(edge))
    };
    args.ca.clone().or_else(|| file.ca.clone()).or_else(kept)
}

pub(crate) fn choose_proxy(args: &ConnectArgs, file: &File, edge: &EdgeAddress) -> anyhow::Result<Option<Proxy>> {
    match (&args.proxy, &file.proxy) {
        (Some(ProxyChoice::None), _) => Ok(None),
        (Some(ProxyChoice::Use(proxy)), _) => Ok(Some(proxy.clone())),
        (None, Some(text)) if text == "none" => Ok(None),
        (None, Some(text)) => Ok(Some(text.parse()?)),
        (None, None) => proxy::from_env(&edge.host, edge.port, |name| std::env::var(name).ok())
            .context("HTTPS_PROXY or ALL_PROXY is not a valid proxy"),
    }
}

pub(crate) fn lookup(args: &ConnectArgs, file: &File) -> key::Lookup {
    let mut lookup = key::Lookup::from_env();
    lookup.argument = args.key.clone();
    lookup.file = args.key_file.clone().or_else(|| file.key_file.clone());
    lookup
}

fn seed(args: &ConnectArgs, file: &File) -> anyhow::Result<Seed> {
    let (seed, source) = lookup(args, file).find()?;
    match source {
        key::Source::Argument => style::warn(
            "the key stands on the command line, where every process of this machine can read it; \
             use MEZUSPHERE_KEY, --key-file or `warpgate login`",
        ),
        key::Source::File(path) if key::is_exposed(&path) => {
            style::warn(&format!("others can read the key file; run: chmod 600 {}", path.display()));
        }
        _ => {}
    }
    Ok(seed)
}

fn run(config: Config, show: &ShowArgs) -> Outcome {
    let live = !show.plain && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !live {
        log::init(show.log_format, &show.log);
    }
    let edge = config.edge.clone();
    let (ended, asked) = Warpgate::run(config, async |handle| {
        let signals = Signals::listen().context("cannot listen to signals")?;
        let ended = if live { live::show(handle, signals, &edge).await } else { plain(handle, signals).await };
        ended.map(|ended| (ended, handle.is_draining()))
    })??;
    status(ended, asked)
}

/// What the end was: `asked` for, or not.
fn status(ended: Option<Ended>, asked: bool) -> Outcome {
    match ended {
        Some(Ended::Drained) => Ok(ExitCode::SUCCESS),
        // A WebSocket may last for ever: that one was open when time was up is no failure of the one who stopped us.
        Some(Ended::Cut) if asked => {
            style::warn(
                "some requests or WebSockets were still open when the time to finish was over; they were cut off",
            );
            Ok(ExitCode::SUCCESS)
        }
        Some(ended) => bail!("{ended}"),
        // A second signal: not waiting for anything is what was asked for.
        None => Ok(ExitCode::from(130)),
    }
}

/// Prints the URLs once and leaves the rest to the log. `None` when a second signal cut it short.
async fn plain(handle: &Handle, mut signals: Signals) -> anyhow::Result<Option<Ended>> {
    let ended = tokio::select! {
        urls = handle.urls() => match urls {
            Ok(_) => {
                say_urls(handle);
                None
            }
            Err(ended) => Some(ended),
        },
        signal = signals.next() => {
            tracing::info!(signal, "stopping");
            handle.drain();
            None
        }
    };
    if ended.is_some() {
        return Ok(ended);
    }
    loop {
        tokio::select! {
            ended = handle.ended() => return Ok(Some(ended)),
            signal = signals.next() => {
                if handle.is_draining() {
                    tracing::warn!(signal, "stopping at once");
                    return Ok(None);
                }
                tracing::info!(signal, "draining: requests in flight are finished, new ones are not taken");
                handle.drain();
            }
        }
    }
}

fn say_urls(handle: &Handle) {
    let mut out = std::io::stdout().lock();
    for workload in &handle.status().borrow().workloads {
        if let Some(url) = &workload.url {
            let _ = writeln!(out, "{url} -> {}", workload.target);
        }
    }
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopping_is_a_success_whatever_was_open_and_breaking_down_is_none() {
        let code = |ended, asked| status(ended, asked).ok().map(|code| format!("{code:?}"));
        let success = Some(format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(Some(Ended::Drained), true), success);
        assert_eq!(code(Some(Ended::Cut), true), success);
        assert_eq!(code(Some(Ended::Cut), false), None);
        assert_eq!(code(Some(Ended::Failed("x".into())), true), None);
        assert_eq!(code(None, true), Some(format!("{:?}", ExitCode::from(130))));
    }
}
