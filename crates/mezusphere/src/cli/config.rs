//! `mezusphere export`, `diff` and `apply`: the configuration of an org as one text that can be reviewed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use mezu_api::account::{Account, AccountSpec};
use mezu_api::draft::{Changed, Draft, DraftSpec, RouteDelete, RouteOp, RoutePut};
use mezu_api::hostname::{Hostname as Host, NewHostname};
use mezu_api::publish::Publish;
use mezu_api::route::{Placed, RouteSpec};
use mezu_model::{Hostname, Label, RouteId};
use owo_colors::OwoColorize as _;
use serde::{Deserialize, Serialize};

use super::args::{ApplyArgs, ClientArgs, DiffArgs};

use super::client::Client;
use super::input;
use super::out::{self, Failure};
use super::publish::print;

const FORM: u32 = 1;
const HEAD: &str = "\
# The routes, claimed hostnames and service accounts of an org, for `mezusphere apply -f`.
# Routes that are not listed are taken away by it; hostnames and service accounts are only added and changed.

";

/// What the text says.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    version: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hostnames: Vec<Hostname>,
    #[serde(default, rename = "account", skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<AccountSpec>,
    #[serde(default, rename = "route", skip_serializing_if = "Vec::is_empty")]
    routes: Vec<RouteSpec>,
}

