//! Every flag, with its environment variable and its default.

mod approve;
mod change;
mod connect;
mod machine;
mod people;
mod route;
mod trace;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand};
use mezu_edge::access_log::AccessLogTarget;
use mezu_model::{Hostname, PublishId};
use mezu_runtime::telemetry::LogFormat;

use super::duration;
use super::store::StoreArg;
use crate::up::HttpWish;

pub(super) use approve::ApproveArgs;
pub(super) use change::{ApplyArgs, DiffArgs, DraftArgs, DraftCommand, PublishArgs, PublishCommand, StoreArgs, When};
pub(super) use connect::{ClientArgs, DataArg};
pub(super) use machine::{
    AccountArgs, AccountCommand, HostnameArgs, HostnameCommand, KeyArgs, KeyCommand, WorkloadArgs, WorkloadCommand,
};
pub(super) use people::{
    AuditArgs, AuditCommand, LoginArgs, LogoutArgs, MemberArgs, MemberCommand, OrgArgs, OrgCommand,
};
pub(super) use route::{AddArgs, MatchFlags, RouteArgs, RouteCommand, SetArgs, StageFlags};
pub(super) use trace::{RequestsArgs, TryArgs, WhyArgs};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  mezusphere up                                   start; prints the next step
  mezusphere status                               how the running instance is
  mezusphere key create --name laptop             a key for another machine
  mezusphere route add shop.example.com --workload shop
  mezusphere try GET https://shop.example.com/    what would become of a request, and why
  mezusphere login https://console.example.com    ask an instance elsewhere

Which instance is asked: --api, else --data, else that of `mezusphere login`, else the one on this machine.
Exit codes: 0 done; 1 refused, failed, or (diff) different; 2 wrong usage; 3 no running instance was reached.";

