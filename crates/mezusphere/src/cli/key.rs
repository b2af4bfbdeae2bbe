//! `mezusphere key …`. The secret half is made here and never leaves this process but for the terminal or the file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use mezu_model::{KeyId, Label};
use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::args::{KeyArgs, KeyCommand};
use super::client::Client;
use super::duration;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};
use crate::api;

pub(super) async fn run(args: KeyArgs) -> Result<(), Failure> {
    match args.command {
        KeyCommand::Create { name, out, client } => {
            create(&Client::new(&client), name, out.as_deref(), client.json).await
        }
        KeyCommand::List { all, client } => list(&Client::new(&client), all, client.json).await,
        KeyCommand::Revoke { key, client } => revoke(&Client::new(&client), &key, client.json).await,
    }
}

#[derive(Serialize)]
struct Created<'a> {
    #[serde(flatten)]
    key: &'a api::Key,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

async fn create(client: &Client, name: Option<Label>, out: Option<&Path>, json: bool) -> Result<(), Failure> {
    let name = match name {
        Some(name) => name,
        None => free_name(&client.get::<Vec<api::Key>>("/v1/keys").await?)?,
    };
    let no_key = |_| Failure::Refused("no key could be made".into());
    let seed = mezu_tunnel::auth::new_seed().map_err(no_key)?;
    let public_key = mezu_tunnel::auth::public_key(&seed).map_err(no_key)?.to_string();
    let text = seed.to_text();
    // The file first: a key that is known to the instance but kept by nobody would be of no use.
    if let Some(file) = out {
        write_new(file, &text)?;
    }
    let made: Result<api::Key, Failure> = client.post("/v1/keys", &api::NewKey { name, public_key }).await;
    if let (Err(_), Some(file)) = (&made, out) {
        let _ = std::fs::remove_file(file);
    }
    let key = made?;
    if json {
        return out::json(&Created { key: &key, secret: out.is_none().then_some(text.as_str()) });
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
    let mut keys: Vec<api::Key> = client.get("/v1/keys").await?;
    keys.retain(|key| all || key.revoked_at.is_none());
    if json {
        return out::json(&keys);
    }
    let mut table = Table::new(&["NAME", "CREATED (UTC)", "STATE", "ID"]);
    for key in keys {
        let state = match key.revoked_at {
            Some(_) => Cell::new("revoked", Tone::Quiet),
            None => Cell::new("live", Tone::Good),
        };
        let id = Cell::new(key.id.to_string(), Tone::Quiet);
        table.row(vec![key.name.to_string().into(), duration::day_and_time(&key.created_at).into(), state, id]);
    }
    table.print("No keys. Make one with `mezusphere key create`.")
}

async fn revoke(client: &Client, wanted: &str, json: bool) -> Result<(), Failure> {
    let keys: Vec<api::Key> = client.get("/v1/keys").await?;
    let key = match wanted.parse::<KeyId>() {
        Ok(id) => keys.into_iter().find(|key| key.id == id),
        Err(_) => keys.into_iter().find(|key| key.revoked_at.is_none() && key.name.as_str() == wanted),
    };
    let Some(key) = key else {
        return Err(Failure::Refused(format!("there is no live key {wanted:?}; see `mezusphere key list`")));
    };
    client.post::<()>(&format!("/v1/keys/{}/revoke", key.id), &()).await?;
    if json {
        return out::json(&serde_json::json!({ "id": key.id, "revoked": true }));
    }
    out::line(format_args!("Key {} is revoked; tunnels that used it are cut.", key.name.bold()))
}

fn free_name(keys: &[api::Key]) -> Result<Label, Failure> {
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
