//! The flags of the commands for orgs, members, the audit log and signing in.

use clap::{Args, Subcommand};
use mezu_model::{Email, Label, Role};

use super::super::store::StoreArg;
use super::ClientArgs;

#[derive(Debug, Args)]
pub struct OrgArgs {
    #[command(subcommand)]
    pub command: OrgCommand,
}

#[derive(Debug, Subcommand)]
pub enum OrgCommand {
    /// List the orgs
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Make an org
    Create {
        name: Label,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Give the org another name
    Rename {
        name: Label,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct MemberArgs {
    #[command(subcommand)]
    pub command: MemberCommand,
}

#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// List the members of the org
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Invite a person; prints the secret to hand on, good for 72 hours
    Invite {
        email: Email,
        /// viewer, editor, admin or owner
        #[arg(long, default_value_t = Role::Viewer)]
        role: Role,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Give a member another role
    Role {
        /// Address or id
        member: String,
        role: Role,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Take a member out of the org
    #[command(visible_alias = "rm")]
    Remove {
        /// Address or id
        member: String,
        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List the latest events, the newest first
    #[command(visible_alias = "ls")]
    List {
        /// Only this action, such as route.create
        #[arg(long)]
        action: Option<String>,
        /// Only what was refused
        #[arg(long)]
        refused: bool,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Prove that no event was changed or taken away
    Verify {
        /// Read the store itself instead of asking the running instance
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        store: StoreArg,
        #[command(flatten)]
        client: ClientArgs,
    },
}
