//! Routes. Each change of one is a publish of its own, so that it can be taken back like any other.

mod list;
mod order;
mod spec;

use std::collections::HashMap;

use mezu_api::draft::{RouteDelete, RouteOp, RoutePut};
use mezu_api::route::{Route, RouteSpec};
use mezu_model::{Label, RouteId, WorkloadId};
use mezu_snapshot::PathRule;
use mezu_store::View;

use super::publish::{self, Making};
use super::{seen, time};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, Reply};

pub(crate) use list::list;
pub(crate) use order::{entry, shadows};
pub(crate) use spec::{resolve, said};

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
    let rivals = view.route_rivals(route.org, &route.host, beginning(&route.path)).await?;
    let shadowed_by = order::hidden(&rivals).get(&route.id).copied();
    Ok(show(control, route, name, shadowed_by))
}

/// The segments before the first capture: whatever takes the same paths begins with them too.
fn beginning(path: &PathRule) -> &str {
    let text = path.path();
    text.split_once('{').map_or(text, |(before, _)| before).trim_end_matches('/')
}

fn show(control: &Control, route: mezu_store::Route, workload: Label, shadowed_by: Option<RouteId>) -> Route {
    let url = control.edge().url(&route.host, route.path.path());
    let hidden = shadowed_by.map(|by| format!("never reached: the route {by} takes all of its requests before it"));
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
