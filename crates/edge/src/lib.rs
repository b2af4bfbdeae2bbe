//! The edge: where requests from the internet come in, and where gates keep their tunnels.
//!
//! The path of a request, each arrow one step that takes the type on its left:
//!
//! ```text
//!         accept ─► tls ─► http ─► route ─► policy ─► tunnel
//! types   Socket   Conn   Request  Routed   Permitted  Stream
//! file    listen   mezu_  http/    routes   mezu_      forward/
//!                  tunnel                   policy
//! ```
//!
//! [`serve`] shows the middle of it. Everything runs on workers ([`worker`]): one thread each, sharing nothing that a
//! request touches. The data path never calls the control side; what it knows comes in snapshots.

pub mod access_log;
mod admission;
pub mod answer;
mod ask;
mod certs;
mod config;
mod deadline;
mod drain;
mod edge;
mod encode;
mod enrol;
mod explain;
mod forward;
mod gate_accept;
mod gates;
mod guard;
mod hop;
pub mod http;
mod listen;
#[doc(hidden)]
pub mod measure;
pub mod metrics;
mod mirror;
mod nofile;
mod observe;
mod orgs;
mod own_answer;
mod pages;
mod pick;
mod placement;
mod places;
mod presence;
mod recent;
mod redirect;
mod room;
mod routes;
mod serve;
mod shared;
mod worker;

pub use ask::{Asked, Asker, Decided, LetIn, NoRoom, Request, Waiting};
pub use certs::{CertStore, Certificate};
pub use config::EdgeConfig;
pub use edge::{Edge, EdgeHandle, StartError};
pub use enrol::{Enrol, EnrolError, Enrolled, EnrolledWorkload, Enrolment};
pub use explain::{Explanation, GateLoad, Outcome, Question, StageVerdict, Unasked};
pub use placement::KeysUsed;
pub use recent::{Decision, Passed, Wanted};
pub use routes::{Candidate, Uncompilable, Unmatched};

#[cfg(test)]
mod tests;
