//! The flags of the commands for publishes, drafts, whole configurations and whole stores.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mezu_api::Time;

use super::super::duration;
use super::super::store::StoreArg;
use super::{ClientArgs, DataArg};

#[derive(Debug, Args)]
pub struct PublishArgs {
    #[command(subcommand)]
    pub command: PublishCommand,
}

#[derive(Debug, Subcommand)]
pub enum PublishCommand {
    /// List the latest publishes, the newest first
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct DraftArgs {
    #[command(subcommand)]
    pub command: DraftCommand,
}

#[derive(Debug, Subcommand)]
pub enum DraftCommand {
    /// List the drafts
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Write down what would make the routes what a text says; a draft of the same name is replaced
    Write {
        /// What it is called, e.g. summer-sale
        name: String,
        /// The text, as `mezusphere export` prints it ("-": standard input)
        #[arg(short, long, value_name = "FILE|-", required_unless_present = "ops", conflicts_with = "ops")]
        file: Option<PathBuf>,
        /// The changes themselves, as JSON: [{"put": {"route": {…}}}, {"delete": {"id": …}}, …] ("-": standard input)
        #[arg(long, value_name = "FILE|-")]
        ops: Option<PathBuf>,
        /// When it is published by itself: a time such as 2026-12-24T06:00:00Z, or in a while, such as 2h
        #[arg(long, value_name = "TIME", value_parser = at)]
        at: Option<Time>,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show what a draft says
    Show {
        /// Its name or id
        draft: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show what publishing a draft would change as things are; exit code 1 if anything
    Diff {
        /// Its name or id
        draft: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Publish a draft: all of its changes or none
    Publish {
        /// Its name or id
        draft: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Set the time at which a draft is published by itself, or "never"
    Schedule {
        /// Its name or id
        draft: String,
        /// A time such as 2026-12-24T06:00:00Z, in a while such as 2h, or "never"
        #[arg(value_name = "TIME|never", value_parser = when)]
        when: When,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Throw a draft away
    #[command(visible_aliases = ["delete", "rm"])]
    Discard {
        /// Its name or id
        draft: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

/// When a draft is to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Never,
    At(Time),
}

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The text, as `mezusphere export` prints it ("-": standard input)
    #[arg(short, long, value_name = "FILE|-")]
    pub file: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask whether to go ahead
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The text, as `mezusphere export` prints it ("-": standard input)
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
pub struct StoreArgs {
    /// The backup
    pub file: PathBuf,
    #[command(flatten)]
    pub data: DataArg,
    #[command(flatten)]
    pub store: StoreArg,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

fn at(text: &str) -> Result<Time, String> {
    let expected =
        || "expected a time such as 2026-12-24T06:00:00Z, or in a while, such as 2h; at most 24h".to_string();
    if let Ok(time) = text.parse::<Time>() {
        return Ok(time);
    }
    let wait = duration::parse(text).map_err(|_| expected())?;
    duration::in_(wait).ok_or_else(expected)
}

fn when(text: &str) -> Result<When, String> {
    if text == "never" { Ok(When::Never) } else { at(text).map(When::At) }
}
