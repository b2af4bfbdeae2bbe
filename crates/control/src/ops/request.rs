//! Requests: what would become of one, and what became of those that came. The edge says; the store knows the names.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use mezu_api::request::{Outcome, Recorded, Trial, Tried};
use mezu_api::{Code, Page};
use mezu_model::{DraftId, Hostname, Label, RayId, RouteId, WorkloadId};
use mezu_snapshot::{Parts, WorkloadEntry};
use mezu_store::{Route, RouteFilter, Slice, View};

use super::publish::Making;
use super::{draft, route};
use crate::auth::OrgScope;
use crate::{Answer, Control, Question, Refused, Reply, Told, Untold, Wanted};

/// Which requests that came.
pub(crate) struct Past {
    pub(crate) route: Option<RouteId>,
    pub(crate) workload: Option<WorkloadId>,
    pub(crate) statuses: RangeInclusive<u16>,
}

/// What the store knows of a host.
struct Known {
    routes: Vec<Route>,
    workloads: HashMap<WorkloadId, Label>,
}

/// Says what would become of a request, as things are or as a draft would have them.
pub(crate) async fn try_one(control: &Control, scope: &OrgScope, trial: Trial) -> Answer<Tried> {
    let draft = trial.draft;
    let question = question(scope, trial)?;
    let Told { org, mut tried } = control.edge().explain(question.clone(), None).await.map_err(refused)?;
    // What another org's routes say is not told, to whoever may use this org.
    if org.is_some_and(|org| org != scope.org()) {
        let detail = format!("{} is not a host of this org; ask the org that has it", tried.host);
        return Err(Refused::new(Code::NotFound, detail));
    }
    // An address has no routes.
    let Ok(host) = tried.host.parse::<Hostname>() else { return Ok(Reply::ok(Tried { draft, ..tried })) };
    let known = match draft {
        None => known(scope, &mut control.view().await?, &host).await?,
        Some(id) => {
            let known = supposed(control, scope, id, &host).await?;
            let told = control.edge().explain(question, Some(known.parts(scope))).await.map_err(refused)?;
            tried = Tried { draft: Some(id), ..told.tried };
            known
        }
    };
    known.name(&mut tried);
    Ok(Reply::ok(tried))
}

/// The org's last requests.
pub(crate) async fn list(control: &Control, scope: &OrgScope, past: Past, slice: Slice) -> Answer<Page<Recorded>> {
    let Past { route, workload, statuses } = past;
    let lost = || Refused::new(Code::Invalid, "the request at which the list was left is forgotten; begin again");
    let before = slice.after.map(|cursor| cursor.parse().map_err(|_| lost())).transpose()?;
    let limit = usize::from(slice.limit);
    let wanted = Wanted { org: scope.org(), route, workload, statuses, before, most: limit + 1 };
    let mut found = control.edge().recent(wanted).await.ok_or_else(lost)?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = if has_more { found.last().map(|last| last.ray.clone()) } else { None };
    let mut view = control.view().await?;
    let mut names = Names::default();
    let mut items = Vec::with_capacity(found.len());
    for one in found {
        items.push(names.put(scope, &mut view, one).await?);
    }
    Ok(Reply::ok(Page { items, next }))
}

/// What became of one request.
pub(crate) async fn read(control: &Control, scope: &OrgScope, ray: RayId) -> Answer<Recorded> {
    let gone = || {
        let detail = "the edge knows no such request to a host of this org; it remembers the last 4096 of each worker";
        Refused::new(Code::NotFound, detail)
    };
    let recorded = control.edge().why(scope.org(), ray).await.ok_or_else(gone)?;
    let mut view = control.view().await?;
    Ok(Reply::ok(Names::default().put(scope, &mut view, recorded).await?))
}

