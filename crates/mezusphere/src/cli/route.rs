//! `mezusphere route …`.

use mezu_api::route::{Matcher, Placed, Route, RouteSpec};
use mezu_model::{Hostname, RouteId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::PathRule;
use owo_colors::OwoColorize as _;

use super::args::{AddArgs, RouteArgs, RouteCommand, SetArgs};
use super::client::Client;
use super::duration::day_and_time;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};
use super::{route_spec, stages};

pub(super) async fn run(args: RouteArgs) -> Result<(), Failure> {
    match args.command {
        RouteCommand::Add(args) => add(*args).await,
        RouteCommand::List { host, client } => list(&Client::new(&client)?, host.as_ref(), client.json).await,
        RouteCommand::Show { route, client } => show(&Client::new(&client)?, &route, client.json).await,
        RouteCommand::Set(args) => set(*args).await,
        RouteCommand::Order { host, client } => order(&Client::new(&client)?, host.as_ref(), client.json).await,
        RouteCommand::Stages { json } => stages::print(json),
        RouteCommand::Remove { route, client } => remove(&Client::new(&client)?, &route, client.json).await,
    }
}

async fn add(args: AddArgs) -> Result<(), Failure> {
    let AddArgs { host, path, workload, matching, rank, off, stages, client } = args;
    let pipeline = route_spec::pipeline(stages, &PipelineSpec::default(), &[])?;
    let (path, matcher) = (path.as_str().to_string(), route_spec::matcher(matching));
    let new = RouteSpec { host, path, matcher, rank, enabled: !off, workload, pipeline };
    let to = Client::new(&client)?;
    let made: Route = to.post(&to.org("/routes").await?, &new).await?;
    if client.json { out::json(&made) } else { told(&made) }
}

async fn set(args: SetArgs) -> Result<(), Failure> {
    let json = args.client.json;
    let client = Client::new(&args.client)?;
    let Placed { route, .. } = find(&client, &args.route).await?;
    let spec = route_spec::changed(args, &route.spec())?;
    let path = client.org(&format!("/routes/{}", route.id)).await?;
    let now: Route = client.put(&path, &spec, route.version).await?;
    if json {
        return out::json(&now);
    }
    let state = if now.enabled { "" } else { ", and off" };
    out::line(format_args!("The route {} is changed{state}.", now.url.bold()))?;
    warn_of_one(&now);
    Ok(())
}

/// What a route says now, in a sentence.
fn told(route: &Route) -> Result<(), Failure> {
    let what = if route.enabled { "now leads to" } else { "is off; switched on it leads to" };
    out::line(format_args!("{} {what} {}.", route.url.bold(), route.workload.bold()))?;
    warn_of_one(route);
    Ok(())
}

fn warn_of_one(route: &Route) {
    if let Some(warning) = &route.warning {
        out::warn(warning);
    }
}

async fn list(client: &Client, host: Option<&Hostname>, json: bool) -> Result<(), Failure> {
    let placed = all(client, host).await?;
    if json {
        return out::json(&placed);
    }
    let mut table = Table::new(&["URL", "ONLY", "WORKLOAD", "STAGES", "ID"]);
    for Placed { route, .. } in &placed {
        let tone = tone(route);
        let url = if route.enabled { route.url.clone() } else { format!("{} (off)", route.url) };
        let id = Cell::new(route.id.to_string(), Tone::Quiet);
        let (only, stages) = (or_dash(only(&route.matcher)), or_dash(switched_on(&route.pipeline)));
        table.row(vec![Cell::new(url, tone), only, route.workload.to_string().into(), stages, id]);
    }
    table.print("No routes. A workload gets its first when a Warpgate connects: `warpgate http 3000`.")?;
    warn_of(&placed);
    Ok(())
}

/// What keeps clients away, each thing once.
fn warn_of(placed: &[Placed]) {
    let mut told = Vec::new();
    for Placed { route, .. } in placed {
        let Some(warning) = &route.warning else { continue };
        let text = match route.shadowed_by {
            Some(_) => format!("{}: {warning}", route.url),
            None => warning.clone(),
        };
        if !told.contains(&text) {
            out::warn(&text);
            told.push(text);
        }
    }
}

async fn order(client: &Client, host: Option<&Hostname>, json: bool) -> Result<(), Failure> {
    let placed = all(client, host).await?;
    if json {
        return out::json(&placed);
    }
    if placed.is_empty() {
        return out::line("No routes.");
    }
    for (n, of_host) in placed.chunk_by(|a, b| a.route.host == b.route.host).enumerate() {
        let host = of_host.first().map(|one| one.route.host.to_string()).unwrap_or_default();
        out::line(format_args!("{}{}", if n > 0 { "\n" } else { "" }, host.bold()))?;
        let mut table = Table::new(&["PLACE", "PATH", "ONLY", "WORKLOAD", "WHY"]);
        for one in of_host {
            let Placed { route, place, reason } = one;
            let why = match (&route.shadowed_by, route.enabled) {
                (_, false) => "off".to_string(),
                (Some(by), true) => format!("never reached: {} takes all of its requests", name_of(of_host, *by)),
                (None, true) => reason.clone(),
            };
            let why = Cell::new(why, if route.shadowed_by.is_some() { Tone::Bad } else { Tone::Quiet });
            let only = or_dash(only(&route.matcher));
            let path = Cell::new(&route.path, tone(route));
            table.row(vec![place.to_string().into(), path, only, route.workload.to_string().into(), why]);
        }
        table.print("")?;
    }
    Ok(())
}

