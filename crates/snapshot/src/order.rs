//! In which order the routes of one host are asked; `docs/route-matching.md` says it in words.

use std::cmp::Reverse;
use std::collections::HashMap;

use mezu_model::RouteId;

use crate::path::{Step, Tail};
use crate::{Matcher, RouteEntry};

/// Where a route stands among those of its host: the smallest of those that take a request answers it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order<'a> {
    /// Those ordered by hand come first.
    unranked: bool,
    rank: i64,
    /// From left to right: a text before a capture before the end before what is open.
    path: Vec<Place<'a>>,
    any_method: bool,
    methods: usize,
    headers: Reverse<usize>,
    id: RouteId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place<'a> {
    Literal(&'a str),
    Capture,
    End,
    Open,
}

/// A path rule without the names in it: rules with the same take the same paths.
fn shape(route: &RouteEntry) -> Vec<Place<'_>> {
    let step = |step| match step {
        Step::Literal(text) => Place::Literal(text),
        Step::Capture(_) => Place::Capture,
    };
    let tail = match route.path.tail() {
        Tail::End => Place::End,
        Tail::Open(_) => Place::Open,
    };
    route.path.steps().map(step).chain([tail]).collect()
}

impl RouteEntry {
    /// The route's place in the order of its host.
    #[must_use]
    pub fn order(&self) -> Order<'_> {
        let methods = self.matcher.methods().len();
        Order {
            unranked: self.rank.is_none(),
            rank: self.rank.unwrap_or_default(),
            path: shape(self),
            any_method: methods == 0,
            methods,
            headers: Reverse(self.matcher.headers().len()),
            id: self.id,
        }
    }
}

/// A route that no request ever reaches, because one before it takes all that it would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shadowed {
    pub route: RouteId,
    pub by: RouteId,
}

/// The routes of one host that are shadowed. A route that only several others together shadow is not told.
#[must_use]
pub fn shadowed<'a>(routes: impl IntoIterator<Item = &'a RouteEntry>) -> Vec<Shadowed> {
    let mut routes: Vec<&RouteEntry> = routes.into_iter().filter(|route| route.enabled).collect();
    routes.sort_by_cached_key(|route| route.order());
    let mut found = Vec::new();
    // Without a rank only a rule for the very same paths stands before and covers: see the order.
    let mut same: HashMap<Vec<Place<'_>>, Vec<&RouteEntry>> = HashMap::new();
    let mut ranked: Vec<(Vec<Place<'_>>, &RouteEntry)> = Vec::new();
    for route in routes {
        let shape = shape(route);
        let covers = |matcher: &Matcher| matcher.covers(&route.matcher);
        let by_rank = ranked.iter().find(|(wide, one)| covers(&one.matcher) && path_covers(wide, &shape));
        let peers = same.entry(shape).or_default();
        let by = by_rank.map(|(_, one)| *one).or_else(|| peers.iter().copied().find(|one| covers(&one.matcher)));
        match by {
            Some(by) => found.push(Shadowed { route: route.id, by: by.id }),
            // What is never reached shadows nothing that is not shadowed already.
            None if route.rank.is_some() => ranked.push((self::shape(route), route)),
            None => peers.push(route),
        }
    }
    found
}

/// Whether all paths of the second are paths of the first.
fn path_covers(wide: &[Place<'_>], narrow: &[Place<'_>]) -> bool {
    let mut narrow = narrow.iter();
    for place in wide {
        match (place, narrow.next()) {
            (Place::Open, Some(_)) => return true,
            (Place::Literal(a), Some(Place::Literal(b))) if a == b => {}
            // A capture takes no empty segment; a literal one stands for a slash at the end.
            (Place::Capture, Some(Place::Literal(text))) if !text.is_empty() => {}
            (Place::Capture, Some(Place::Capture)) | (Place::End, Some(Place::End)) => {}
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests;
