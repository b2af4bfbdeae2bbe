//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use mezu_runtime::telemetry::LogFormat;
use warpgate::{DEFAULT_CONNECTIONS, EdgeAddress, GateLabel, Label, Proxy, Span, Target};

const EXAMPLES: &str = "\
Examples:
  warpgate login --edge edge.example.com            once: have this machine let in
  warpgate http 3000                                what listens on port 3000 here
  warpgate http file:///srv/site --name site        a folder, as site.<the edge's domain>
  warpgate http 3000 --name site --label pr-7       a preview of it, as pr-7--site.<the edge's domain>
  warpgate start --config warpgate.toml             several workloads
  warpgate diag --edge edge.example.com             what is wrong with the way there

Key and edge come from `warpgate login`, unless --key-file or MEZUSPHERE_KEY and --edge or MEZUSPHERE_EDGE say otherwise.";

/// Puts a workload on this machine on the internet, through an edge, without opening a port.
#[derive(Debug, Parser)]
#[command(name = "warpgate", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve one workload: a port, an address, a unix socket or a folder
    Http(HttpArgs),
    /// Serve the workloads of a file
    Start(StartArgs),
    /// Check name, port, TLS, proxy, clock and key, and say what to fix
    Diag(DiagArgs),
    /// Have this machine let in: somebody approves the code that is shown. No key is copied
    Login(LoginArgs),
    /// Revoke the key of `warpgate login`, and forget it
    Logout(LogoutArgs),
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct HttpArgs {
    /// 3000, host:port, http://…, https://…, h2c://… (gRPC), unix:/path or file:///dir
    pub target: Target,
    /// Name of the workload, which becomes part of its URL; derived from the target or this folder by default
    #[arg(long, value_parser = label)]
    pub name: Option<Label>,
    /// Preview: be reached at LABEL--<the workload's host> alone, by its rules, and take none of its other requests
    #[arg(long)]
    pub label: Option<GateLabel>,
    /// Host header for the workload instead of the public name; `rewrite` means the target's own
    #[arg(long, value_name = "HOST")]
    pub host_header: Option<String>,
    /// Take any certificate of an https target
    #[arg(long)]
    pub insecure_workload_tls: bool,
    #[command(flatten)]
    pub health: HealthArgs,
    #[command(flatten)]
    pub connect: ConnectArgs,
    #[command(flatten)]
    pub show: ShowArgs,
}

