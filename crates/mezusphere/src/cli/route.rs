//! `mezusphere route …`.

use mezu_api::route::{Matcher, Placed, Route, RouteSpec};
use mezu_model::{Hostname, Label, RouteId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::PathRule;
use owo_colors::OwoColorize as _;
use serde_json::{Map, Value};

use super::args::{RouteArgs, RouteCommand};
use super::client::Client;
use super::out::{self, Failure};
use super::stages;
use super::table::{Cell, Table, Tone};

pub(super) async fn run(args: RouteArgs) -> Result<(), Failure> {
    match args.command {
        RouteCommand::Add { host, path, workload, set, client } => {
            let new = new_route(host, path, workload, set)?;
            add(&Client::new(&client), new, client.json).await
        }
        RouteCommand::List { client } => list(&Client::new(&client), client.json).await,
        RouteCommand::Stages { json } => stages::print(json),
        RouteCommand::Remove { route, client } => remove(&Client::new(&client), &route, client.json).await,
    }
}

async fn add(client: &Client, new: RouteSpec, json: bool) -> Result<(), Failure> {
    let route: Route = client.post(&client.org("/routes").await?, &new).await?;
    if json {
        return out::json(&route);
    }
    out::line(format_args!("{} now leads to {}.", route.url.bold(), route.workload.bold()))?;
    if let Some(warning) = &route.warning {
        out::note(format_args!("{} {warning}", "warning:".yellow().bold()));
    }
    Ok(())
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let placed: Vec<Placed> = client.all(&client.org("/routes").await?).await?;
    if json {
        return out::json(&placed);
    }
    let mut table = Table::new(&["URL", "WORKLOAD", "STAGES", "ID"]);
    for Placed { route, .. } in &placed {
        let stages = switched_on(&route.pipeline);
        let stages = if stages.is_empty() { Cell::new("–", Tone::Quiet) } else { stages.join(" ").into() };
        let tone = match (route.enabled, &route.warning) {
            (false, _) => Tone::Quiet,
            (true, Some(_)) => Tone::Bad,
            (true, None) => Tone::Plain,
        };
        let url = if route.enabled { route.url.clone() } else { format!("{} (off)", route.url) };
        let id = Cell::new(route.id.to_string(), Tone::Quiet);
        table.row(vec![Cell::new(url, tone), route.workload.to_string().into(), stages, id]);
    }
    table.print("No routes. A workload gets its first when a Warpgate connects: `warpgate http 3000`.")?;
    for warning in placed.iter().filter_map(|one| one.route.warning.as_ref()) {
        out::note(format_args!("{} {warning}", "warning:".yellow().bold()));
    }
    Ok(())
}

async fn remove(client: &Client, wanted: &str, json: bool) -> Result<(), Failure> {
    let path = client.org("/routes").await?;
    let routes: Vec<Placed> = client.all(&path).await?;
    let routes: Vec<Route> = routes.into_iter().map(|one| one.route).collect();
    let route = find(&routes, wanted)?;
    client.delete(&format!("{path}/{}", route.id)).await?;
    if json {
        return out::json(&serde_json::json!({ "id": route.id, "removed": true }));
    }
    out::line(format_args!("{} leads nowhere now.", route.url.bold()))
}

fn new_route(host: Hostname, path: PathRule, workload: Label, set: Vec<(String, Value)>) -> Result<RouteSpec, Failure> {
    let mut stages = Map::new();
    for (stage, value) in set {
        if stages.insert(stage.clone(), value).is_some() {
            return Err(Failure::Refused(format!("{stage} is set twice")));
        }
    }
    let pipeline: PipelineSpec = serde_path_to_error::deserialize(Value::Object(stages)).map_err(|error| {
        let (place, reason) = (error.path().to_string(), error.into_inner());
        Failure::Refused(format!("--set {place}: {reason}; see `mezusphere route stages`"))
    })?;
    let (path, matcher) = (path.as_str().to_string(), Matcher::default());
    Ok(RouteSpec { host, path, matcher, rank: None, enabled: true, workload, pipeline })
}

/// The one route that an id, a host or a host with a path names.
fn find<'a>(routes: &'a [Route], wanted: &str) -> Result<&'a Route, Failure> {
    let none = || Failure::Refused(format!("there is no route {wanted:?}; see `mezusphere route list`"));
    if let Ok(id) = wanted.parse::<RouteId>() {
        return routes.iter().find(|route| route.id == id).ok_or_else(none);
    }
    let (host, path) = wanted.find('/').map_or((wanted, None), |at| {
        let (host, path) = wanted.split_at(at);
        (host, path.parse::<PathRule>().ok())
    });
    let host = host.to_ascii_lowercase();
    let mut matching = routes
        .iter()
        .filter(|route| route.host.as_str() == host && path.as_ref().is_none_or(|path| route.path == path.as_str()));
    match (matching.next(), matching.next()) {
        (Some(route), None) => Ok(route),
        (Some(_), Some(_)) => {
            Err(Failure::Refused(format!("{wanted} has several routes; name one by HOST/PATH or id")))
        }
        _ => Err(none()),
    }
}

fn switched_on(pipeline: &PipelineSpec) -> Vec<String> {
    match serde_json::to_value(pipeline) {
        Ok(Value::Object(stages)) => stages.keys().cloned().collect(),
        _ => Vec::new(),
    }
}
