//! The edge: where requests from the internet come in, and where gates keep their tunnels.

pub mod answer;
pub mod http;
pub mod metrics;
mod pages;
