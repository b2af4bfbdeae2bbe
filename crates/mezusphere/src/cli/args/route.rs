//! The flags of `route`.

use clap::{Args, Subcommand};
use mezu_model::{Hostname, Label};
use mezu_snapshot::PathRule;

use super::ClientArgs;

#[derive(Debug, Args)]
pub struct RouteArgs {
    #[command(subcommand)]
    pub command: RouteCommand,
}

#[derive(Debug, Subcommand)]
pub enum RouteCommand {
    /// Lead requests for a hostname to a workload
    Add {
        /// The hostname, e.g. shop.example.com
        host: Hostname,
        /// Only paths under this one; "=/login" is this path alone, "/users/{id}" has a capture. The most specific wins
        #[arg(long, default_value = "/")]
        path: PathRule,
        /// The workload's name
        #[arg(long, value_name = "NAME")]
        workload: Label,
        /// Switch on a capability, e.g. 'body_limit={"bytes":1048576}'; may be repeated
        #[arg(long = "set", value_name = "STAGE=JSON", value_parser = stage)]
        set: Vec<(String, serde_json::Value)>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// List the routes in match order
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// See the capabilities that --set switches on, in the order in which requests pass them
    Stages {
        /// Print their JSON schema
        #[arg(long)]
        json: bool,
    },
    /// Take a route away
    #[command(visible_alias = "rm")]
    Remove {
        /// Its id, or HOST or HOST/PATH
        route: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

fn stage(text: &str) -> Result<(String, serde_json::Value), String> {
    let (stage, json) = text.split_once('=').ok_or("expected STAGE=JSON, e.g. body_limit={\"bytes\":1048576}")?;
    if !mezu_policy::ORDER.contains(&stage) {
        return Err(format!("there is no stage {stage:?}; there are: {}", mezu_policy::ORDER.join(", ")));
    }
    let value = serde_json::from_str(json).map_err(|error| format!("what follows {stage}= is not JSON: {error}"))?;
    Ok((stage.to_string(), value))
}
