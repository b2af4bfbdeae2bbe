//! The binary form of request heads, response heads and trailers (docs/protocol.md §5).
//!
//! A head is written and read in one pass. A well-known name costs one byte. Both peers are hostile to each other, so
//! reading checks every byte that the other side of the system will trust: no head that decodes can smuggle a line
//! break, a space in a path or an upper-case name.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{decode_request, decode_response, decode_trailers, read_request_prefix, read_response_prefix};
pub use encode::{put_request, put_response, put_trailers, seal_head};

use mezu_model::Context;

/// Bytes before the head in a REQUEST.
pub const REQUEST_PREFIX: usize = 40;
/// Bytes before the head in a RESPONSE.
pub const RESPONSE_PREFIX: usize = 5;

/// Bits of the flags byte of a REQUEST.
pub(crate) mod flag {
    pub(crate) const HTTPS: u8 = 0x01;
    /// Two bits: 0 h1, 1 h2, 2 h3.
    pub(crate) const PROTOCOL: u8 = 0x06;
    pub(crate) const PROTOCOL_SHIFT: u32 = 1;
    pub(crate) const WEBSOCKET: u8 = 0x08;
    pub(crate) const PARK: u8 = 0x10;
    pub(crate) const PORT: u8 = 0x20;
    pub(crate) const QUERY: u8 = 0x40;
    pub(crate) const NARROW: u8 = 0x80;
}

/// How large a head may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the encoded head, without prefix and body.
    pub bytes: usize,
    /// Fields.
    pub fields: usize,
}

/// How a request is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// It waits for GO.
    pub park: bool,
    /// Little of its answer is wanted at once: that direction begins with [`crate::STREAM_NARROW`].
    pub narrow: bool,
}

/// What precedes the head in a REQUEST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestPrefix {
    pub context: Context,
    pub flags: u8,
    /// Where the head ends in the payload; body bytes follow.
    pub head_end: usize,
}

impl RequestPrefix {
    pub const fn terms(&self) -> Terms {
        Terms { park: self.flags & flag::PARK != 0, narrow: self.flags & flag::NARROW != 0 }
    }
}

/// What precedes the head in a RESPONSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponsePrefix {
    pub status: u16,
    /// Where the head ends in the payload; body bytes follow.
    pub head_end: usize,
}

/// The methods that are one byte on the wire: code = position + 1.
const METHODS: [mezu_model::Method; 9] = {
    use mezu_model::Method::{Connect, Delete, Get, Head, Options, Patch, Post, Put, Trace};
    [Get, Head, Post, Put, Delete, Connect, Options, Trace, Patch]
};
