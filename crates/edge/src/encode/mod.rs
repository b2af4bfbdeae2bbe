//! Encoders of answers: bytes of a workload in, bytes of a content coding out.
//!
//! Which answers are encoded is for policy to say (`mezu_policy::compress`). Each encoder is made to be small, for there
//! is one per answer under way: windows are short and levels low, and what all of them may take is bounded
//! ([`crate::room`]). An encoder is given a piece of at most a tunnel's frame at a time, which takes it less than a millisecond.
//! Must never hold back what a workload has sent when nothing follows it: whoever writes calls [`Encoder::flush`] before
//! he waits.

mod brotli;
mod gzip;
mod zstd;

use std::fmt;

use bytes::Bytes;
use mezu_model::OrgId;
use mezu_policy::Coding;

use self::brotli::Brotli;
use self::gzip::Gzip;
use self::zstd::Zstd;
use crate::room::Held;

/// An encoder failed, which only a fault of its own explains: the answer can but be broken off.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) &'static str);

/// What is to be done beside taking the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Give out what happens to be ready.
    Nothing,
    /// Give out all that there is.
    Flush,
    End,
}

/// A content coding at work.
trait Codec {
    /// Takes all of `input` and appends to `out`. After [`Then::End`] it is not called again.
    fn run(&mut self, input: &[u8], then: Then, out: &mut Vec<u8>) -> Result<(), Broken>;
}

/// Encodes one answer.
pub(crate) struct Encoder {
    codec: Box<dyn Codec>,
    /// It may have taken something that it has not given out.
    dirty: bool,
    _held: Held<OrgId>,
}

impl Encoder {
    /// Bytes that an encoder holds at most, measured (see the tests).
    pub(crate) const fn size(coding: Coding) -> usize {
        match coding {
            Coding::Zstd => zstd::SIZE,
            Coding::Brotli => brotli::SIZE,
            Coding::Gzip => gzip::SIZE,
        }
    }

    /// `length` is that of the answer, if it is known. `held`: room for [`Self::size`] bytes.
    pub(crate) fn new(coding: Coding, length: Option<u64>, held: Held<OrgId>) -> Result<Self, Broken> {
        let codec: Box<dyn Codec> = match coding {
            Coding::Zstd => Box::new(Zstd::new(length)?),
            Coding::Brotli => Box::new(Brotli::new(length)),
            Coding::Gzip => Box::new(Gzip::new()),
        };
        Ok(Self { codec, dirty: false, _held: held })
    }

    /// Takes a piece of the answer; gives out what is ready, which may be nothing.
    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<Bytes, Broken> {
        self.dirty |= !piece.is_empty();
        self.run(piece, Then::Nothing)
    }

    /// Gives out the rest of what it has taken, so that the client can read all of that.
    pub(crate) fn flush(&mut self) -> Result<Bytes, Broken> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(Bytes::new());
        }
        self.run(&[], Then::Flush)
    }

    /// Ends it.
    pub(crate) fn finish(mut self) -> Result<Bytes, Broken> {
        self.run(&[], Then::End)
    }

    fn run(&mut self, input: &[u8], then: Then) -> Result<Bytes, Broken> {
        let mut out = Vec::new();
        self.codec.run(input, then, &mut out)?;
        Ok(out.into())
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("dirty", &self.dirty).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
