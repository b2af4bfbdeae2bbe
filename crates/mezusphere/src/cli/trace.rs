//! `mezusphere try`, `why` and `requests`: what would become of a request, and what became of those that came.

use std::time::Duration;

use mezu_api::request::{Candidate, Outcome, Recorded, Trial, Tried, Unmatched, Verdict};
use mezu_api::{Page, Time};
use owo_colors::OwoColorize as _;

use super::args::{RequestsArgs, TryArgs, WhyArgs};
use super::client::Client;
use super::duration::to_the_second;
use super::out::{self, Failure};
use super::table::{Cell, Table, Tone};
use super::{draft, duration, route, workload};

/// `mezusphere try`.
pub(super) async fn try_one(args: TryArgs) -> Result<(), Failure> {
    let TryArgs { method, url, headers, from, body, draft, client } = args;
    let to = Client::new(&client)?;
    let draft = match draft {
        Some(name) => Some(draft::find(&to, &name).await?),
        None => None,
    };
    let trial = Trial {
        method: method.to_ascii_uppercase(),
        url,
        headers,
        client: from.map(|from| from.to_string()),
        body,
        draft: draft.as_ref().map(|draft| draft.id),
    };
    let tried: Tried = to.post(&to.org("/try").await?, &trial).await?;
    if client.json {
        return out::json(&tried);
    }
    let supposed = draft.map_or_else(String::new, |draft| format!(", if {} were published", draft.name));
    out::line(format_args!("{} {}{}{supposed}\n", tried.method.bold(), tried.host.bold(), tried.path.bold()))?;
    candidates(&tried)?;
    verdicts(&tried.stages)?;
    answer(&tried.outcome)
}

fn candidates(tried: &Tried) -> Result<(), Failure> {
    if tried.candidates.is_empty() {
        return out::line(format_args!("No route leads from {}.\n", tried.host));
    }
    let mut table = Table::new(&["ROUTE", "WORKLOAD", "TAKES IT", "ID"]);
    for one in &tried.candidates {
        let workload = one.workload.as_ref().map_or_else(|| "–".into(), ToString::to_string);
        let id = Cell::new(one.route.to_string(), Tone::Quiet);
        table.row(vec![one.path.clone().into(), workload.into(), takes(one), id]);
    }
    table.print("")?;
    if tried.others > 0 {
        out::line(format_args!("and {} more, which take other paths", tried.others).dimmed())?;
    }
    out::line("")
}

fn takes(one: &Candidate) -> Cell {
    let Some(why) = &one.unmatched else {
        let captures: Vec<String> = one.captures.iter().map(|one| format!("{}={}", one.name, one.value)).collect();
        return Cell::new(format!("yes {}", captures.join(" ")).trim_end(), Tone::Good);
    };
    let why = match why {
        Unmatched::Off => "no, it is off".to_string(),
        Unmatched::Path => "no, another path".into(),
        Unmatched::Method => "no, another method".into(),
        Unmatched::Header { name } => format!("no, the field {name}"),
        Unmatched::Later if one.shadowed_by.is_some() => "never: one before takes all of its requests".into(),
        Unmatched::Later => "it would, one before does".into(),
    };
    Cell::new(why, if one.shadowed_by.is_some() { Tone::Bad } else { Tone::Quiet })
}

fn verdicts(stages: &[Verdict]) -> Result<(), Failure> {
    if stages.is_empty() {
        return Ok(());
    }
    let has_notes = stages.iter().any(|one| one.note.is_some());
    let head: &[&str] = if has_notes { &["STAGE", "SAYS", "BECAUSE"] } else { &["STAGE", "SAYS"] };
    let mut table = Table::new(head);
    for one in stages {
        let says = if one.passed { Cell::new("passes", Tone::Good) } else { Cell::new("answers", Tone::Bad) };
        table.row(vec![one.stage.clone().into(), says, Cell::new(one.note.clone().unwrap_or_default(), Tone::Quiet)]);
    }
    table.print("")?;
    out::line("")
}

fn answer(outcome: &Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Forwarded(to) => {
            let workload = to.workload.as_ref().map_or_else(|| to.workload_id.to_string(), ToString::to_string);
            out::line(format_args!("The workload {} answers, through one of", workload.green().bold()))?;
            let mut table = Table::new(&["GATE", "WORKER", "IN FLIGHT", "FREE"]);
            for gate in &to.gates {
                let free = if gate.is_free { Cell::new("yes", Tone::Good) } else { Cell::new("no", Tone::Bad) };
                let (worker, in_flight) = (gate.worker.to_string(), gate.in_flight.to_string());
                table.row(vec![gate.gate.to_string().into(), worker.into(), in_flight.into(), free]);
            }
            table.print("")
        }
        Outcome::Replied(reply) => {
            out::line(format_args!("The client gets {} from {}.", reply.status.bold(), reply.stage.bold()))
        }
        Outcome::Refused(refusal) => {
            let by = refusal.stage.as_ref().map_or_else(String::new, |stage| format!(" from {stage}"));
            out::line(format_args!("The client gets {}{by}.", refusal.status.red().bold()))?;
            out::line(format_args!("{} {}; see docs/errors/{}.md", refusal.code, refusal.title, refusal.code))
        }
    }
}

