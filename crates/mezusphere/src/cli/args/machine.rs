//! The flags of the commands for keys, service accounts, workloads and hostnames.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mezu_model::{Hostname, Label, Network};

use super::ClientArgs;

#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    pub command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key and print it; it is shown only this once
    Create {
        /// What it is for, e.g. the machine's name [default: key-1, key-2, …]
        #[arg(long)]
        name: Option<Label>,
        /// The service account that it is for [default: one of the key's name]
        #[arg(long, value_name = "NAME")]
        account: Option<Label>,
        /// Days until it ends
        #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3660))]
        days: u16,
        /// Make a key that does not end by itself
        #[arg(long, conflicts_with = "days")]
        never_expires: bool,
        /// Write the key to a new file (mode 0600) instead of printing it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// List the keys
    #[command(visible_alias = "ls")]
    List {
        /// Also those that are revoked
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Take a key's power away; its tunnels are cut within a second
    Revoke {
        /// Its name or id
        key: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct AccountArgs {
    #[command(subcommand)]
    pub command: AccountCommand,
}

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List the service accounts
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Make a service account; then give it keys with `mezusphere key create --account NAME`
    Create {
        name: Label,
        /// A workload that its keys may serve, of no others; may be repeated
        #[arg(long = "workload", value_name = "NAME")]
        workloads: Vec<Label>,
        /// A network that its keys may come from, from no others; may be repeated
        #[arg(long = "from", value_name = "NETWORK")]
        networks: Vec<Network>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show a service account and its keys
    Show {
        /// Its name or id
        account: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Change what a service account is called and may do; tunnels that may no longer be are cut
    #[command(visible_alias = "update")]
    Set {
        /// Its name or id
        account: String,
        /// Another name
        #[arg(long)]
        name: Option<Label>,
        /// A workload that its keys may serve, instead of those before; may be repeated
        #[arg(long = "workload", value_name = "NAME")]
        workloads: Vec<Label>,
        /// Its keys may serve any workload
        #[arg(long, conflicts_with = "workloads")]
        any_workload: bool,
        /// A network that its keys may come from, instead of those before; may be repeated
        #[arg(long = "from", value_name = "NETWORK")]
        networks: Vec<Network>,
        /// Its keys may come from anywhere
        #[arg(long, conflicts_with = "networks")]
        from_anywhere: bool,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Delete a service account and revoke its keys
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name or id
        account: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct WorkloadArgs {
    #[command(subcommand)]
    pub command: WorkloadCommand,
}

#[derive(Debug, Subcommand)]
pub enum WorkloadCommand {
    /// List the workloads
    #[command(visible_alias = "ls")]
    List {
        /// Only those with this label; may be repeated
        #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
        labels: Vec<(Label, String)>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Make a workload before its first Warpgate comes
    Create {
        name: Label,
        /// A label; may be repeated
        #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
        labels: Vec<(Label, String)>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Set the labels of a workload, instead of those it has
    Label {
        /// Its name or id
        workload: String,
        #[arg(value_name = "NAME=VALUE", value_parser = label)]
        labels: Vec<(Label, String)>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Give a workload another name
    Rename {
        /// Its name or id
        workload: String,
        name: Label,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Delete a workload
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name or id
        workload: String,
        /// Delete its routes too
        #[arg(long)]
        with_routes: bool,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct HostnameArgs {
    #[command(subcommand)]
    pub command: HostnameCommand,
}

#[derive(Debug, Subcommand)]
pub enum HostnameCommand {
    /// List the hostnames
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Claim a hostname, under the base domain or of your own
    Claim {
        name: Hostname,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Give a hostname up; it is kept for the org for 30 days
    Release {
        name: Hostname,
        #[command(flatten)]
        client: ClientArgs,
    },
}

fn label(text: &str) -> Result<(Label, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.parse().map_err(|error| format!("{error}"))?, value.to_string()))
}
