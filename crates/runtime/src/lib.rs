//! What every program of Mezusphere runs on: tracked tasks, shutdown, back-off, ids, telemetry.
//!
//! No word of the domain belongs here: this crate knows nothing of edges, gates or routes.

pub mod backoff;
pub mod error;
pub mod id;
pub mod random;
pub mod scope;
pub mod shutdown;
pub mod telemetry;
pub mod thread;

pub use backoff::Backoff;
pub use error::Chain;
pub use scope::{Scope, spawn, spawn_local};
pub use shutdown::Signals;
