//! What a stream hands to its reader, still encoded: whoever reads decodes into a head of its own that it uses again
//! and again, so that a request costs one allocation, its payload.

use bytes::{Buf, Bytes};
use mezu_model::{Context, Headers, RequestHead, ResponseHead};

use crate::error::HeadError;
use crate::heads::{
    HeadLimits, REQUEST_PREFIX, RESPONSE_PREFIX, RequestPrefix, ResponsePrefix, decode_request, decode_response,
    decode_trailers,
};

/// One thing received on a stream, in the order in which the peer sent them.
#[derive(Debug)]
pub enum Incoming {
    /// Gate: the first thing on every stream.
    Request(Request),
    /// Edge: up to eight interim ones, then the final one.
    Response(Response),
    /// Body bytes, never empty. Taking them returns credit to the peer.
    Data(Bytes),
    /// Fields after the body. [`Incoming::End`] follows.
    Trailers(Trailers),
    /// Nothing more comes. Asked again, the stream says so again.
    End,
    /// Edge: the gate holds the parked request; [`crate::Connection::send_go`] lets it be delivered.
    Ready,
    /// Gate: the parked request may be delivered. Comes before any body bytes that were not in the REQUEST itself.
    Go,
}

/// A frame with a head, and perhaps the beginning of the body behind it.
#[derive(Debug)]
pub struct Headed<P> {
    pub(crate) payload: Bytes,
    pub(crate) prefix: P,
    pub(crate) end: bool,
    pub(crate) limits: HeadLimits,
}

/// A REQUEST frame.
pub type Request = Headed<RequestPrefix>;
/// A RESPONSE frame.
pub type Response = Headed<ResponsePrefix>;

/// What stands in front of a head.
pub trait Prefix {
    /// Its length.
    const LEN: usize;
    /// Where in the payload the head ends and the body begins.
    fn head_end(&self) -> usize;
}

impl Prefix for RequestPrefix {
    const LEN: usize = REQUEST_PREFIX;

    #[inline]
    fn head_end(&self) -> usize {
        self.head_end
    }
}

impl Prefix for ResponsePrefix {
    const LEN: usize = RESPONSE_PREFIX;

    #[inline]
    fn head_end(&self) -> usize {
        self.head_end
    }
}

impl<P: Prefix> Headed<P> {
    /// Whether [`Self::into_body`] is the whole body.
    pub const fn ended(&self) -> bool {
        self.end
    }

    /// Bytes of body that came with the head.
    pub fn body_len(&self) -> usize {
        self.payload.len().saturating_sub(self.prefix.head_end())
    }

    /// The body bytes that came with the head.
    pub fn into_body(mut self) -> Bytes {
        self.payload.advance(self.prefix.head_end().min(self.payload.len()));
        self.payload
    }

    fn wire(&self) -> Result<&[u8], HeadError> {
        self.payload.get(P::LEN..self.prefix.head_end()).ok_or(HeadError::Malformed)
    }
}

impl Request {
    /// What the edge says about the client.
    pub const fn context(&self) -> &Context {
        &self.prefix.context
    }

    /// Whether the workload must not see it before [`Incoming::Go`].
    pub const fn is_parked(&self) -> bool {
        self.prefix.terms().park
    }

    /// Decodes the head into `head`, which is emptied first, and says which workload it is for: the position in the
    /// HELLO, not checked. After an error reset the stream with [`crate::Reason::BadHead`].
    ///
    /// # Errors
    /// See [`HeadError`].
    pub fn decode(&self, head: &mut RequestHead) -> Result<u32, HeadError> {
        decode_request(self.wire()?, &self.prefix, self.limits, head)
    }
}

impl Response {
    /// 100 to 999.
    pub const fn status(&self) -> u16 {
        self.prefix.status
    }

    /// Whether another response follows (101 is final).
    pub const fn is_interim(&self) -> bool {
        is_interim(self.prefix.status)
    }

    /// Decodes the head into `head`, which is emptied first. After an error reset the stream with
    /// [`crate::Reason::BadHead`].
    ///
    /// # Errors
    /// See [`HeadError`].
    pub fn decode(&self, head: &mut ResponseHead) -> Result<(), HeadError> {
        decode_response(self.wire()?, &self.prefix, self.limits, head)
    }
}

/// A TRAILERS frame.
#[derive(Debug)]
pub struct Trailers {
    pub(crate) payload: Bytes,
    pub(crate) limits: HeadLimits,
}

impl Trailers {
    /// Decodes into `fields`, which is emptied first.
    ///
    /// # Errors
    /// See [`HeadError`].
    pub fn decode(&self, fields: &mut Headers) -> Result<(), HeadError> {
        decode_trailers(&self.payload, self.limits, fields)
    }
}

/// Whether another response follows one with this status.
pub(crate) const fn is_interim(status: u16) -> bool {
    status < 200 && status != 101
}
