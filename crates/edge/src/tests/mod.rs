//! The edge as a whole, between a raw client and a gate that does what the test says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod asks;
mod door;
mod drain;
mod forward;
mod gates;
mod health;
mod hops;
mod labels;
mod limits;
pub(crate) mod panics;
mod patience;
mod poison;
mod resend;
mod silence;
mod world;
