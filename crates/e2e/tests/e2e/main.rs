//! The whole system, from a client's bytes to the workload's and back. One module per subject; a test that should hold
//! for every protocol is written once and run over each by [`matrix`].
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod admin;
mod bodies;
mod capabilities;
mod compress;
mod faults;
mod floods;
mod framing;
mod headers;
mod login;
mod mirror;
mod paths;
mod publishing;
mod requests;
mod restarts;
mod routing;
mod software;
mod store;
mod websocket;

/// Runs each of these async functions once per protocol.
macro_rules! matrix {
    ($($name:ident),* $(,)?) => {
        mod h1 {
            $(#[tokio::test]
            async fn $name() -> anyhow::Result<()> {
                super::$name(mezu_testkit::Protocol::H1).await
            })*
        }
        mod h2 {
            $(#[tokio::test]
            async fn $name() -> anyhow::Result<()> {
                super::$name(mezu_testkit::Protocol::H2).await
            })*
        }
    };
}
pub(crate) use matrix;