/// A route among those of its host.
fn name_of(of_host: &[Placed], id: RouteId) -> String {
    let found = of_host.iter().find(|one| one.route.id == id);
    found.map_or_else(|| id.to_string(), |one| format!("{} (place {})", one.route.path, one.place))
}

async fn show(client: &Client, wanted: &str, json: bool) -> Result<(), Failure> {
    let placed = find(client, wanted).await?;
    if json {
        return out::json(&placed);
    }
    let Placed { route, place, reason } = &placed;
    out::rows(&[
        ("URL", route.url.clone()),
        ("Path", route.path.clone()),
        ("Only", only(&route.matcher).unwrap_or_else(|| "any method, any header field".into())),
        ("Workload", route.workload.to_string()),
        ("State", if route.enabled { "on".into() } else { "off".into() }),
        ("Place", format!("{place}, {reason}")),
        ("Created", format!("{} (UTC), version {}", day_and_time(&route.created_at.to_string()), route.version)),
        ("Id", route.id.to_string()),
    ])?;
    let stages = route_spec::whole(&route.pipeline);
    let on = mezu_policy::ORDER.iter().filter_map(|name| Some((*name, stages.get(*name)?.to_string())));
    let on: Vec<(&str, String)> = on.collect();
    out::line(if on.is_empty() {
        "\nNo capability is switched on."
    } else {
        "\nCapabilities, in the order in which requests pass them"
    })?;
    out::rows(&on)?;
    warn_of(std::slice::from_ref(&placed));
    Ok(())
}

async fn remove(client: &Client, wanted: &str, json: bool) -> Result<(), Failure> {
    let Placed { route, .. } = find(client, wanted).await?;
    client.delete(&client.org(&format!("/routes/{}", route.id)).await?).await?;
    if json {
        return out::json(&serde_json::json!({ "id": route.id, "removed": true }));
    }
    out::line(format_args!("{} leads nowhere now.", route.url.bold()))
}

async fn all(client: &Client, host: Option<&Hostname>) -> Result<Vec<Placed>, Failure> {
    let path = client.org("/routes").await?;
    match host {
        Some(host) => client.all(&format!("{path}?host={host}")).await,
        None => client.all(&path).await,
    }
}

/// The one route that an id, a host or a host with a path names.
///
/// # Errors
/// When none or several do.
pub(super) async fn find(client: &Client, wanted: &str) -> Result<Placed, Failure> {
    one_of(all(client, None).await?, wanted)
}

fn one_of(routes: Vec<Placed>, wanted: &str) -> Result<Placed, Failure> {
    let none = || Failure::Refused(format!("there is no route {wanted:?}; see `mezusphere route list`"));
    if let Ok(id) = wanted.parse::<RouteId>() {
        return routes.into_iter().find(|one| one.route.id == id).ok_or_else(none);
    }
    let named = wanted.strip_prefix("https://").unwrap_or(wanted);
    // `host=/login` and `host/=login` are how people write an exact path after a host.
    let (host, path) = named.find(['/', '=']).map_or((named, None), |at| {
        let (host, path) = named.split_at(at);
        (host, path.parse::<PathRule>().ok())
    });
    let host = host.to_ascii_lowercase();
    let mut matching = routes.into_iter().filter(|Placed { route, .. }| {
        route.host.as_str() == host && path.as_ref().is_none_or(|path| route.path == path.as_str())
    });
    match (matching.next(), matching.next()) {
        (Some(route), None) => Ok(route),
        (Some(_), Some(_)) => {
            Err(Failure::Refused(format!("{wanted} has several routes; name one by HOST/PATH or id")))
        }
        _ => Err(none()),
    }
}

fn tone(route: &Route) -> Tone {
    match (route.enabled, &route.warning) {
        (false, _) => Tone::Quiet,
        (true, Some(_)) => Tone::Bad,
        (true, None) => Tone::Plain,
    }
}

/// What a request must have, besides the path.
pub(super) fn only(matcher: &Matcher) -> Option<String> {
    let methods = matcher.methods.join("|");
    let headers = matcher.headers.iter().map(|header| match header.values.as_slice() {
        [] => header.name.clone(),
        values => format!("{}={}", header.name, values.join("|")),
    });
    let all: Vec<String> = std::iter::once(methods).filter(|text| !text.is_empty()).chain(headers).collect();
    if all.is_empty() { None } else { Some(all.join(" ")) }
}

fn or_dash(text: Option<String>) -> Cell {
    text.map_or_else(|| Cell::new("–", Tone::Quiet), Cell::from)
}

fn switched_on(pipeline: &PipelineSpec) -> Option<String> {
    let stages: Vec<String> = route_spec::whole(pipeline).keys().cloned().collect();
    if stages.is_empty() { None } else { Some(stages.join(" ")) }
}
