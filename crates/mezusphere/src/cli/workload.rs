//! `mezusphere workload …`.

use std::collections::BTreeMap;

use mezu_api::workload::{NewWorkload, Workload, WorkloadPatch};
use mezu_model::Label;
use owo_colors::OwoColorize as _;

use super::args::{WorkloadArgs, WorkloadCommand};
use super::client::Client;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};

pub(super) async fn run(args: WorkloadArgs) -> Result<(), Failure> {
    match args.command {
        WorkloadCommand::List { labels, client } => list(&Client::new(&client)?, &labels, client.json).await,
        WorkloadCommand::Create { name, labels, client } => {
            let (to, labels) = (Client::new(&client)?, labels.into_iter().collect());
            let made: Workload = to.post(&to.org("/workloads").await?, &NewWorkload { name, labels }).await?;
            done(&made, client.json, "waits for its first Warpgate")
        }
        WorkloadCommand::Label { workload, labels, client } => {
            let labels: BTreeMap<Label, String> = labels.into_iter().collect();
            let patch = WorkloadPatch { name: None, labels: Some(labels) };
            done(&change(&Client::new(&client)?, &workload, &patch).await?, client.json, "has its labels")
        }
        WorkloadCommand::Rename { workload, name, client } => {
            let patch = WorkloadPatch { name: Some(name), labels: None };
            done(&change(&Client::new(&client)?, &workload, &patch).await?, client.json, "has its name")
        }
        WorkloadCommand::Delete { workload, with_routes, client } => {
            let to = Client::new(&client)?;
            let found = find(&to, &workload).await?;
            to.delete(&to.org(&format!("/workloads/{}?with_routes={with_routes}", found.id)).await?).await?;
            done(&found, client.json, "is gone")
        }
    }
}

async fn list(client: &Client, labels: &[(Label, String)], json: bool) -> Result<(), Failure> {
    let mut workloads: Vec<Workload> = client.all(&client.org("/workloads").await?).await?;
    workloads.retain(|one| labels.iter().all(|(name, value)| one.labels.get(name) == Some(value)));
    workloads.sort_by(|a, b| a.name.cmp(&b.name));
    if json {
        return out::json(&workloads);
    }
    let mut table = Table::new(&["NAME", "GATES", "URL", "LABELS"]);
    for workload in workloads {
        let gates = match (workload.gates, workload.unwell_gates) {
            (0, 0) => Cell::new("offline", Tone::Bad),
            (0, unwell) => Cell::new(format!("0, {unwell} not well"), Tone::Bad),
            (gates, 0) => Cell::new(gates.to_string(), Tone::Good),
            (gates, unwell) => Cell::new(format!("{gates}, {unwell} not well"), Tone::Good),
        };
        let labels: Vec<String> = workload.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let labels = Cell::new(labels.join(" "), Tone::Quiet);
        table.row(vec![workload.name.to_string().into(), gates, workload.urls.join(" ").into(), labels]);
    }
    table.print("No workloads yet. One appears when a Warpgate connects: `warpgate http 3000`.")
}

async fn change(client: &Client, wanted: &str, patch: &WorkloadPatch) -> Result<Workload, Failure> {
    let found = find(client, wanted).await?;
    client.patch(&client.org(&format!("/workloads/{}", found.id)).await?, patch).await
}

/// The workload that a name or an id names.
pub(super) async fn find(client: &Client, wanted: &str) -> Result<Workload, Failure> {
    let workloads: Vec<Workload> = client.all(&client.org("/workloads").await?).await?;
    let is_it = |one: &Workload| one.name.as_str() == wanted.to_ascii_lowercase() || one.id.to_string() == wanted;
    let none = || Failure::Refused(format!("there is no workload {wanted:?}; see `mezusphere workload list`"));
    workloads.into_iter().find(is_it).ok_or_else(none)
}

fn done(workload: &Workload, json: bool, what: &str) -> Result<(), Failure> {
    if json { out::json(workload) } else { out::line(format_args!("Workload {} {what}.", workload.name.bold())) }
}
