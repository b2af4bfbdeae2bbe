//! `mezusphere key …`. The secret half is made here and never leaves this process but for the terminal or the file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mezu_api::Time;
use mezu_api::account::Account;
use mezu_api::key::{Key, NewKey};
use mezu_model::{AccountId, KeyId, Label};
use owo_colors::OwoColorize as _;

use super::args::{KeyArgs, KeyCommand};
use super::client::Client;
use super::duration;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};

pub(super) async fn run(args: KeyArgs) -> Result<(), Failure> {
    match args.command {
        KeyCommand::Create { name, account, days, never_expires, out, client } => {
            let to = Client::new(&client)?;
            let wish = Wish { name, account, days, never_expires };
            create(&to, wish, out.as_deref(), client.json).await
        }
        KeyCommand::List { all, client } => list(&Client::new(&client)?, all, client.json).await,
        KeyCommand::Revoke { key, client } => revoke(&Client::new(&client)?, &key, client.json).await,
    }
}

/// What key is wanted.
struct Wish {
    name: Option<Label>,
    account: Option<Label>,
    days: u16,
    never_expires: bool,
}

async fn create(client: &Client, wish: Wish, out: Option<&Path>, json: bool) -> Result<(), Failure> {
    let path = client.org("/keys").await?;
    let name = match wish.name {
        Some(name) => name,
        None => free_name(&client.all::<Key>(&path).await?)?,
    };
    let account = match wish.account {
        Some(account) => Some(account_named(client, &account).await?),
        None => None,
    };
    let expires_at = (!wish.never_expires).then(|| in_days(wish.days));
    let no_key = |_| Failure::Refused("no key could be made".into());
    let seed = mezu_tunnel::auth::new_seed().map_err(no_key)?;
    let public_key = mezu_tunnel::auth::public_key(&seed).map_err(no_key)?.to_string();
    let text = seed.to_text();
    // The file first: a key that is known to the instance but kept by nobody would be of no use.
    if let Some(file) = out {
        write_new(file, &text)?;
    }
    let public_key = Some(public_key);
    let new = NewKey { name, account, public_key, expires_at, never_expires: wish.never_expires };
    let made: Result<Key, Failure> = client.post(&path, &new).await;
    if let (Err(_), Some(file)) = (&made, out) {
        let _ = std::fs::remove_file(file);
    }
    let key = made?;
    if json {
        return out::json(&Key { secret: out.is_none().then_some(text), ..key });
    }
    match out {
        Some(file) => out::note(format_args!("Key {} is in {} (mode 0600).", key.name.bold(), file.display())),
        None => {
            out::note(format_args!("Key {}, shown only this once:\n", key.name.bold()));
            out::line(&text)?;
            out::note("\nGive it to a Warpgate by MEZUSPHERE_KEY or --key-file, never as an argument.");
        }
    }
    Ok(())
}

async fn list(client: &Client, all: bool, json: bool) -> Result<(), Failure> {
    let mut keys: Vec<Key> = client.all(&client.org("/keys").await?).await?;
    keys.retain(|key| all || key.revoked_at.is_none());
    if json {
        return out::json(&keys);
    }
    let mut table = Table::new(&["NAME", "CREATED (UTC)", "ENDS (UTC)", "LAST USED (UTC)", "STATE", "ID"]);
    for key in keys {
        let state = match key.revoked_at {
            Some(_) => Cell::new("revoked", Tone::Quiet),
            None => Cell::new("live", Tone::Good),
        };
        let id = Cell::new(key.id.to_string(), Tone::Quiet);
        let time = |time: Option<Time>| time.map_or_else(|| "–".into(), |at| duration::day_and_time(&at.to_string()));
        let (made, ends, used) = (time(Some(key.created_at)), time(key.expires_at), time(key.used_at));
        table.row(vec![key.name.to_string().into(), made.into(), ends.into(), used.into(), state, id]);
    }
    table.print("No keys. Make one with `mezusphere key create`.")
}

async fn revoke(client: &Client, wanted: &str, json: bool) -> Result<(), Failure> {
    let path = client.org("/keys").await?;
    let keys: Vec<Key> = client.all(&path).await?;
    let key = match wanted.parse::<KeyId>() {
        Ok(id) => keys.into_iter().find(|key| key.id == id),
        Err(_) => keys.into_iter().find(|key| key.revoked_at.is_none() && key.name.as_str() == wanted),
    };
    let Some(key) = key else {
        return Err(Failure::Refused(format!("there is no live key {wanted:?}; see `mezusphere key list`")));
    };
    client.delete(&format!("{path}/{}", key.id)).await?;
    if json {
        return out::json(&serde_json::json!({ "id": key.id, "revoked": true }));
    }
    out::line(format_args!("Key {} is revoked; tunnels that used it are cut.", key.name.bold()))
}

async fn account_named(client: &Client, name: &Label) -> Result<AccountId, Failure> {
    let accounts: Vec<Account> = client.all(&client.org("/accounts").await?).await?;
    let none = || Failure::Refused(format!("there is no service account {name}"));
    accounts.into_iter().find(|one| one.name == *name).map(|one| one.id).ok_or_else(none)
}

/// The time in so many days.
fn in_days(days: u16) -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = now + Duration::from_secs(u64::from(days) * 86_400);
    Time(i64::try_from(end.as_micros()).unwrap_or(i64::MAX))
}

fn free_name(keys: &[Key]) -> Result<Label, Failure> {
    let taken = |name: &Label| keys.iter().any(|key| key.revoked_at.is_none() && key.name == *name);
    (1..=keys.len() + 1)
        .filter_map(|n| format!("key-{n}").parse::<Label>().ok())
        .find(|name| !taken(name))
        .ok_or_else(|| Failure::Refused("no free name was found; give one with --name".into()))
}

fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let fault = |error| Failure::Refused(format!("cannot write {}: {error}", file.display()));
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(fault)?;
    writeln!(opened, "{text}").and_then(|()| opened.sync_all()).map_err(fault)
}
