//! The one picture of the world that the control side hands to an edge.
//!
//! A [`Snapshot`] holds everything the data path needs to answer a request: which hostnames exist, which workload
//! each route leads to, and which public keys may open a tunnel. It is plain data. Control builds one, checks it,
//! gives it a generation and publishes it; an edge compiles it and serves from it. Nothing else passes between them.
//!
//! It must never hold a secret (verification keys are public), never refer outside itself (every id in it resolves
//! in it: [`Snapshot::check`]), and never grow without bound ([`limits`]). It is read back from disk and, later, from
//! a bus, so [`decode`] treats it like hostile input: bounded before parsing, unknown and duplicate fields refused,
//! every cross reference checked.

mod check;
mod entry;
mod file;
pub mod limits;
mod matcher;
mod order;
mod path;
mod shared;

pub use check::{Checked, Fresh, Problem, Problems};
pub use entry::{KeyEntry, KeyScope, OrgEntry, Parts, RouteEntry, Snapshot, WorkloadEntry};
pub use file::{Undecodable, decode, encode};
pub use matcher::{HeaderCondition, InvalidMatcher, Matcher, Unmet};
pub use order::{Order, Shadowed, shadowed};
pub use path::{InvalidPathRule, PathRule, Step, Tail};
pub use shared::Shared;

#[cfg(test)]
mod tests;
