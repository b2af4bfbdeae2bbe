//! Warpgate: the program beside a workload that dials out to an edge and hands its requests to the workload.
//!
//! As a library it puts a Rust program on the internet with no port opened at all; see `examples/embed_axum.rs`.

mod in_process;
mod stats;
mod target;
mod workload;

pub use in_process::{Acceptor, Connector};
pub use stats::{Seen, Stats};
pub use target::{Address, InvalidTarget, Target};
