//! The flags of `approve`.

use clap::Args;
use mezu_model::{Label, MachineCode, Network};

use super::ClientArgs;

#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// What the machine shows, such as ABCD-EFGH
    pub code: MachineCode,
    /// Turn the machine away instead
    #[arg(long, conflicts_with_all = ["name", "account", "workloads", "networks", "days", "never_expires"])]
    pub refuse: bool,
    /// What its key is called, and its service account unless --account names one [default: the machine's name]
    #[arg(long)]
    pub name: Option<Label>,
    /// A service account that is there already, for its key
    #[arg(long, value_name = "NAME", conflicts_with_all = ["workloads", "networks"])]
    pub account: Option<Label>,
    /// A workload that it may serve, and no others; may be repeated
    #[arg(long = "workload", value_name = "NAME")]
    pub workloads: Vec<Label>,
    /// A network that it may come from, and no others; may be repeated
    #[arg(long = "from", value_name = "NETWORK")]
    pub networks: Vec<Network>,
    /// Days until its key ends
    #[arg(long, visible_alias = "expires", value_name = "N", default_value_t = 90,
        value_parser = clap::value_parser!(u16).range(1..=3660))]
    pub days: u16,
    /// Its key does not end by itself
    #[arg(long, conflicts_with = "days")]
    pub never_expires: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}