/// What is there.
struct There {
    hostnames: Vec<Hostname>,
    accounts: BTreeMap<Label, Account>,
    routes: Vec<(RouteId, i64, RouteSpec)>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Plan {
    claim: Vec<Hostname>,
    make: Vec<AccountSpec>,
    change: Vec<AccountSpec>,
    routes: Vec<Changed>,
    #[serde(skip)]
    ops: Vec<RouteOp>,
}

/// `mezusphere export`.
pub(super) async fn export(client: ClientArgs) -> Result<(), Failure> {
    let There { hostnames, accounts, routes } = there(&Client::new(&client)?).await?;
    let accounts = accounts.into_values().map(spec).collect();
    let routes = routes.into_iter().map(|(_, _, route)| route).collect();
    let config = Config { version: FORM, hostnames, accounts, routes };
    if client.json {
        return out::json(&config);
    }
    out::text(&written(&config)?)
}

/// `mezusphere diff`.
pub(super) async fn diff(args: DiffArgs) -> Result<(), Failure> {
    let plan = plan(&wanted(&args.file)?, &there(&Client::new(&args.client)?).await?);
    if args.client.json {
        out::json(&plan)?;
    } else {
        show(&plan)?;
    }
    if plan == Plan::default() { Ok(()) } else { Err(Failure::Different) }
}

/// `mezusphere apply`.
pub(super) async fn apply(args: ApplyArgs) -> Result<(), Failure> {
    let config = wanted(&args.file)?;
    let client = Client::new(&args.client)?;
    let there = there(&client).await?;
    let plan = plan(&config, &there);
    if args.client.json {
        out::json(&plan)?;
    } else {
        show(&plan)?;
    }
    if args.dry_run || plan == Plan::default() || !may_go_on(&args)? {
        return Ok(());
    }
    let published = make(&client, &args.file, plan, &there).await?;
    if args.client.json {
        return Ok(());
    }
    match published {
        Some(publish) => out::note(format_args!("Published; `mezusphere undo {}` takes it back.", publish.id)),
        None => out::note("Done."),
    }
    Ok(())
}

/// The changes of routes that would make them what a text says. What else it says is told to be left out.
pub(super) async fn ops(client: &Client, file: &Path) -> Result<Vec<RouteOp>, Failure> {
    let plan = plan(&wanted(file)?, &there(client).await?);
    if !(plan.claim.is_empty() && plan.make.is_empty() && plan.change.is_empty()) {
        out::warn("a draft holds changes of routes alone; `mezusphere apply` makes those of hostnames and accounts");
    }
    Ok(plan.ops)
}

fn wanted(file: &Path) -> Result<Config, Failure> {
    read(&input::text(file)?).map_err(|error| Failure::Refused(format!("{}: {error}", input::named(file))))
}

/// Whether somebody wants this to be done.
fn may_go_on(args: &ApplyArgs) -> Result<bool, Failure> {
    if args.yes {
        return Ok(true);
    }
    if !input::is_asked() || input::is_stdin(&args.file) {
        let detail = "nobody can be asked whether to go ahead: say --yes, or --dry-run to look only";
        return Err(Failure::Usage(detail.into()));
    }
    let goes_on = input::confirm("\nGo ahead?")?;
    if !goes_on {
        out::note("Nothing was changed.");
    }
    Ok(goes_on)
}

async fn make(client: &Client, file: &Path, plan: Plan, there: &There) -> Result<Option<Publish>, Failure> {
    for name in plan.claim {
        client.post::<Host>(&client.org("/hostnames").await?, &NewHostname { name }).await?;
    }
    for spec in plan.make {
        client.post::<Account>(&client.org("/accounts").await?, &spec).await?;
    }
    for spec in plan.change {
        let Some(account) = there.accounts.get(&spec.name) else { continue };
        let path = client.org(&format!("/accounts/{}", account.id)).await?;
        client.put::<Account>(&path, &spec, account.version).await?;
    }
    if plan.ops.is_empty() {
        return Ok(None);
    }
    let name = file.file_name().map_or_else(|| "apply".into(), |name| name.to_string_lossy().into_owned());
    let spec = DraftSpec { name: name.chars().take(100).collect(), ops: plan.ops, publish_at: None };
    let draft: Draft = client.post(&client.org("/drafts").await?, &spec).await?;
    let path = client.org(&format!("/drafts/{}", draft.id)).await?;
    let published: Result<Publish, Failure> = client.order(&format!("{path}/publish")).await;
    if published.is_err() {
        // A draft that cannot be published was for this alone.
        let _ = client.delete(&path).await;
    }
    published.map(Some)
}

async fn there(client: &Client) -> Result<There, Failure> {
    let hosts: Vec<Host> = client.all(&client.org("/hostnames").await?).await?;
    let accounts: Vec<Account> = client.all(&client.org("/accounts").await?).await?;
    let routes: Vec<Placed> = client.all(&client.org("/routes").await?).await?;
    Ok(There {
        hostnames: hosts.into_iter().filter(|host| host.state == "held").map(|host| host.name).collect(),
        accounts: accounts.into_iter().map(|account| (account.name.clone(), account)).collect(),
        routes: routes.into_iter().map(|one| (one.route.id, one.route.version, one.route.spec())).collect(),
    })
}

fn read(text: &str) -> Result<Config, String> {
    let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
    if config.version != FORM {
        return Err(format!("version must be {FORM}"));
    }
    let mut seen: Vec<&RouteSpec> = Vec::new();
    for route in &config.routes {
        if seen.iter().any(|other| is_at_same_place(other, route)) {
            return Err(format!("the route for {}{} stands there twice", route.host, route.path));
        }
        seen.push(route);
    }
    Ok(config)
}

fn written(config: &Config) -> Result<String, Failure> {
    let text = toml::to_string(config).map_err(|error| Failure::Refused(format!("cannot be written: {error}")))?;
    let mut out = String::from(HEAD);
    let _ = out.write_str(&text);
    Ok(out)
}

fn plan(config: &Config, there: &There) -> Plan {
    let mut plan = Plan::default();
    plan.claim.extend(config.hostnames.iter().filter(|name| !there.hostnames.contains(name)).cloned());
    for wanted in &config.accounts {
        match there.accounts.get(&wanted.name) {
            None => plan.make.push(wanted.clone()),
            Some(account) if spec(account.clone()) != *wanted => plan.change.push(wanted.clone()),
            Some(_) => {}
        }
    }
    for (id, version, before) in &there.routes {
        if !config.routes.iter().any(|route| is_at_same_place(route, before)) {
            plan.routes.push(Changed { id: Some(*id), before: Some(before.clone()), after: None });
            let delete = Some(RouteDelete { id: *id, version: Some(*version) });
            plan.ops.push(RouteOp { put: None, delete });
        }
    }
    for route in &config.routes {
        let known = there.routes.iter().find(|(_, _, before)| is_at_same_place(before, route));
        if known.is_some_and(|(_, _, before)| before == route) {
            continue;
        }
        let (id, version) = (known.map(|known| known.0), known.map(|known| known.1));
        let before = known.map(|(_, _, before)| before.clone());
        plan.routes.push(Changed { id, before, after: Some(route.clone()) });
        plan.ops.push(RouteOp { put: Some(RoutePut { id, version, route: route.clone() }), delete: None });
    }
    plan
}

fn show(plan: &Plan) -> Result<(), Failure> {
    if *plan == Plan::default() {
        return out::line("Nothing to change.");
    }
    for name in &plan.claim {
        out::line(format_args!("{} hostname {name}", "+".green()))?;
    }
    for spec in &plan.make {
        out::line(format_args!("{} service account {}", "+".green(), spec.name))?;
    }
    for spec in &plan.change {
        out::line(format_args!("{} service account {}", "~".yellow(), spec.name))?;
    }
    plan.routes.iter().try_for_each(print)
}

/// Whether both are for the very same requests: then one replaces the other.
fn is_at_same_place(a: &RouteSpec, b: &RouteSpec) -> bool {
    a.host == b.host && a.path == b.path && a.matcher == b.matcher
}

fn spec(account: Account) -> AccountSpec {
    AccountSpec { name: account.name, workloads: account.workloads, cidrs: account.cidrs }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = r#"
        version = 1
        hostnames = ["shop.example"]
        [[account]]
        name = "ci"
        cidrs = ["192.0.2.0/24"]
        [[route]]
        host = "shop.example"
        workload = "shop"
        [route.pipeline.body_limit]
        bytes = 9
        [[route]]
        host = "shop.example"
        path = "/api"
        rank = 3
        workload = "api"
        matcher = { methods = ["POST"] }
    "#;

    #[test]
    fn what_is_written_is_read_again() {
        let config = read(TEXT).unwrap();
        assert_eq!((config.routes.len(), config.routes[0].path.as_str()), (2, "/"));
        assert_eq!(read(&written(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn only_what_differs_is_changed() {
        let config = read(TEXT).unwrap();
        let id = |n| RouteId::from_bytes([n; 16]);
        let mut old = config.routes[0].clone();
        old.workload = "old".parse().unwrap();
        let gone = RouteSpec { path: "/gone".into(), ..old.clone() };
        let routes = vec![(id(1), 4, old), (id(2), 1, gone), (id(3), 1, config.routes[1].clone())];
        let there = There { hostnames: config.hostnames.clone(), accounts: BTreeMap::new(), routes };
        let plan = plan(&config, &there);
        assert!(plan.claim.is_empty() && plan.change.is_empty());
        assert_eq!(plan.make, config.accounts);
        let ids: Vec<_> = plan.routes.iter().map(|one| (one.id, one.after.is_some())).collect();
        assert_eq!(ids, [(Some(id(2)), false), (Some(id(1)), true)]);
        assert_eq!(plan.ops[1].put.as_ref().unwrap().version, Some(4));
    }

    #[test]
    fn nonsense_is_refused() {
        for (from, to) in [("version = 1", "version = 2"), ("rank = 3", "rang = 3"), ("/api\"\n", "/\"\n")] {
            let text = TEXT.replace(from, to).replace("matcher = { methods = [\"POST\"] }", "");
            assert!(read(&text).is_err(), "{to}");
        }
    }
}
