//! Warpgate: the program beside a workload that dials out to an edge and hands its requests to the workload.
//!
//! As a library it puts a Rust program on the internet with no port opened at all; see `examples/embed_axum.rs`.
//!
//! * [`Warpgate::builder`]: what to serve and where the edge is; [`Handle`]: watch it, drain it.
//! * `gate`: the connections to the edge. `workload`: what becomes of a request. They meet in `gate/serve.rs`.
//!
//! One thread does all of it: tunnels, workload connections and requests share state without locks.

mod edge_address;
mod gate;
mod health;
mod in_process;
mod kept;
pub mod key;
pub mod login;
#[doc(hidden)]
pub mod measure;
pub mod probe;
mod stats;
mod status;
mod target;
mod warpgate;
mod workload;

pub use edge_address::{EdgeAddress, InvalidEdge};
pub use gate::{
    dial::DialError,
    proxy::{self, InvalidProxy, Proxy},
};
pub use health::{HealthCheck, InvalidHealthCheck, Span};
pub use in_process::{Acceptor, Connector};
pub use kept::{Kept, NotKept};
pub use mezu_model::{GateLabel, Label, Seed};
pub use stats::{Seen, Stats};
pub use status::{Ended, Health, Link, Status, WorkloadStatus};
pub use target::{Address, InvalidTarget, Target};
pub use warpgate::{BuildError, Builder, Config, DEFAULT_CONNECTIONS, Handle, Warpgate, WorkloadConfig};
