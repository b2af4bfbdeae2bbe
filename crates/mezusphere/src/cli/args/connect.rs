//! How a command finds the instance that it asks.

use std::path::PathBuf;

use clap::Args;
use mezu_model::Label;

use super::super::api_url::ApiUrl;

/// Where the instance lives.
#[derive(Debug, Args, Clone)]
pub struct DataArg {
    /// Data directory [default: /var/lib/mezusphere for root, else ~/.local/share/mezusphere]
    #[arg(long, value_name = "DIR", env = "MEZUSPHERE_DATA", help_heading = "Instance")]
    pub data: Option<PathBuf>,
}

/// What every command that asks a running instance takes.
#[derive(Debug, Args, Clone)]
pub struct ClientArgs {
    #[command(flatten)]
    pub data: DataArg,

    /// Ask the instance whose API is at this address, with the token of `mezusphere login` or of MEZUSPHERE_TOKEN
    #[arg(long, value_name = "URL", env = "MEZUSPHERE_API", help_heading = "Instance")]
    pub api: Option<ApiUrl>,

    /// File with certificate authorities (PEM) to trust beside the system's, for --api
    #[arg(long, value_name = "FILE", env = "MEZUSPHERE_CA", help_heading = "Instance")]
    pub ca: Option<PathBuf>,

    /// The org, where there are several
    #[arg(long, value_name = "NAME", env = "MEZUSPHERE_ORG", help_heading = "Instance")]
    pub org: Option<Label>,

    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

impl DataArg {
    /// The directory, wished or default.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_directory)
    }
}

fn default_directory() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    if is_root() || home.is_none() {
        return PathBuf::from("/var/lib/mezusphere");
    }
    let shared = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    shared.or_else(|| home.map(|home| home.join(".local/share"))).unwrap_or_default().join("mezusphere")
}

/// Who owns our entry in /proc is who we are; no unsafe call is needed to know.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}
