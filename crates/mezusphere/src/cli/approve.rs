//! `mezusphere approve`: lets a machine in that has run `warpgate login`.

use std::time::Duration;

use mezu_api::account::Account;
use mezu_api::key::Key;
use mezu_api::machine::{Approval, Machine};
use mezu_model::{AccountId, Label};
use owo_colors::OwoColorize as _;

use super::args::ApproveArgs;
use super::client::Client;
use super::out::{self, Failure};
use super::{duration, input};

const DAY: u64 = 86_400;

pub(super) async fn run(args: ApproveArgs) -> Result<(), Failure> {
    let client = Client::new(&args.client)?;
    let path = client.org(&format!("/machines/{}", args.code)).await?;
    let machine: Machine = client.get(&path).await?;
    show(&machine);
    if args.refuse {
        return refuse(&client, &path, &machine, args.client.json).await;
    }
    let accounts: Vec<Account> = client.all(&client.org("/accounts").await?).await?;
    let account = args.account.as_ref().map(|name| named(&accounts, name)).transpose()?;
    let name = match args.name.clone() {
        Some(name) => name,
        None => free_name(&machine.claims.host, &accounts)?,
    };
    if !args.yes && !is_wanted(&client, &path)? {
        return Err(Failure::Refused("nothing was approved; the machine waits on until its code expires".into()));
    }
    let days = Duration::from_secs(u64::from(args.days) * DAY);
    let expires_at = if args.never_expires { None } else { duration::in_(days) };
    let approval = Approval {
        name,
        fingerprint: machine.fingerprint,
        account,
        workloads: (!args.workloads.is_empty()).then_some(args.workloads),
        cidrs: (!args.networks.is_empty()).then(|| args.networks.iter().map(ToString::to_string).collect()),
        expires_at,
        never_expires: args.never_expires,
    };
    let key: Key = client.post(&path, &approval).await?;
    if args.client.json {
        return out::json(&key);
    }
    let ends = key.expires_at.map_or_else(
        || "does not end by itself".to_string(),
        |end| format!("ends on {} UTC", duration::day_and_time(&end.to_string())),
    );
    out::line(format_args!("The machine is let in. Its key is {} and {ends}.", key.name.bold()))?;
    out::note(format_args!("`mezusphere key revoke {}` takes it back.", key.id));
    Ok(())
}

async fn refuse(client: &Client, path: &str, machine: &Machine, json: bool) -> Result<(), Failure> {
    client.delete(path).await?;
    if json {
        return out::json(&serde_json::json!({ "code": machine.code, "refused": true }));
    }
    out::line("The machine is turned away.")
}

/// What is known of the machine, apart from what it claims.
fn show(machine: &Machine) {
    let Machine { code, fingerprint, address, claims, asked_at, .. } = machine;
    let row = |name: &str, value: &str| out::note(format_args!("  {}  {value}", format_args!("{name:<13}").dimmed()));
    out::note(format_args!("A machine asks to be let in with the code {}.\n", code.bold()));
    row("key", fingerprint);
    row("comes from", address);
    row("asked at", &format!("{} UTC", duration::to_the_second(&asked_at.to_string())));
    out::note("\nIt says of itself, and nobody can check:\n");
    row("machine", &claims.host);
    row("user", &claims.user);
    row("program", &claims.program);
    out::note("");
}

fn is_wanted(client: &Client, path: &str) -> Result<bool, Failure> {
    if !input::is_asked() {
        return Err(Failure::Usage("nobody can be asked here; say --yes to approve without a question".into()));
    }
    let org = path.split('/').nth(4).unwrap_or_default();
    out::note("The machine shows the same code and key? If you did not ask for this yourself, say no.");
    input::confirm(&format!("Let it serve workloads of the org {org} at {}?", client.way()))
}

fn named(accounts: &[Account], name: &Label) -> Result<AccountId, Failure> {
    let none = || {
        Failure::Refused(format!("there is no service account {name}; without --account one of the key's name is made"))
    };
    accounts.iter().find(|one| one.name == *name).map(|one| one.id).ok_or_else(none)
}

/// A name for the key and its account, from what the machine calls itself.
fn free_name(host: &str, accounts: &[Account]) -> Result<Label, Failure> {
    let base = host.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let base: String = base.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(50).collect();
    let base = base.trim_matches('-');
    let base = if base.is_empty() { "machine" } else { base };
    let names = (1..=accounts.len() + 1).map(|n| if n == 1 { base.to_string() } else { format!("{base}-{n}") });
    let mut free = names.filter_map(|name| name.parse().ok());
    free.find(|name| !accounts.iter().any(|one| one.name == *name))
        .ok_or_else(|| Failure::Usage("no name could be made of the machine's; give one with --name".into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mezu_api::Time;

    use super::*;

    fn account(name: &str) -> Account {
        let (id, name) = (AccountId::from_bytes([1; 16]), name.parse().unwrap());
        Account { id, name, workloads: None, cidrs: None, created_at: Time(0), version: 1 }
    }

    #[test]
    fn a_key_is_called_like_its_machine_and_like_no_other() {
        let taken = [account("laptop"), account("laptop-2")];
        for (host, expected) in [
            ("laptop", "laptop-3"),
            ("Mini.local", "mini"),
            ("-", "machine"),
            ("", "machine"),
            ("my box?", "mybox"),
            (&"x".repeat(64), &"x".repeat(50)),
        ] {
            assert_eq!(free_name(host, &taken).unwrap().as_str(), expected, "{host}");
        }
    }
}
