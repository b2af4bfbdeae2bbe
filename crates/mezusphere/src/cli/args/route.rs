//! The flags of `route`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};
use mezu_api::route::HeaderMatch;
use mezu_model::{Hostname, Label, Network};
use mezu_snapshot::PathRule;
use serde_json::Value;

use super::super::duration;
use super::ClientArgs;

#[derive(Debug, Args)]
pub struct RouteArgs {
    #[command(subcommand)]
    pub command: RouteCommand,
}

#[derive(Debug, Subcommand)]
pub enum RouteCommand {
    /// Lead requests for a hostname to a workload
    Add(Box<AddArgs>),
    /// List the routes in the order in which they are asked
    #[command(visible_alias = "ls")]
    List {
        /// Only those of this hostname
        #[arg(long)]
        host: Option<Hostname>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show all that a route says
    Show {
        /// Its id, or HOST or HOST/PATH
        route: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Change what a route says; what is not named stays
    #[command(visible_alias = "update")]
    Set(Box<SetArgs>),
    /// See in which order the routes of a hostname are asked, why, and which are never reached
    Order {
        /// The hostname; without, all
        host: Option<Hostname>,
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

#[derive(Debug, Args)]
pub struct AddArgs {
    /// The hostname, e.g. shop.example.com
    pub host: Hostname,
    /// Only paths under this one; "=/login" is this path alone, "/users/{id}" has a capture. The most specific wins
    #[arg(long, default_value = "/")]
    pub path: PathRule,
    /// The workload's name
    #[arg(long, value_name = "NAME")]
    pub workload: Label,
    #[command(flatten)]
    pub matching: MatchFlags,
    /// The place in the order given by hand, lowest first; see `mezusphere route order`
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub rank: Option<i64>,
    /// Keep the route switched off
    #[arg(long)]
    pub off: bool,
    #[command(flatten)]
    pub stages: StageFlags,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct SetArgs {
    /// The route: its id, or HOST or HOST/PATH
    pub route: String,
    /// Another path
    #[arg(long)]
    pub path: Option<PathRule>,
    /// Another workload
    #[arg(long, value_name = "NAME")]
    pub workload: Option<Label>,
    #[command(flatten)]
    pub matching: MatchFlags,
    /// Any method will do
    #[arg(long, conflicts_with = "methods")]
    pub any_method: bool,
    /// No header field is asked for
    #[arg(long, conflicts_with = "headers")]
    pub any_header: bool,
    /// Another place in the order given by hand
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub rank: Option<i64>,
    /// Ordered by how specific it is
    #[arg(long, conflicts_with = "rank")]
    pub no_rank: bool,
    /// Switch the route on
    #[arg(long, conflicts_with = "off")]
    pub on: bool,
    /// Switch the route off, and keep it
    #[arg(long)]
    pub off: bool,
    #[command(flatten)]
    pub stages: StageFlags,
    /// Switch a capability off; may be repeated
    #[arg(long, value_name = "STAGE", value_parser = stage_name, help_heading = "Capabilities")]
    pub unset: Vec<String>,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// What a request must have besides host and path.
#[derive(Debug, Args)]
pub struct MatchFlags {
    /// Only requests by this method; may be repeated
    #[arg(long = "method", value_name = "METHOD")]
    pub methods: Vec<String>,
    /// Only requests with this header field, whatever it says or with this value; may be repeated
    #[arg(long = "header", value_name = "NAME[=VALUE]", value_parser = header)]
    pub headers: Vec<HeaderMatch>,
}

/// The capabilities. `--set` knows all of them; the others are short for what is used most.
#[derive(Debug, Args)]
#[command(next_help_heading = "Capabilities")]
pub struct StageFlags {
    /// Switch a capability on, e.g. 'body_limit={"bytes":1048576}'; see `mezusphere route stages`; may be repeated
    #[arg(long = "set", value_name = "STAGE=JSON", value_parser = stage)]
    pub set: Vec<(String, Value)>,
    /// All capabilities from a file ("-": standard input), instead of those that are switched on: {"body_limit": {…}, …}
    #[arg(long, value_name = "FILE|-")]
    pub stages: Option<PathBuf>,
    /// Refuse longer request bodies, e.g. 10MiB (body_limit)
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub body_limit: Option<u64>,
    /// Take so many requests of each address in a time, e.g. 100/1m (rate_limit)
    #[arg(long, value_name = "N/TIME", value_parser = rate)]
    pub rate_limit: Option<(NonZeroU32, u32)>,
    /// Have at most so many requests in flight (concurrency)
    #[arg(long, value_name = "N")]
    pub max_in_flight: Option<NonZeroU32>,
    /// Let only these addresses in, e.g. 192.0.2.0/24; may be repeated (ip_access)
    #[arg(long, value_name = "NETWORK")]
    pub allow: Vec<Network>,
    /// Keep these addresses out; may be repeated (ip_access)
    #[arg(long, value_name = "NETWORK")]
    pub deny: Vec<Network>,
    /// Let pages of this origin read answers, e.g. https://app.example.com; may be repeated (cors)
    #[arg(long, value_name = "ORIGIN")]
    pub cors: Vec<String>,
    /// Take this off the path before the workload sees it (rewrite)
    #[arg(long, value_name = "PATH")]
    pub strip_prefix: Option<String>,
    /// Put this before the path that the workload sees (rewrite)
    #[arg(long, value_name = "PATH")]
    pub add_prefix: Option<String>,
    /// Send visitors there instead, for good (redirect)
    #[arg(long, value_name = "URL")]
    pub redirect: Option<String>,
    /// Answer with the maintenance page (respond)
    #[arg(long, action = ArgAction::SetTrue)]
    pub maintenance: bool,
}

fn stage(text: &str) -> Result<(String, Value), String> {
    let (stage, json) = text.split_once('=').ok_or("expected STAGE=JSON, e.g. body_limit={\"bytes\":1048576}")?;
    let stage = stage_name(stage)?;
    let value = serde_json::from_str(json).map_err(|error| format!("what follows {stage}= is not JSON: {error}"))?;
    Ok((stage, value))
}

fn stage_name(stage: &str) -> Result<String, String> {
    if mezu_policy::ORDER.contains(&stage) {
        return Ok(stage.to_string());
    }
    Err(format!("there is no stage {stage:?}; there are: {}", mezu_policy::ORDER.join(", ")))
}

#[allow(clippy::unnecessary_wraps, reason = "clap wants a parser that may fail")]
fn header(text: &str) -> Result<HeaderMatch, String> {
    let (name, values) = match text.split_once('=') {
        Some((name, value)) => (name, vec![value.to_string()]),
        None => (text, Vec::new()),
    };
    Ok(HeaderMatch { name: name.trim().to_ascii_lowercase(), values })
}

fn size(text: &str) -> Result<u64, String> {
    let expected = || "expected bytes, or a number with KiB, MiB or GiB, such as 10MiB".to_string();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(1 << shift).ok_or_else(expected)
}

fn rate(text: &str) -> Result<(NonZeroU32, u32), String> {
    let expected = || "expected a number and a time, such as 100/1m".to_string();
    let (requests, time) = text.split_once('/').ok_or_else(expected)?;
    let requests = requests.parse().map_err(|_| expected())?;
    // `100/s` is as good as `100/1s`.
    let time = if time.starts_with(|c: char| c.is_ascii_digit()) { time.to_string() } else { format!("1{time}") };
    let seconds = duration::parse(&time)?.as_secs();
    u32::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(|seconds| (requests, seconds)).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_rates_as_people_write_them() {
        for (text, bytes) in [("0", 0), ("512", 512), ("10MiB", 10 << 20), ("1 GiB", 1 << 30), ("4K", 4096)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1.5MiB", "-1", "1MB", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        let of = |n| NonZeroU32::new(n).unwrap();
        for (text, expected) in [("100/1m", (of(100), 60)), ("5/s", (of(5), 1)), ("1/24h", (of(1), 86_400))] {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        for text in ["", "100", "0/1s", "100/0s", "100/500ms", "100/1d", "/1s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