fn question(scope: &OrgScope, trial: Trial) -> Result<Question, Refused> {
    let Trial { method, url, headers, client, body, .. } = trial;
    let client = match client {
        Some(text) => text.parse().map_err(|_| odd("/client", "this is no IP address"))?,
        // Whoever asks by the socket sits at the machine.
        None => scope.source().parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    // As the document of the API has it: more than a signed number is no length.
    if body.is_some_and(|bytes| i64::try_from(bytes).is_err()) {
        return Err(odd("/body", "a body has 9223372036854775807 bytes at most"));
    }
    let headers = headers.into_iter().map(|field| (field.name, field.value)).collect();
    Ok(Question { method, url, headers, client, body })
}

fn odd(pointer: &str, why: &str) -> Refused {
    Refused::invalid(pointer, why)
}

fn refused(untold: Untold) -> Refused {
    match untold {
        Untold::NoRequest { pointer, why } => Refused::invalid(pointer, why),
        Untold::NotServable(why) => Refused::new(Code::Conflict, format!("the draft cannot be served: {why}")),
        Untold::NoEdge => Refused::new(Code::Busy, "the edge does not run yet; try again in a moment"),
    }
}

async fn known(scope: &OrgScope, view: &mut View, host: &Hostname) -> Result<Known, Refused> {
    let filter = RouteFilter { host: Some(host.clone()), workload: None };
    let routes = every!(slice, view.routes(scope.org(), &filter, &slice));
    Ok(Known { routes, workloads: route::names(scope, view).await? })
}

/// The same after a draft's changes: they are made, looked at, and not kept.
async fn supposed(control: &Control, scope: &OrgScope, id: DraftId, host: &Hostname) -> Result<Known, Refused> {
    let mut making = Making::begin(control, scope.org()).await?;
    let draft = draft::show(making.change.draft(scope.org(), id).await?)?;
    making.make_all(control, &draft.ops).await?;
    known(scope, &mut making.change, host).await
}

impl Known {
    /// What an edge is to suppose.
    fn parts(&self, scope: &OrgScope) -> Parts {
        let org = scope.org();
        let workload = |(id, name): (&WorkloadId, &Label)| WorkloadEntry { id: *id, org, name: name.clone() };
        Parts {
            workloads: self.workloads.iter().map(workload).collect(),
            routes: self.routes.iter().map(|one| route::entry(one).into()).collect(),
            ..Parts::default()
        }
    }

    /// Adds the names, and who shadows whom.
    fn name(&self, tried: &mut Tried) {
        let shadowed = route::shadows(&self.routes);
        for one in &mut tried.candidates {
            one.workload = self.workloads.get(&one.workload_id).cloned();
            one.shadowed_by = shadowed.get(&one.route).copied();
        }
        if let Outcome::Forwarded(to) = &mut tried.outcome {
            to.workload = self.workloads.get(&to.workload_id).cloned();
        }
    }
}

/// Names that were looked up already.
#[derive(Default)]
struct Names {
    places: HashMap<RouteId, Option<String>>,
    workloads: HashMap<WorkloadId, Option<Label>>,
}

impl Names {
    /// The request with the names that the store knows.
    async fn put(&mut self, scope: &OrgScope, view: &mut View, recorded: Recorded) -> Result<Recorded, Refused> {
        let place = match recorded.route {
            Some(id) => self.place(scope, view, id).await?,
            None => None,
        };
        let workload = match recorded.workload_id {
            Some(id) => self.workload(scope, view, id).await?,
            None => None,
        };
        Ok(Recorded { place, workload, ..recorded })
    }

    async fn place(&mut self, scope: &OrgScope, view: &mut View, id: RouteId) -> Result<Option<String>, Refused> {
        if let Some(known) = self.places.get(&id) {
            return Ok(known.clone());
        }
        let place = there(view.route(scope.org(), id).await)?.map(|route| format!("{}{}", route.host, route.path));
        self.places.insert(id, place.clone());
        Ok(place)
    }

    async fn workload(&mut self, scope: &OrgScope, view: &mut View, id: WorkloadId) -> Result<Option<Label>, Refused> {
        if let Some(known) = self.workloads.get(&id) {
            return Ok(known.clone());
        }
        let name = there(view.workload(scope.org(), id).await)?.map(|workload| workload.name);
        self.workloads.insert(id, name.clone());
        Ok(name)
    }
}

/// What is there, if it is.
fn there<T>(found: Result<T, mezu_store::StoreError>) -> Result<Option<T>, Refused> {
    match found.map_err(Refused::from) {
        Ok(thing) => Ok(Some(thing)),
        Err(refused) if refused.is(Code::NotFound) => Ok(None),
        Err(refused) => Err(refused),
    }
}
