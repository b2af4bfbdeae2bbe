//! What the engine needs of a tunnel stream. A trait, so that its tests need neither TLS nor an edge.

use std::task::{Context, Poll};

use bytes::Bytes;
use mezu_model::{Headers, RequestHead, ResponseHead};

use super::Fault;

/// A request as it came through the tunnel.
#[derive(Debug)]
pub(crate) struct Request {
    pub context: mezu_model::Context,
    pub head: RequestHead,
    /// The body's first bytes, which came in the same frame.
    pub body: Bytes,
    /// Whether they are all of it.
    pub end: bool,
    /// Whether the workload must not see it before the edge says so.
    pub park: bool,
}

/// What else comes from the edge.
#[derive(Debug)]
pub(crate) enum Incoming {
    Data(Bytes),
    Trailers(Headers),
    End,
    Go,
}

/// One request's stream, at the gate.
pub(crate) trait EdgeStream {
    /// The next event; an error once the edge gave up. After the end: pending until then.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Fault>>;
    /// Sends body bytes; takes as many as may be sent now. The end counts only when all were taken.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8], end: bool) -> Poll<Result<usize, Fault>>;
    /// Waits until body bytes may be sent, and says how many [`EdgeStream::poll_send`] would take now.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>>;
    /// Sends a head with the body's first bytes; says how many of these were taken.
    fn send_response(&mut self, head: &ResponseHead, data: &[u8], end: bool) -> Result<usize, Fault>;
    /// Ends the response with trailers.
    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), Fault>;
    /// Says that a parked request is held.
    fn send_ready(&mut self) -> Result<(), Fault>;
}
