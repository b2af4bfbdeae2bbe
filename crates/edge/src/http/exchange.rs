//! The contract between an HTTP front (h1, h2, later h3) and the rest of the edge: one request being answered.
//!
//! A front turns bytes into a [`RequestHead`], calls [`Serve::serve`] once per request and lends it an
//! [`Exchange`] to read the request body from and write the answer to. Everything behind this trait is the
//! same for every protocol; nothing behind it may know how a message is framed on the wire.
//!
//! # Rules for the caller (`Serve`)
//! - Call order: `interim`* → (`start` | `upgraded`) once → `poll_send`* → `trailers`? → `finish`; or `abort`
//!   at any time. Returning from `serve` without `finish` is `abort`: an answer that has started is never
//!   ended cleanly by accident; if it has not started, the client's stream is reset or its connection closed.
//! - Nothing but `poll_send` (when its buffer is full), `poll_flush` and `poll_body` touches the socket. What
//!   `interim`, `start`, `poll_send` leave in the buffer goes out with the next `poll_flush`; the front itself
//!   flushes after `serve` returns. So: **call `poll_flush` whenever you are about to wait for the workload**
//!   (that is what sends SSE events and 100s as they come), and do not call it before `finish`: then head and
//!   body leave in one TLS record and one write.
//! - The request body need not be read to its end. What is left is drained (≤ `Limits::drain_body`) or the
//!   connection is closed after the answer; that is the front's business.
//! - While waiting with the request body at its end, poll [`Exchange::poll_gone`]: it is how a client that
//!   reset its stream or connection stops the work. A client's half-close (FIN, END_STREAM) is *not* gone.

use std::{
    net::SocketAddr,
    task::{Context, Poll},
};

use bytes::Bytes;
use mezu_model::{Headers, Protocol, RequestHead, ResponseHead};
use mezu_tunnel::proto::ByteBudget;

use crate::metrics::Shed;

/// What the request head says about its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// No body follows: the exchange is at its end already.
    Empty,
    /// Exactly this many bytes follow (> 0). A client that sends fewer or more is refused by the front.
    Sized(u64),
    /// A body of unknown length, trailers possible.
    Unknown,
}

/// One step of the request body.
#[derive(Debug)]
pub enum BodyPart {
    /// Never empty.
    Data(Bytes),
    /// Validated, without reserved or framing names. Followed by `End`.
    Trailers(Headers),
    /// The client has sent all it will (after an upgrade: it half-closed). Repeats when polled again.
    End,
}

/// What the answer says about its body. The front writes `content-length`/`transfer-encoding` from this
/// alone and ignores such fields in the head.
///
/// For HEAD, 204, 304 and 1xx nothing of a body is ever sent; `Sized` there only declares a length (HEAD, 304).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseLength {
    /// No body. h1 writes `content-length: 0` unless the status forbids it (or the method is HEAD).
    Empty,
    /// Exactly this many bytes. `finish` before that is treated as `abort`; more is [`ClientGone::Overrun`].
    Sized(u64),
    /// h1.1 chunked, h1.0 ended by close, h2 by END_STREAM.
    Unknown,
}

/// Why no more can be read from or written to this client. The exchange is over: reset the workload's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientGone {
    #[error("the client closed or reset the connection")]
    Closed,
    #[error("the client cancelled the request")]
    Cancelled,
    #[error("the client moved fewer bytes than the minimum rate asks")]
    TooSlow,
    /// Bad chunk, bad trailer, CL ≠ ΣDATA. If the answer has not started it may still be a 400.
    #[error("the request body is malformed: {0}")]
    Malformed(&'static str),
    /// More answer bytes than `Sized` declared: the workload's fault, found here.
    #[error("the answer is longer than it declared")]
    Overrun,
}

/// One request being answered. See the module docs for the order of calls.
pub trait Exchange {
    fn protocol(&self) -> Protocol;

    fn body(&self) -> BodyLength;

    /// Body bytes that are here already, without waiting and without copying; at most `max`. The flag says
    /// that the body ends with them (no trailers). Call [`Exchange::consume`] with what was used. `(&[], true)`
    /// for an empty body. May return less than is buffered: `poll_body` yields the rest.
    fn buffered(&mut self, max: usize) -> (&[u8], bool);

    /// Takes `n` bytes of what `buffered` showed; they will not be yielded again.
    fn consume(&mut self, n: usize);

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<BodyPart, ClientGone>>;

