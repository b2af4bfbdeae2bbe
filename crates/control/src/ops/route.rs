//! Routes. Each change of one is a publish of its own, so that it can be taken back like any other.

mod order;
mod spec;

use std::collections::HashMap;

use mezu_api::draft::{RouteDelete, RouteOp, RoutePut};
use mezu_api::route::{Placed, Route, RouteSpec};
use mezu_api::{Code, Page};
use mezu_model::{Label, RouteId, WorkloadId};
use mezu_store::{RouteFilter, Slice, View};

use super::publish::{self, Making};
use super::{seen, time};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, Reply};

pub(crate) use order::{entry, shadows};
pub(crate) use spec::{resolve, said};

/// The routes of the org, by host, and within a host in the order in which the edge asks them.
pub(crate) async fn list(
    control: &Control,
    scope: &OrgScope,
    filter: &RouteFilter,
    slice: &Slice,
) -> Answer<Page<Placed>> {
    let mut view = control.view().await?;
    // The order of a host needs all of its routes, whatever the filter says of workloads.
    let whole = RouteFilter { host: filter.host.clone(), workload: None };
    let routes = every!(part, view.routes(scope.org(), &whole, &part));
    let names = names(scope, &mut view).await?;
    drop(view);
    let mut placed = order::placed(&routes);
    placed.retain(|one| filter.workload.is_none_or(|workload| one.route.workload == workload));
    let after = match &slice.after {
        Some(cursor) => {
            let lost = || Refused::new(Code::Invalid, "the route at which the list was left is gone; begin again");
            placed.iter().position(|one| one.route.id.to_string() == *cursor).ok_or_else(lost)? + 1
        }
        None => 0,
    };
    let limit = usize::from(slice.limit);
    let part: Vec<_> = placed.iter().skip(after).take(limit).collect();
    let next = if placed.len() > after + limit { part.last().map(|one| one.route.id.to_string()) } else { None };
    let item = |one: &&order::Place<'_>| {
        let name = names.get(&one.route.workload)?.clone();
        Some(Placed {
            route: show(control, one.route.clone(), name, one.shadowed_by),
            place: one.place,
            reason: one.reason.clone(),
        })
    };
    Ok(Reply::ok(Page { items: part.iter().filter_map(item).collect(), next }))
}

/// A route.
pub(crate) async fn read(control: &Control, scope: &OrgScope, id: RouteId) -> Answer<Route> {
    let mut view = control.view().await?;
    let route = view.route(scope.org(), id).await?;
    let version = route.version;
    Ok(Reply::ok(shown(control, &mut view, route).await?).version(version))
}

/// Makes a route.
pub(crate) async fn create(control: &Control, scope: &OrgScope, spec: RouteSpec) -> Answer<Route> {
    let op = RouteOp { put: Some(RoutePut { id: None, version: None, route: spec }), delete: None };
    let (making, route) = one(control, scope, op).await?;
    let route = route.ok_or_else(|| Refused::not_found("route"))?;
    let event = scope.event(route.id).with(None, seen(&route));
    let version = route.version;
    control.commit(making.change, scope, event, Reply::created(route).version(version)).await
}

/// Makes a route say something else.
pub(crate) async fn replace(
    control: &Control,
    scope: &OrgScope,
    id: RouteId,
    spec: RouteSpec,
    expected: Option<i64>,
) -> Answer<Route> {
    let op = RouteOp { put: Some(RoutePut { id: Some(id), version: expected, route: spec }), delete: None };
    let (making, route) = one(control, scope, op).await?;
    let route = route.ok_or_else(|| Refused::not_found("route"))?;
    let before = making.kept.first().and_then(|kept| seen(&kept.before));
    let event = scope.event(id).with(before, seen(&route));
    let version = route.version;
    control.commit(making.change, scope, event, Reply::ok(route).version(version)).await
}

/// Takes a route away.
pub(crate) async fn delete(control: &Control, scope: &OrgScope, id: RouteId, expected: Option<i64>) -> Answer<()> {
    let op = RouteOp { put: None, delete: Some(RouteDelete { id, version: expected }) };
    let (making, _) = one(control, scope, op).await?;
    let before = making.kept.first().and_then(|kept| seen(&kept.before));
    let event = scope.event(id).with(before, None);
    control.commit(making.change, scope, event, Reply::done()).await
}

/// Makes one change of one route, with its publish, and says what the route says then.
async fn one(control: &Control, scope: &OrgScope, op: RouteOp) -> Result<(Making, Option<Route>), Refused> {
    let mut making = Making::begin(control, scope.org()).await?;
    making.make(control, &op, "").await?;
    let summary = publish::summary(&making.kept);
    making.keep(scope.actor(), summary, None).await?;
    let id = making.kept.first().map(|kept| kept.id);
    let route = match id {
        Some(id) if op.put.is_some() => {
            let route = making.change.route(scope.org(), id).await?;
            Some(shown(control, &mut making.change, route).await?)
        }
        _ => None,
    };
    Ok((making, route))
}

/// The names of the org's workloads.
pub(crate) async fn names(scope: &OrgScope, view: &mut View) -> Result<HashMap<WorkloadId, Label>, Refused> {
    let workloads = every!(slice, view.workloads(scope.org(), &slice));
    Ok(workloads.into_iter().map(|one| (one.id, one.name)).collect())
}

async fn shown(control: &Control, view: &mut View, route: mezu_store::Route) -> Result<Route, Refused> {
    let name = view.workload(route.org, route.workload).await?.name;
    let filter = RouteFilter { host: Some(route.host.clone()), workload: None };
    let all = every!(slice, view.routes(route.org, &filter, &slice));
    let shadowed_by = shadows(&all).get(&route.id).copied();
    Ok(show(control, route, name, shadowed_by))
}

fn show(control: &Control, route: mezu_store::Route, workload: Label, shadowed_by: Option<RouteId>) -> Route {
    let url = control.edge().url(&route.host, route.path.path());
    let hidden =
        shadowed_by.map(|by| format!("it is never reached: the route {by} takes all of its requests before it"));
    let warnings: Vec<String> = [control.edge().warning(&route.host), hidden].into_iter().flatten().collect();
    let warning = Some(warnings.join("; ")).filter(|text| !text.is_empty());
    let (id, workload_id, created_at, version) = (route.id, route.workload, time(route.created_at), route.version);
    let RouteSpec { host, path, matcher, rank, enabled, workload, pipeline } = said(&route, workload);
    Route {
        id,
        host,
        path,
        matcher,
        rank,
        enabled,
        workload,
        workload_id,
        pipeline,
        url,
        warning,
        shadowed_by,
        created_at,
        version,
    }
}
