//! The Warpgate protocol as a state machine: hello, heads, frames, credit, hand-over, liveness, drain.
//!
//! Pure: no socket, no clock, no randomness. `docs/protocol.md` is the text that another implementation is written
//! from; this crate is one implementation of it. What must never happen here, whatever the peer sends: a panic, an
//! allocation that credit or a limit does not bound, or a frame delivered out of order.
//!
//! The way in: [`Connection`] and its contract, then [`frames`] and [`heads`].

pub mod ask;
pub mod budget;
pub mod connection;
mod credit;
pub mod error;
pub mod frames;
pub mod heads;
pub mod hello;
mod incoming;
mod liveness;
mod output;
mod stream;
mod streams;
mod turns;
mod varint;

pub use budget::{ByteBudget, Hold};
pub use connection::{Config, Connection, Event, OpenOptions, Role};
pub use credit::{CARRIER_START, MAX_CREDIT, SCRAP, STREAM_NARROW, STREAM_START};
pub use error::{Death, HeadError, OpenError, Reason, StreamError, Violation};
pub use incoming::{Headed, Incoming, Prefix, Request, Response, Trailers};
pub use liveness::Timers;
pub use streams::StreamId;