/// Put what runs on your machine on the internet, through an edge of your own.
#[derive(Debug, Parser)]
#[command(name = "mezusphere", version, about, after_help = EXAMPLES, styles = STYLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start an instance: edge, control and store in one process
    Up(Box<UpArgs>),
    /// Sign in to an instance elsewhere; all commands ask it from then on
    Login(LoginArgs),
    /// Forget the login, and revoke its token
    Logout(LogoutArgs),
    /// See which instance the commands ask, and as whom
    Whoami {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Let a machine in that has run `warpgate login`, by the code that it shows
    ///
    /// Approve only what you, or somebody you are speaking to, has just asked for. Whoever sends you a code may want
    /// their own machine let in: compare code and key with those that the machine shows.
    Approve(Box<ApproveArgs>),
    /// Make, list and revoke the keys with which a Warpgate connects
    Key(KeyArgs),
    /// Make service accounts for machines, and say which workloads they may serve and from where
    Account(AccountArgs),
    /// Say which hostname and path leads to which workload
    Route(RouteArgs),
    /// Make, list and label the workloads, and see whether they are online
    Workload(WorkloadArgs),
    /// Claim and release hostnames
    Hostname(HostnameArgs),
    /// See what was published
    Publish(PublishArgs),
    /// Take a publish back, the latest unless one is named
    Undo {
        /// Its id; see `mezusphere publish list`
        publish: Option<PublishId>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Write changes down, look at them, and publish them together, now or later
    Draft(DraftArgs),
    /// Make, list and rename orgs
    Org(OrgArgs),
    /// Invite members, list them, and give them roles
    Member(MemberArgs),
    /// Say what would become of a request: each stage's verdict, and the answer. Nothing is sent
    Try(TryArgs),
    /// Say what became of a request, by the ray id on its answer
    Why(WhyArgs),
    /// List the latest requests, as far as the edge remembers
    Requests(RequestsArgs),
    /// Read the audit log, and prove that it is whole
    Audit(AuditArgs),
    /// See how the running instance is
    Status(StatusArgs),
    /// Print the configuration of an org as one text
    Export {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show how the configuration of an org differs from a text; exit code 1 if it does
    Diff(DiffArgs),
    /// Make the configuration of an org what a text says, as `export` prints it
    Apply(ApplyArgs),
    /// Write all that the store holds into a new file, while the instance runs
    Backup(StoreArgs),
    /// Fill a new store from a backup
    Restore(StoreArgs),
    /// Print shell completions, e.g. `mezusphere completions bash`
    Completions { shell: clap_complete::Shell },
    /// Write the man pages of all commands into a directory
    Man { directory: PathBuf },
}

#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub data: DataArg,

    #[command(flatten)]
    pub store: StoreArg,

    /// Address for HTTPS and tunnels [default: port 443 of all addresses, or 8443 where 443 may not be had]
    #[arg(long, value_name = "ADDR", env = "MEZUSPHERE_HTTPS", help_heading = "Addresses")]
    pub https: Option<SocketAddr>,

    /// Address that redirects plain HTTP, or "off" [default: port 80, or 8080 where 80 may not be had]
    #[arg(long, value_name = "ADDR|off", env = "MEZUSPHERE_HTTP", value_parser = http_wish, help_heading = "Addresses")]
    pub http: Option<HttpWish>,

    /// Address of health and metrics: GET /healthz, /readyz, /metrics
    #[arg(long, value_name = "ADDR", env = "MEZUSPHERE_ADMIN", default_value_t = crate::up::ADMIN,
        help_heading = "Addresses")]
    pub admin: SocketAddr,

    /// Allow an admin address that other machines can reach
    #[arg(long, env = "MEZUSPHERE_ADMIN_PUBLIC", help_heading = "Addresses")]
    pub admin_public: bool,

    /// Port that clients use, where a load balancer or port mapping in front changes it [default: that of --https]
    #[arg(long, value_name = "PORT", env = "MEZUSPHERE_PUBLIC_PORT", help_heading = "Addresses")]
    pub public_port: Option<u16>,

    /// Domain under which each workload gets its hostname
    #[arg(long, value_name = "NAME", env = "MEZUSPHERE_BASE_DOMAIN", default_value = crate::up::BASE_DOMAIN,
        help_heading = "Names")]
    pub base_domain: Hostname,

    /// Certificate chain (PEM) to use instead of the private CA's; followed when the file changes
    #[arg(long, value_name = "FILE", env = "MEZUSPHERE_TLS_CERT", requires = "tls_key", help_heading = "Names")]
    pub tls_cert: Option<PathBuf>,

    /// Private key (PEM) of --tls-cert
    #[arg(long, value_name = "FILE", env = "MEZUSPHERE_TLS_KEY", requires = "tls_cert", help_heading = "Names")]
    pub tls_key: Option<PathBuf>,

    /// Threads that serve requests [default: one per core]
    #[arg(long, value_name = "N", env = "MEZUSPHERE_WORKERS", help_heading = "Running")]
    pub workers: Option<NonZeroUsize>,

    /// How long open requests may take to end after SIGTERM
    #[arg(long, value_name = "TIME", env = "MEZUSPHERE_DRAIN_TIMEOUT", default_value = "30s",
        value_parser = duration::parse, help_heading = "Running")]
    pub drain_timeout: Duration,

    /// One JSON line per request: to a file, to standard output ("-"), or "off"
    #[arg(long, value_name = "FILE|-|off", env = "MEZUSPHERE_ACCESS_LOG", default_value = "off",
        value_parser = access_log, help_heading = "Logs")]
    pub access_log: AccessLogWish,

    /// Form of log lines on standard error: auto, text or json
    #[arg(long, value_name = "FORM", env = "MEZUSPHERE_LOG_FORMAT", default_value_t = LogFormat::Auto,
        help_heading = "Logs")]
    pub log_format: LogFormat,

    /// What to log: error, warn, info, debug, trace, or a filter such as "info,mezu_edge=debug"
    #[arg(long, value_name = "FILTER", env = "MEZUSPHERE_LOG", default_value = "info", help_heading = "Logs")]
    pub log: String,
}

/// Where access log lines go, if anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogWish(pub Option<AccessLogTarget>);

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub client: ClientArgs,
}

fn http_wish(text: &str) -> Result<HttpWish, String> {
    if text == "off" {
        return Ok(HttpWish::Off);
    }
    text.parse().map(HttpWish::At).map_err(|_| "expected an address such as 0.0.0.0:80, or \"off\"".to_string())
}

#[allow(clippy::unnecessary_wraps, reason = "clap wants a parser that may fail")]
fn access_log(text: &str) -> Result<AccessLogWish, String> {
    Ok(AccessLogWish(match text {
        "off" => None,
        "-" => Some(AccessLogTarget::Stdout),
        file => Some(AccessLogTarget::File(file.into())),
    }))
}