    /// Resolves when the client is gone or has cancelled; otherwise pending. Keep polling it while waiting for
    /// the workload after the body's end.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<ClientGone>;

    /// Relays an interim answer (100; 103 on h2 only; others are dropped). At most 8, then ignored.
    fn interim(&mut self, head: &ResponseHead);

    /// Serialises the final head. Hop-by-hop and framing fields in it are skipped.
    fn start(&mut self, head: &ResponseHead, length: ResponseLength);

    /// Takes bytes from the front of `data`: `Ready(Ok)` when all of it is accepted (`data` is empty then).
    /// `Pending` leaves the rest in `data`; call again with it.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), ClientGone>>;

    /// Whether a piece of the answer that were handed over now would find room, in part at least. Pending is as the
    /// Pending of [`Exchange::poll_send`].
    fn poll_room(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>> {
        Poll::Ready(Ok(()))
    }

    /// Whether this request's share of what the client's connection may take unread is small: its window is, or many
    /// requests share it.
    fn takes_little(&self) -> bool {
        false
    }

    /// Whether the client can tell the end of an answer of unknown length from an answer that broke off.
    fn delimits(&self) -> bool {
        true
    }

    /// Puts what is buffered on the wire.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>>;

    /// Trailers of the answer; dropped where the client cannot take them (h1 without `TE: trailers`).
    fn trailers(&mut self, headers: &Headers);

    /// Ends the answer cleanly (after an upgrade: half-closes towards the client).
    fn finish(&mut self);

    /// Ends the answer visibly broken: h1 closes without a clean end, h2 sends RST_STREAM.
    fn abort(&mut self);

    /// The workload agreed to the upgrade the head asked for: h1 writes 101 with the accept key, h2 a 200.
    /// From here `poll_body`/`poll_send` carry raw bytes and `BodyPart::End`/`finish` are half-closes.
    fn upgraded(&mut self, head: &ResponseHead);

    /// Whether any byte of a final answer was serialised (so an own error can no longer be written).
    fn started(&self) -> bool;
}

/// What the front knows about the connection a request came on.
#[derive(Debug, Clone)]
pub struct ConnInfo {
    pub client: SocketAddr,
    /// The edge's public port that was dialled.
    pub local_port: u16,
    /// TLS server name, lowercase; `None` when the client sent none.
    pub sni: Option<Box<str>>,
    pub alpn: Alpn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    H1,
    H2,
}

/// Why a request was refused before anything else saw it. The only map to HTTP is `answer.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// 400. The text names the rule, never echoes input.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// 408: the head did not arrive in time.
    #[error("the request head took too long")]
    Timeout,
    /// 405: CONNECT and TRACE are off.
    #[error("method not allowed")]
    Method,
    /// 414.
    #[error("request target too long")]
    UriTooLong,
    /// 417: anything but `100-continue`.
    #[error("unknown expectation")]
    Expectation,
    /// 426 with `sec-websocket-version: 13`.
    #[error("unsupported WebSocket version")]
    WebSocketVersion,
    /// 431.
    #[error("request headers too large or too many")]
    HeadersTooLarge,
    /// 505.
    #[error("HTTP version not supported")]
    Version,
}

impl BadRequest {
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Method => 405,
            Self::Timeout => 408,
            Self::UriTooLong => 414,
            Self::Expectation => 417,
            Self::WebSocketVersion => 426,
            Self::HeadersTooLarge => 431,
            Self::Version => 505,
        }
    }
}

/// The rest of the edge, as a front sees it. One per worker, shared by `Rc`.
#[allow(async_fn_in_trait, reason = "single-threaded: no Send bound is wanted")]
pub trait Serve: 'static {
    /// Answers one request. The head is reused for the next one: take what must live longer. Dropped without
    /// notice when the client's connection dies.
    async fn serve<X: Exchange>(&self, conn: &ConnInfo, head: &mut RequestHead, exchange: &mut X);

    /// The answer for a request that could not be read. Fills `answer` (status, content-type, ray …) and
    /// returns the body; the front adds the framing and closes (h1) or ends the stream (h2). Also the place
    /// to log it: `serve` is never called for such a request.
    fn refuse(&self, conn: &ConnInfo, problem: BadRequest, answer: &mut ResponseHead) -> Bytes;

    /// What a front may reserve memory from beyond what each connection has anyway; with none it does without.
    fn memory(&self) -> Option<ByteBudget> {
        None
    }

    /// The front turned something away without an answer, to be counted.
    fn turned_away(&self, _reason: Shed) {}
}
