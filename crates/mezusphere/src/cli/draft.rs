//! `mezusphere draft …`.

use std::path::{Path, PathBuf};

use mezu_api::Time;
use mezu_api::draft::{Changed, Diff, Draft, DraftSpec, RouteOp};
use mezu_api::publish::Publish;
use owo_colors::OwoColorize as _;

use super::args::{DraftArgs, DraftCommand, When};
use super::client::Client;
use super::duration::day_and_time;
use super::out::{self, Failure};
use super::publish::{print, print_all};
use super::table::{Cell, Table, Tone};
use super::{config, input};

pub(super) async fn run(args: DraftArgs) -> Result<(), Failure> {
    match args.command {
        DraftCommand::List { client } => list(&Client::new(&client)?, client.json).await,
        DraftCommand::Write { name, file, ops, at, client } => {
            let from = match (file, ops) {
                (Some(text), _) => From::Text(text),
                (None, Some(ops)) => From::Ops(ops),
                (None, None) => return Err(Failure::Usage("say --file or --ops".into())),
            };
            write(&Client::new(&client)?, name, &from, at, client.json).await
        }
        DraftCommand::Show { draft, client } => {
            let found = find(&Client::new(&client)?, &draft).await?;
            if client.json { out::json(&found) } else { show(&found) }
        }
        DraftCommand::Diff { draft, client } => {
            let to = Client::new(&client)?;
            let changes = diff(&to, &find(&to, &draft).await?).await?;
            if client.json {
                out::json(&Diff { changes: changes.clone() })?;
            } else {
                print_all(&changes)?;
            }
            if changes.is_empty() { Ok(()) } else { Err(Failure::Different) }
        }
        DraftCommand::Publish { draft, client } => {
            let to = Client::new(&client)?;
            let found = find(&to, &draft).await?;
            let done: Publish = to.order(&path(&to, &found, "/publish").await?).await?;
            if client.json {
                return out::json(&done);
            }
            out::line(format_args!("Published: {}", done.summary.bold()))?;
            done.changes.iter().try_for_each(print)?;
            out::note(format_args!("`mezusphere undo {}` takes it back.", done.id));
            Ok(())
        }
        DraftCommand::Schedule { draft, when, client } => {
            let to = Client::new(&client)?;
            let found = find(&to, &draft).await?;
            let publish_at = if let When::At(at) = when { Some(at) } else { None };
            let spec = DraftSpec { name: found.name.clone(), ops: found.ops.clone(), publish_at };
            let now: Draft = to.put(&path(&to, &found, "").await?, &spec, found.version).await?;
            if client.json { out::json(&now) } else { told(&now) }
        }
        DraftCommand::Discard { draft, client } => {
            let to = Client::new(&client)?;
            let found = find(&to, &draft).await?;
            to.delete(&path(&to, &found, "").await?).await?;
            if client.json {
                return out::json(&serde_json::json!({ "id": found.id, "deleted": true }));
            }
            out::line(format_args!("The draft {} is thrown away.", found.name.bold()))
        }
    }
}

/// Where the changes of a draft stand.
enum From {
    /// A text that says how things should be.
    Text(PathBuf),
    /// The changes themselves.
    Ops(PathBuf),
}

async fn write(client: &Client, name: String, from: &From, at: Option<Time>, json: bool) -> Result<(), Failure> {
    let ops = match from {
        From::Text(file) => config::ops(client, file).await?,
        From::Ops(file) => ops(file)?,
    };
    let drafts: Vec<Draft> = client.all(&client.org("/drafts").await?).await?;
    let spec = DraftSpec { name, ops, publish_at: at };
    let written: Draft = match drafts.into_iter().find(|draft| draft.name == spec.name) {
        Some(old) => client.put(&path(client, &old, "").await?, &spec, old.version).await?,
        None => client.post(&client.org("/drafts").await?, &spec).await?,
    };
    if json {
        return out::json(&written);
    }
    told(&written)?;
    diff(client, &written).await?.iter().try_for_each(print)?;
    out::note(format_args!("Nothing is changed until `mezusphere draft publish {}`.", quoted(&written.name)));
    Ok(())
}

