//! What tests of the whole system are written with: worlds, workloads, clients, and peers that mean no good.
//!
//! A [`world::World`] is an edge, Warpgates and a workload, started as the programs that ship, on ports of their own, in
//! a folder of their own; it ends with the value. Only tests depend on this crate.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::large_futures,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "used by tests only: a test that cannot go on should stop loudly, and its tasks end with it"
)]

pub mod client;
pub mod http1;
pub mod killed;
pub mod peers;
pub mod postgres;
pub mod process;
pub mod target;
pub mod websocket;
pub mod workload;
pub mod world;

pub use client::{Client, Exchange, Protocol, Request, Response};
pub use target::Target;
pub use workload::{Step, Workload};
pub use world::World;

use std::future::Future;
use std::time::Duration;

/// No single step of a test takes longer than this, or it has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for one step, at most [`PATIENCE`].
pub async fn patiently<T>(what: &str, step: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, step).await.map_err(|_| anyhow::anyhow!("waited in vain for {what}"))
}

/// Waits until `condition` holds: level-triggered, at most [`PATIENCE`].
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
    patiently(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}
