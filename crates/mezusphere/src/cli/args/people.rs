//! The flags of the commands for orgs, members, the audit log and signing in.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mezu_model::{Email, Label, Role};

use super::super::api_url::ApiUrl;
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
    /// Keep a member from signing in, in every org; only on the machine itself
    Disable {
        /// Address or id
        member: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Let a member sign in again; only on the machine itself
    Enable {
        /// Address or id
        member: String,
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Give a member a new password and take the second factor away; only on the machine itself
    Reset {
        /// Address or id
        member: String,
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

#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The address of the API, e.g. https://console.example.com
    pub url: ApiUrl,
    /// Sign in with this mail address; the password and the code are asked for, or read from standard input line by line
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<Email>,
    /// The org to make a token for, where there are several
    #[arg(long, value_name = "NAME", env = "MEZUSPHERE_ORG")]
    pub org: Option<Label>,
    /// At most this role for the token [default: your own in the org]
    #[arg(long, requires = "email")]
    pub role: Option<Role>,
    /// Days until the token ends
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=366))]
    pub days: u16,
    /// File with certificate authorities (PEM) to trust beside the system's
    #[arg(long, value_name = "FILE", env = "MEZUSPHERE_CA")]
    pub ca: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}