fn ops(file: &Path) -> Result<Vec<RouteOp>, Failure> {
    let text = input::text(file)?;
    let mut json = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut json)
        .map_err(|error| Failure::Refused(format!("{}: {}: {}", input::named(file), error.path(), error.inner())))
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let drafts: Vec<Draft> = client.all(&client.org("/drafts").await?).await?;
    if json {
        return out::json(&drafts);
    }
    let mut table = Table::new(&["NAME", "CHANGES", "PUBLISHED", "BY", "ID"]);
    for draft in drafts {
        let (id, at) = (Cell::new(draft.id.to_string(), Tone::Quiet), when(&draft));
        table.row(vec![
            draft.name.into(),
            draft.ops.len().to_string().into(),
            at.into(),
            out::actor(&draft.created_by).into(),
            id,
        ]);
    }
    table.print("No drafts. Write one with `mezusphere draft write`.")
}

fn show(draft: &Draft) -> Result<(), Failure> {
    out::rows(&[
        ("Name", draft.name.clone()),
        ("Published", when(draft)),
        ("Written", format!("{} (UTC) by {}", day_and_time(&draft.created_at.to_string()), draft.created_by)),
        ("Id", draft.id.to_string()),
    ])?;
    out::line("")?;
    for op in &draft.ops {
        let put = op.put.as_ref();
        let route = put.map(|put| put.route.clone());
        match (put.and_then(|put| put.id), route, &op.delete) {
            (None, Some(route), _) => print(&Changed { id: None, before: None, after: Some(route) })?,
            (Some(id), Some(route), _) => {
                let to = format!("{}{} → {}", route.host, route.path, route.workload);
                out::line(format_args!("{} {to} (route {id})", "~".yellow()))?;
            }
            (_, _, Some(delete)) => out::line(format_args!("{} route {}", "-".red(), delete.id))?,
            _ => {}
        }
    }
    Ok(())
}

async fn diff(client: &Client, draft: &Draft) -> Result<Vec<Changed>, Failure> {
    let diff: Diff = client.get(&path(client, draft, "/diff").await?).await?;
    Ok(diff.changes.into_iter().filter(|one| one.before != one.after).collect())
}

/// The one draft that a name or an id names.
///
/// # Errors
/// When none or several do.
pub(super) async fn find(client: &Client, wanted: &str) -> Result<Draft, Failure> {
    let drafts: Vec<Draft> = client.all(&client.org("/drafts").await?).await?;
    let mut found = drafts.into_iter().filter(|one| one.name == wanted || one.id.to_string() == wanted);
    match (found.next(), found.next()) {
        (Some(draft), None) => Ok(draft),
        (None, _) => Err(Failure::Refused(format!("there is no draft {wanted:?}; see `mezusphere draft list`"))),
        _ => Err(Failure::Refused(format!("several drafts are called {wanted:?}; name one by its id"))),
    }
}

async fn path(client: &Client, draft: &Draft, below: &str) -> Result<String, Failure> {
    client.org(&format!("/drafts/{}{below}", draft.id)).await
}

fn told(draft: &Draft) -> Result<(), Failure> {
    let (name, count) = (draft.name.bold(), draft.ops.len());
    let changes = if count == 1 { "1 change".into() } else { format!("{count} changes") };
    out::line(format_args!("The draft {name} holds {changes}; it is published {}.", when(draft)))
}

fn when(draft: &Draft) -> String {
    draft.publish_at.map_or_else(|| "when told".into(), |at| format!("{} UTC", day_and_time(&at.to_string())))
}

/// As a shell takes it.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.chars().all(is_plain) { name.to_string() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}
