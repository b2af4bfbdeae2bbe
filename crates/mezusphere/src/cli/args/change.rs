//! The flags of the commands for publishes, drafts, whole configurations and whole stores.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mezu_model::DraftId;

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
    /// Show what publishing a draft would change
    Diff {
        draft: DraftId,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Publish a draft: all of its changes or none
    Publish {
        draft: DraftId,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Throw a draft away
    #[command(visible_alias = "rm")]
    Delete {
        draft: DraftId,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The text
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
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
