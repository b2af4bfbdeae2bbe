//! `mezusphere account …`.

use mezu_api::account::{Account, AccountSpec};
use mezu_api::key::Key;
use mezu_model::{Label, Network};
use owo_colors::OwoColorize as _;

use super::args::{AccountArgs, AccountCommand};
use super::client::Client;
use super::duration::day_and_time;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};

pub(super) async fn run(args: AccountArgs) -> Result<(), Failure> {
    match args.command {
        AccountCommand::List { client } => list(&Client::new(&client)?, client.json).await,
        AccountCommand::Create { name, workloads, networks, client } => {
            let to = Client::new(&client)?;
            let spec = AccountSpec { name, workloads: some(workloads), cidrs: some(texts(&networks)) };
            let made: Account = to.post(&to.org("/accounts").await?, &spec).await?;
            if client.json {
                return out::json(&made);
            }
            out::line(format_args!("Service account {} is made.", made.name.bold()))?;
            out::note(format_args!("Give it a key: mezusphere key create --account {}", made.name));
            Ok(())
        }
        AccountCommand::Show { account, client } => show(&Client::new(&client)?, &account, client.json).await,
        AccountCommand::Set { account, name, workloads, any_workload, networks, from_anywhere, client } => {
            let to = Client::new(&client)?;
            let found = find(&to, &account).await?;
            let spec = AccountSpec {
                name: name.unwrap_or(found.name),
                workloads: if any_workload { None } else { some(workloads).or(found.workloads) },
                cidrs: if from_anywhere { None } else { some(texts(&networks)).or(found.cidrs) },
            };
            let path = to.org(&format!("/accounts/{}", found.id)).await?;
            let now: Account = to.put(&path, &spec, found.version).await?;
            if client.json {
                return out::json(&now);
            }
            out::line(format_args!("Service account {} may serve {}, from {}.", now.name.bold(), may(&now), from(&now)))
        }
        AccountCommand::Delete { account, client } => {
            let to = Client::new(&client)?;
            let found = find(&to, &account).await?;
            to.delete(&to.org(&format!("/accounts/{}", found.id)).await?).await?;
            if client.json {
                return out::json(&serde_json::json!({ "id": found.id, "deleted": true }));
            }
            out::line(format_args!("Service account {} is gone; its keys are revoked.", found.name.bold()))
        }
    }
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let mut accounts: Vec<Account> = client.all(&client.org("/accounts").await?).await?;
    accounts.sort_by(|a, b| a.name.cmp(&b.name));
    if json {
        return out::json(&accounts);
    }
    let mut table = Table::new(&["NAME", "WORKLOADS", "FROM", "CREATED (UTC)", "ID"]);
    for one in accounts {
        let id = Cell::new(one.id.to_string(), Tone::Quiet);
        let made = day_and_time(&one.created_at.to_string());
        let (may, from) = (may(&one), from(&one));
        table.row(vec![one.name.to_string().into(), may.into(), from.into(), made.into(), id]);
    }
    table.print("No service accounts. One is made with each key: `mezusphere key create`.")
}

async fn show(client: &Client, wanted: &str, json: bool) -> Result<(), Failure> {
    let account = find(client, wanted).await?;
    let mut keys: Vec<Key> = client.all(&client.org("/keys").await?).await?;
    keys.retain(|key| key.account == account.id && key.revoked_at.is_none());
    if json {
        return out::json(&serde_json::json!({ "account": account, "keys": keys }));
    }
    let names: Vec<String> = keys.iter().map(|key| key.name.to_string()).collect();
    let keys = if names.is_empty() { "none".into() } else { names.join(", ") };
    out::rows(&[
        ("Name", account.name.to_string()),
        ("Workloads", may(&account)),
        ("From", from(&account)),
        ("Keys", keys),
        ("Created", day_and_time(&account.created_at.to_string())),
        ("Id", account.id.to_string()),
    ])
}

async fn find(client: &Client, wanted: &str) -> Result<Account, Failure> {
    let accounts: Vec<Account> = client.all(&client.org("/accounts").await?).await?;
    let is_it = |one: &Account| one.name.as_str() == wanted.to_ascii_lowercase() || one.id.to_string() == wanted;
    let none = || Failure::Refused(format!("there is no service account {wanted:?}; see `mezusphere account list`"));
    accounts.into_iter().find(is_it).ok_or_else(none)
}

fn may(account: &Account) -> String {
    let names = |names: &Vec<Label>| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    account.workloads.as_ref().map_or_else(|| "any workload".into(), names)
}

fn from(account: &Account) -> String {
    account.cidrs.as_ref().map_or_else(|| "anywhere".into(), |networks| networks.join(", "))
}

/// None at all is no restriction.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}

fn texts(networks: &[Network]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}
