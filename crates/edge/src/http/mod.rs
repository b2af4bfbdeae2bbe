//! The HTTP fronts: bytes from hostile clients become [`mezu_model::head::RequestHead`]s, answers become bytes.
//!
//! Must never: guess at framing, forward a field the client may not set, hold a buffer for an idle connection,
//! or know anything of routes and workloads.

pub mod exchange;

pub use exchange::{
    Alpn, BadRequest, BodyLength, BodyPart, ClientGone, ConnInfo, Exchange, ResponseLength, Serve,
};
