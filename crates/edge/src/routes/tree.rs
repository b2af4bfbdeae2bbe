//! Finds the route of a request among those of one host, at a cost that does not grow with their number.
//!
//! The rules of a host form a tree, one node per segment. A request goes down it: from each node by its next segment,
//! by a capture, or it stays at what is open there. Each node knows the first route, in match order, that lies at or
//! below it, so ways that cannot lead to anything better than what was found are not taken.

use std::hash::{Hash, Hasher};

use hashbrown::{Equivalent, HashMap};
use mezu_model::RequestHead;
use mezu_snapshot::{Step, Tail};

use super::Route;

/// Rules as a tree over the routes of a host, which are in match order and known by their places in it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    literals: HashMap<Edge, u32>,
}

#[derive(Debug)]
struct Node {
    /// The first route at or below this node.
    first: u32,
    /// The node behind a capture; the root is behind none, so 0 is no node.
    capture: u32,
    has_literals: bool,
    /// Routes whose rule ends here.
    end: Vec<u32>,
    /// Routes that take all that lies here and below.
    open: Vec<u32>,
}

/// From a node by a text to another.
#[derive(Debug, PartialEq, Eq)]
struct Edge {
    from: u32,
    text: Box<str>,
}

#[derive(Hash)]
struct Way<'a> {
    from: u32,
    text: &'a str,
}

impl Hash for Edge {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Way { from: self.from, text: &self.text }.hash(state);
    }
}

impl Equivalent<Edge> for Way<'_> {
    fn equivalent(&self, edge: &Edge) -> bool {
        self.from == edge.from && *self.text == *edge.text
    }
}

const NONE: u32 = u32::MAX;

impl Node {
    fn new() -> Self {
        Self { first: NONE, capture: 0, has_literals: false, end: Vec::new(), open: Vec::new() }
    }
}

impl Tree {
    /// Over routes in match order.
    pub(super) fn new<'a>(routes: impl Iterator<Item = &'a Route>) -> Self {
        let mut tree = Self { nodes: vec![Node::new()], literals: HashMap::new() };
        for (place, route) in routes.enumerate() {
            tree.add(u32::try_from(place).unwrap_or(NONE), route);
        }
        tree.nodes.shrink_to_fit();
        tree.literals.shrink_to_fit();
        tree
    }

    fn add(&mut self, place: u32, route: &Route) {
        let mut at = 0;
        self.pass(at, place);
        for step in route.path.steps() {
            at = self.step(at, step);
            self.pass(at, place);
        }
        if let Some(node) = self.nodes.get_mut(at as usize) {
            match route.path.tail() {
                Tail::End => node.end.push(place),
                Tail::Open(_) => node.open.push(place),
            }
        }
    }

    fn pass(&mut self, at: u32, place: u32) {
        if let Some(node) = self.nodes.get_mut(at as usize) {
            node.first = node.first.min(place);
        }
    }

    /// The node behind a step, made if there is none.
    fn step(&mut self, from: u32, step: Step<'_>) -> u32 {
        let new = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        let Some(node) = self.nodes.get_mut(from as usize) else { return from };
        let to = match step {
            Step::Literal(text) => {
                node.has_literals = true;
                *self.literals.entry(Edge { from, text: text.into() }).or_insert(new)
            }
            Step::Capture(_) if node.capture == 0 => {
                node.capture = new;
                new
            }
            Step::Capture(_) => node.capture,
        };
        if to == new {
            self.nodes.push(Node::new());
        }
        to
    }

    /// The place of the route that takes the request.
    pub(super) fn find(&self, routes: &[Route], head: &RequestHead) -> Option<usize> {
        let mut search = Search { tree: self, routes, head, best: NONE };
        search.visit(0, head.path.strip_prefix('/'));
        (search.best != NONE).then_some(search.best as usize)
    }
}

struct Search<'a> {
    tree: &'a Tree,
    routes: &'a [Route],
    head: &'a RequestHead,
    best: u32,
}

impl Search<'_> {
    /// Looks at a node with what is left of the path; `None` when it ended with the segment before. No deeper than the
    /// longest rule has segments.
    fn visit(&mut self, at: u32, rest: Option<&str>) {
        let Some(node) = self.tree.nodes.get(at as usize) else { return };
        if node.first >= self.best {
            return;
        }
        match rest {
            None => self.try_each(&node.end),
            Some(rest) if node.has_literals || node.capture != 0 => {
                let (text, after) = match memchr::memchr(b'/', rest.as_bytes()) {
                    Some(slash) => (rest.get(..slash).unwrap_or_default(), rest.get(slash + 1..)),
                    None => (rest, None),
                };
                if node.has_literals
                    && let Some(next) = self.tree.literals.get(&Way { from: at, text })
                {
                    self.visit(*next, after);
                }
                if node.capture != 0 && !text.is_empty() {
                    self.visit(node.capture, after);
                }
            }
            Some(_) => {}
        }
        self.try_each(&node.open);
    }

    /// The first of a node's routes that asks for nothing that the request lacks, if it is better than the best.
    fn try_each(&mut self, places: &[u32]) {
        for place in places {
            if *place >= self.best {
                return;
            }
            let Some(route) = self.routes.get(*place as usize) else { return };
            if route.matcher.is_empty() || route.matcher.unmet(self.head).is_none() {
                self.best = *place;
                return;
            }
        }
    }
}