/// Whether the workload is well.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Ask for this path now and then: while the answer is no 2xx or 3xx, the workload gets no requests here
    #[arg(long, value_name = "PATH")]
    pub health_path: Option<String>,
    /// From one question to the next [default: 5s]
    #[arg(long, value_name = "TIME", requires = "health_path")]
    pub health_interval: Option<Span>,
    /// How long a question may take [default: 2s]
    #[arg(long, value_name = "TIME", requires = "health_path")]
    pub health_timeout: Option<Span>,
    /// Bad answers in a row until it gets no requests [default: 3]
    #[arg(long, value_name = "N", requires = "health_path")]
    pub unhealthy_after: Option<u32>,
    /// Good answers in a row until it gets requests again [default: 2]
    #[arg(long, value_name = "N", requires = "health_path")]
    pub healthy_after: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The file
    #[arg(short, long, value_name = "FILE", default_value = "warpgate.toml")]
    pub config: PathBuf,
    #[command(flatten)]
    pub connect: ConnectArgs,
    #[command(flatten)]
    pub show: ShowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DiagArgs {
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Read settings from this file too
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The edge, as host or host:port [default: that of the login before]
    #[arg(long, env = "MEZUSPHERE_EDGE", value_name = "HOST:PORT")]
    pub edge: Option<EdgeAddress>,
    /// PEM file with further certificate authorities to trust for the edge; a copy is kept with the key
    #[arg(long, value_name = "FILE", env = "MEZUSPHERE_CA")]
    pub ca: Option<PathBuf>,
    /// The only org that may let this machine in
    #[arg(long, value_name = "NAME", value_parser = label)]
    pub org: Option<Label>,
    /// http://, https:// or socks5:// proxy, or `none` (else HTTPS_PROXY and NO_PROXY decide)
    #[arg(long, value_name = "URL", value_parser = proxy)]
    pub proxy: Option<ProxyChoice>,
    /// Keep a key that was made elsewhere, read from standard input, and ask nobody
    #[arg(long, conflicts_with_all = ["org", "proxy"])]
    pub with_key: bool,
    /// Where to keep the key
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// http://, https:// or socks5:// proxy, or `none` (else HTTPS_PROXY and NO_PROXY decide)
    #[arg(long, value_name = "URL", value_parser = proxy)]
    pub proxy: Option<ProxyChoice>,
    /// Where the key is kept
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// The way to the edge.
#[derive(Debug, Args, Default)]
pub(crate) struct ConnectArgs {
    /// The edge, as host or host:port
    #[arg(long, env = "MEZUSPHERE_EDGE", value_name = "HOST:PORT")]
    pub edge: Option<EdgeAddress>,
    /// File with the key (else MEZUSPHERE_KEY, else the file of `warpgate login`)
    #[arg(long, value_name = "FILE", env = "MEZUSPHERE_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// The key itself; everybody on this machine can read it there
    #[arg(long, value_name = "KEY", hide = true)]
    pub key: Option<String>,
    /// PEM file with further certificate authorities to trust for the edge
    #[arg(long, value_name = "FILE", env = "MEZUSPHERE_CA")]
    pub ca: Option<PathBuf>,
    /// http://, https:// or socks5:// proxy, or `none` (else HTTPS_PROXY and NO_PROXY decide)
    #[arg(long, value_name = "URL", value_parser = proxy)]
    pub proxy: Option<ProxyChoice>,
    /// Connections to the edge, at most; it says how many it has use for
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub connections: Option<u16>,
}

/// What is shown while it runs.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Log lines instead of the live view
    #[arg(long)]
    pub plain: bool,
    /// Log format: auto, text or json
    #[arg(long, default_value = "auto", value_name = "FORMAT", env = "MEZUSPHERE_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// What to log: a level, or levels by module such as info,warpgate=debug
    #[arg(long, default_value = "info", value_name = "FILTER", env = "MEZUSPHERE_LOG")]
    pub log: String,
}

/// A proxy, or word that there is to be none.
#[derive(Debug, Clone)]
pub(crate) enum ProxyChoice {
    None,
    Use(Proxy),
}

impl ConnectArgs {
    pub(crate) fn connections(&self) -> usize {
        self.connections.map_or(DEFAULT_CONNECTIONS, usize::from)
    }
}

fn label(text: &str) -> Result<Label, String> {
    text.parse().map_err(|_| "a name is 1 to 63 letters, digits and hyphens, with no hyphen at either end".to_owned())
}

fn proxy(text: &str) -> Result<ProxyChoice, warpgate::InvalidProxy> {
    if text == "none" { Ok(ProxyChoice::None) } else { text.parse().map(ProxyChoice::Use) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn targets_are_checked_as_they_are_read() {
        assert!(Cli::try_parse_from(["warpgate", "http", "3000", "--edge", "e.test:8443", "--name", "web"]).is_ok());
        for bad in [
            &["http", "nope"][..],
            &["http", "3000", "--name", "-x"],
            &["http", "3000", "--label", "a--b"],
            &["http", "3000", "--label", "www"],
            &["http", "3000", "--health-path", "/x", "--health-interval", "5"],
            &["http", "3000", "--health-interval", "5s"],
            &["http", "3000", "--proxy", "ftp://x"],
            &["http", "3000", "--connections", "17"],
            &["http"],
        ] {
            assert!(Cli::try_parse_from([&["warpgate"], bad].concat()).is_err(), "{bad:?}");
        }
    }
}
