//! The control plane: what can be done, who may, and the REST API that it is asked through.
//!
//! ```text
//! listener ─► front (host, origin, request id) ─► gate (who asks? may they? asked before?) ─► http/<noun> ─► ops/<noun>
//!                                                                            store: change + audit event ─► edge serves it
//! ```
//!
//! [`http`] turns requests into calls and results into answers; [`ops`] is what is done, in terms of the store and an
//! asker; [`auth`] is the only place that says who asks and for which org: an [`auth::OrgScope`] is made nowhere else, and
//! nothing of an org can be touched without one. Control and edge never import one another: control sees the edge as an
//! [`EdgeView`], handed in by the program.

pub mod auth;
pub mod http;
pub mod names;
pub mod ops;
pub mod rounds;

mod control;
mod edge_view;
mod machines;
mod refused;
mod reply;

pub use control::{Control, Parts, WeakControl};
pub use edge_view::{EdgeView, Pending, Publication, Question, Told, Untold, Wanted};
pub use machines::{Claim, Grant, Machines, Told as MachineTold, Verdict, Waiting};
pub use refused::Refused;
pub use reply::{Answer, Reply};

#[cfg(test)]
mod tests;
