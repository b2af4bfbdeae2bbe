//! In which order the edge asks the routes of a host, and why.

use std::collections::HashMap;

use mezu_model::RouteId;
use mezu_snapshot::{RouteEntry, Step, Tail, shadowed};
use mezu_store::Route;

/// A route in its place.
pub(super) struct Place<'a> {
    pub(super) route: &'a RouteEntry,
    pub(super) place: u64,
    pub(super) reason: String,
    pub(super) shadowed_by: Option<RouteId>,
}

/// Routes by host, and within a host in the edge's order. All routes of each host must be there.
pub(super) fn placed(routes: &[RouteEntry]) -> Vec<Place<'_>> {
    let mut sorted: Vec<&RouteEntry> = routes.iter().collect();
    sorted.sort_by_cached_key(|route| (&route.host, route.order()));
    let mut all = Vec::with_capacity(sorted.len());
    for host in sorted.chunk_by(|a, b| a.host == b.host) {
        let hidden = hidden(host.iter().copied());
        let mut before = None;
        for (place, route) in (1..).zip(host.iter().copied()) {
            let shadowed_by = hidden.get(&route.id).copied();
            all.push(Place { route, place, reason: reason(route, before), shadowed_by });
            before = Some(route);
        }
    }
    all
}

/// The routes of one host that are never reached, and by which other each.
pub(crate) fn shadows(routes: &[Route]) -> HashMap<RouteId, RouteId> {
    let entries: Vec<RouteEntry> = routes.iter().map(entry).collect();
    hidden(&entries)
}

/// The same of entries; of what may stand before a route, it is enough.
pub(super) fn hidden<'a>(routes: impl IntoIterator<Item = &'a RouteEntry>) -> HashMap<RouteId, RouteId> {
    shadowed(routes).into_iter().map(|one| (one.route, one.by)).collect()
}

/// A route as an edge gets it.
pub(crate) fn entry(route: &Route) -> RouteEntry {
    let Route { id, host, path, matcher, rank, enabled, workload, pipeline, .. } = route.clone();
    RouteEntry { id, host, path, matcher, rank, enabled, workload, pipeline }
}

/// Why a route stands behind the one before.
fn reason(route: &RouteEntry, before: Option<&RouteEntry>) -> String {
    if let Some(rank) = route.rank {
        return format!("rank {rank}, given by hand");
    }
    let Some(before) = before else { return "the most specific of its host".to_string() };
    if before.rank.is_some() {
        return "the most specific of those without a rank".to_string();
    }
    if !is_same_path(route, before) {
        return if are_apart(route, before) {
            format!("by name: no path is both under {} and under {}", before.path, route.path)
        } else {
            format!("{} is more specific: a text stands before a capture, before what is open", before.path)
        };
    }
    let (mine, others) = (route.matcher.methods().len(), before.matcher.methods().len());
    if mine != others {
        return "it takes more methods than the one before".to_string();
    }
    if route.matcher.headers().len() != before.matcher.headers().len() {
        return "it asks for fewer fields than the one before".to_string();
    }
    "it is as specific as the one before, and newer".to_string()
}

/// Whether both take the very same paths; the names of captures do not matter.
fn is_same_path(a: &RouteEntry, b: &RouteEntry) -> bool {
    let is_open = |route: &RouteEntry| !matches!(route.path.tail(), Tail::End);
    let same = |(a, b): (Step<'_>, Step<'_>)| match (a, b) {
        (Step::Literal(a), Step::Literal(b)) => a == b,
        (Step::Capture(_), Step::Capture(_)) => true,
        _ => false,
    };
    a.path.steps().count() == b.path.steps().count()
        && is_open(a) == is_open(b)
        && a.path.steps().zip(b.path.steps()).all(same)
}

/// Whether texts differ at the same place, so that no path is taken by both.
fn are_apart(a: &RouteEntry, b: &RouteEntry) -> bool {
    a.path.steps().zip(b.path.steps()).any(|pair| match pair {
        (Step::Literal(a), Step::Literal(b)) => a != b,
        _ => false,
    })
}
