//! Peers that mean no good, one per file. Each is bounded in what it sends and for how long, and says what became of it.

pub mod bad_gate;
pub mod bad_workload;
pub mod bomb;
pub mod continuation_flood;
pub mod downgrade;
pub mod early_tunnel;
pub mod frames;
pub mod made_you_reset;
pub mod ping_flood;
pub mod rapid_reset;
pub mod settings_flood;
pub mod slow_body;
pub mod slow_read;
pub mod slowloris;
pub mod smuggling;
pub mod tiny_data;
pub mod zero_window;

use std::time::Duration;

/// What became of a hostile peer.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Whether the edge closed the connection.
    pub closed: bool,
    /// The code in its last GOAWAY, if it sent one.
    pub goaway: Option<u32>,
    /// Streams it reset.
    pub resets: u32,
    /// Streams it answered.
    pub answers: u32,
    /// How long the peer lived.
    pub lived: Duration,
}