/// `mezusphere why`.
pub(super) async fn why(args: WhyArgs) -> Result<(), Failure> {
    let WhyArgs { ray, client } = args;
    let to = Client::new(&client)?;
    let told: Recorded = to.get(&to.org(&format!("/requests/{ray}")).await?).await?;
    if client.json {
        return out::json(&told);
    }
    let route = match (&told.place, told.route) {
        (Some(place), Some(id)) => format!("{place} ({id})"),
        (None, Some(id)) => format!("{id}, which is gone"),
        _ => "none took it".into(),
    };
    let mut rows = vec![
        ("Ended", format!("{} (UTC), after {}", to_the_second(&told.at.to_string()), span(told.duration_us))),
        ("Generation", told.generation.to_string()),
        ("Route", route),
    ];
    if let Some(id) = told.workload_id {
        rows.push(("Workload", told.workload.as_ref().map_or_else(|| id.to_string(), ToString::to_string)));
    }
    rows.extend(told.gate.map(|gate| ("Gate", gate.to_string())));
    rows.extend(told.workload_us.map(|took| ("Workload took", format!("{} to the first byte", span(took)))));
    out::rows(&rows)?;
    out::line("")?;
    verdicts(&told.stages)?;
    match (&told.code, told.status) {
        (None, status) => {
            let by = told.stages.last().filter(|last| !last.passed).map_or("the workload", |last| &last.stage);
            out::line(format_args!("The client got {} from {by}.", status.bold()))
        }
        (Some(code), status) => {
            let got = if status == 0 { "no answer".to_string() } else { status.to_string() };
            let by = told.stages.last().filter(|last| !last.passed).map_or("the edge", |last| &last.stage);
            out::line(format_args!("The client got {} from {by}.", got.red().bold()))?;
            let title = told.title.clone().unwrap_or_default();
            out::line(format_args!("{code} {title}; see docs/errors/{code}.md"))
        }
    }
}

/// `mezusphere requests`.
pub(super) async fn requests(args: RequestsArgs) -> Result<(), Failure> {
    let RequestsArgs { status, route, workload, limit, client } = args;
    let to = Client::new(&client)?;
    let mut path = to.org(&format!("/requests?limit={limit}")).await?;
    if let Some(status) = status {
        if !status.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Failure::Usage("--status: expected a status such as 404, or a class such as 5xx".into()));
        }
        path.push_str(&format!("&status={status}"));
    }
    if let Some(wanted) = route {
        path.push_str(&format!("&route={}", route::find(&to, &wanted).await?.route.id));
    }
    if let Some(wanted) = workload {
        path.push_str(&format!("&workload={}", workload::find(&to, &wanted).await?.id));
    }
    let page: Page<Recorded> = to.get(&path).await?;
    if client.json {
        return out::json(&page.items);
    }
    let mut table = Table::new(&["AGO", "STATUS", "CODE", "ROUTE", "WORKLOAD", "TOOK", "RAY"]);
    let now = duration::in_(Duration::ZERO).unwrap_or(Time(0));
    for one in page.items {
        let tone = match one.status {
            0 | 500.. => Tone::Bad,
            400..=499 => Tone::Quiet,
            _ => Tone::Good,
        };
        let status = if one.status == 0 { "gone".to_string() } else { one.status.to_string() };
        let dash = || "–".to_string();
        table.row(vec![
            age(one.at, now).into(),
            Cell::new(status, tone),
            Cell::new(one.code.unwrap_or_else(dash), Tone::Quiet),
            one.place.unwrap_or_else(dash).into(),
            one.workload.map_or_else(dash, |name| name.to_string()).into(),
            span(one.duration_us).into(),
            Cell::new(one.ray, Tone::Plain),
        ]);
    }
    table.print("No such requests, as far as the edge remembers: the last 4096 of each worker.")
}

/// How long ago something was: the one unit that says most.
fn age(at: Time, now: Time) -> String {
    let seconds = u64::try_from(now.0.saturating_sub(at.0) / 1_000_000).unwrap_or_default();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Microseconds for people.
fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}
