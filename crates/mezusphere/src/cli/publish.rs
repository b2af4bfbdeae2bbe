//! `mezusphere publish …` and `undo`.

use mezu_api::Page;
use mezu_api::draft::Changed;
use mezu_api::publish::Publish;
use mezu_api::route::RouteSpec;
use mezu_model::PublishId;
use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::args::{ClientArgs, PublishArgs, PublishCommand};
use super::client::Client;
use super::duration::day_and_time;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};

pub(super) async fn run(args: PublishArgs) -> Result<(), Failure> {
    let PublishCommand::List { client } = args.command;
    let publishes = latest(&Client::new(&client)?).await?;
    if client.json {
        return out::json(&publishes);
    }
    let mut table = Table::new(&["AT (UTC)", "GENERATION", "WHAT", "BY", "ID"]);
    for one in publishes {
        let (what, tone) = match one.undone_by {
            Some(_) => (format!("{} (taken back)", one.summary), Tone::Quiet),
            None => (one.summary, Tone::Plain),
        };
        let id = Cell::new(one.id.to_string(), Tone::Quiet);
        table.row(vec![
            day_and_time(&one.at.to_string()).into(),
            one.generation.map_or_else(|| "–".into(), |generation| generation.to_string()).into(),
            Cell::new(what, tone),
            out::actor(&one.actor).into(),
            id,
        ]);
    }
    table.print("Nothing was published yet.")
}

/// `mezusphere undo`.
pub(super) async fn undo(publish: Option<PublishId>, client: ClientArgs) -> Result<(), Failure> {
    let to = Client::new(&client)?;
    let id = match publish {
        Some(id) => id,
        None => {
            // An undo, and what it has taken back, are both done with.
            let open = latest(&to).await?.into_iter().find(|one| one.undo_of.is_none() && one.undone_by.is_none());
            open.ok_or_else(|| Failure::Refused("there is nothing to take back".into()))?.id
        }
    };
    let undone: Publish = to.order(&to.org(&format!("/publishes/{id}/undo")).await?).await?;
    if client.json {
        return out::json(&undone);
    }
    out::line(format_args!("Taken back: {}", undone.summary.trim_start_matches("undo: ").bold()))?;
    undone.changes.iter().try_for_each(print)
}

/// The latest publishes.
async fn latest(client: &Client) -> Result<Vec<Publish>, Failure> {
    let page: Page<Publish> = client.get(&format!("{}?limit=50", client.org("/publishes").await?)).await?;
    Ok(page.items)
}

/// All changes as lines.
pub(super) fn print_all(changes: &[Changed]) -> Result<(), Failure> {
    if changes.is_empty() { out::line("Nothing would change.") } else { changes.iter().try_for_each(print) }
}

/// A change as lines: what goes with a minus, what comes with a plus.
pub(super) fn print(changed: &Changed) -> Result<(), Failure> {
    let place = |route: &RouteSpec| format!("{}{}", route.host, route.path);
    let (before, after) = (changed.before.as_ref(), changed.after.as_ref());
    let name = after.or(before).map(place).unwrap_or_default();
    match (before, after) {
        (Some(before), Some(after)) => {
            out::line(format_args!("{} {name}", "~".yellow()))?;
            let (before, after) = (fields(before), fields(after));
            for (field, old) in &before {
                let new = after.iter().find(|(name, _)| name == field).map(|(_, new)| new);
                if new != Some(old) {
                    out::line(format_args!("  {} {field}: {old}", "-".red()))?;
                }
            }
            for (field, new) in after.iter().filter(|one| !before.contains(one)) {
                out::line(format_args!("  {} {field}: {new}", "+".green()))?;
            }
            Ok(())
        }
        (None, Some(after)) => out::line(format_args!("{} {name} → {}", "+".green(), after.workload)),
        _ => out::line(format_args!("{} {name}", "-".red())),
    }
}

fn fields(route: &RouteSpec) -> Vec<(String, String)> {
    match serde_json::to_value(route) {
        Ok(Value::Object(mut fields)) => {
            // Each capability by itself: what has changed of one is lost in a line of all.
            if let Some(Value::Object(stages)) = fields.remove("pipeline") {
                fields.extend(stages);
            }
            fields.into_iter().map(|(name, value)| (name, value.to_string())).collect()
        }
        _ => Vec::new(),
    }
}
