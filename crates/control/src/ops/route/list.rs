//! The list of routes in parts: host by host, and of each host in the order in which the edge asks. A part reads the hosts
//! that fill it, however many routes the org has.

use std::collections::HashMap;

use mezu_api::route::Placed;
use mezu_api::{Code, Page};
use mezu_model::{Hostname, RouteId};
use mezu_store::{RouteFilter, Slice};

use super::{order, show};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, Reply};

/// The routes of the org, by host, and within a host in the order in which the edge asks them.
pub(crate) async fn list(
    control: &Control,
    scope: &OrgScope,
    filter: &RouteFilter,
    slice: &Slice,
) -> Answer<Page<Placed>> {
    let (org, limit) = (scope.org(), usize::from(slice.limit));
    let left = slice.after.as_deref().map(parse).transpose()?;
    let from = left.as_ref().map(|(host, _)| host);
    let mut view = control.view().await?;
    // Each host has a route at least: so many fill the part, and tell whether another follows.
    let hosts = view.route_hosts(org, filter, from, slice.limit.saturating_add(2)).await?;
    let Some((first, last)) = reach(&hosts, from, limit) else {
        return if left.is_some() { Err(lost()) } else { Ok(Reply::ok(Page { items: Vec::new(), next: None })) };
    };
    let routes = view.route_order(org, filter.workload, first, last).await?;
    let mut placed = order::placed(&routes);
    placed.retain(|one| filter.workload.is_none_or(|workload| one.route.workload == workload));
    let begin = match left {
        Some((_, id)) => placed.iter().position(|one| one.route.id == id).ok_or_else(lost)? + 1,
        None => 0,
    };
    let rest = placed.get(begin..).unwrap_or_default();
    let part = rest.get(..limit).unwrap_or(rest);
    let next = part.last().filter(|_| rest.len() > limit).map(|last| format!("{}/{}", last.route.host, last.route.id));
    let ids: Vec<RouteId> = part.iter().map(|one| one.route.id).collect();
    let whole = view.routes_named(org, &ids).await?;
    let mut whole: HashMap<RouteId, _> = whole.into_iter().map(|(route, name)| (route.id, (route, name))).collect();
    let item = |one: &order::Place<'_>| {
        let (route, name) = whole.remove(&one.route.id)?;
        let route = show(control, route, name, one.shadowed_by);
        Some(Placed { route, place: one.place, reason: one.reason.clone() })
    };
    Ok(Reply::ok(Page { items: part.iter().filter_map(item).collect(), next }))
}

/// The first and the last of the hosts whose routes fill a part and one more. How many of the host at which the list was
/// left have been seen is not known yet, so those do not count.
fn reach<'a>(
    hosts: &'a [(Hostname, usize)],
    left: Option<&Hostname>,
    limit: usize,
) -> Option<(&'a Hostname, &'a Hostname)> {
    let mut found = 0;
    let fills = |(host, routes): &&(Hostname, usize)| {
        found += if Some(host) == left { 0 } else { *routes };
        found > limit
    };
    let last = hosts.iter().find(fills).or(hosts.last());
    Some((&hosts.first()?.0, &last?.0))
}

/// The place in the list: a host and a route of it.
fn parse(cursor: &str) -> Result<(Hostname, RouteId), Refused> {
    let parts = cursor.split_once('/').and_then(|(host, id)| Some((host.parse().ok()?, id.parse().ok()?)));
    parts.ok_or_else(|| Refused::new(Code::Invalid, "this is no cursor of a list of routes"))
}

fn lost() -> Refused {
    Refused::new(Code::Invalid, "the route at which the list was left is gone; begin again")
}
