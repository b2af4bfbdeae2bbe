//! The body of an answer that goes out encoded.

use bytes::Bytes;
use mezu_model::Headers;

use super::failure::Failure;
use crate::answer::EdgeError;
use crate::encode::{Broken, Encoder};

#[derive(Debug)]
pub(super) struct Coded {
    /// Until the end of what it makes has been given out.
    encoder: Option<Encoder>,
    /// Body bytes of the workload so far.
    pub(super) received: u64,
    /// They go behind the end of the encoded body.
    pub(super) trailers: Option<Headers>,
}

impl Coded {
    pub(super) fn new(encoder: Encoder) -> Self {
        Self { encoder: Some(encoder), received: 0, trailers: None }
    }

    /// Takes a piece, and gives out what is ready of the encoded body. `declared`: how long the workload's is to be.
    pub(super) fn write(&mut self, piece: &[u8], declared: Option<u64>) -> Result<Bytes, Failure> {
        self.received += piece.len() as u64;
        if declared.is_some_and(|bytes| self.received > bytes) {
            return Err(Failure::Final(EdgeError::WorkloadReset));
        }
        self.run(|encoder| encoder.write(piece))
    }

    /// Gives out what the client needs to read all that was taken.
    pub(super) fn flush(&mut self) -> Result<Bytes, Failure> {
        self.run(Encoder::flush)
    }

    /// The end of the encoded body, once.
    pub(super) fn end(&mut self) -> Result<Option<Bytes>, Failure> {
        self.encoder.take().map(Encoder::finish).transpose().map_err(failed)
    }

    fn run(&mut self, step: impl FnOnce(&mut Encoder) -> Result<Bytes, Broken>) -> Result<Bytes, Failure> {
        self.encoder.as_mut().map_or(Ok(Bytes::new()), step).map_err(failed)
    }
}

fn failed(Broken(why): Broken) -> Failure {
    Failure::Final(EdgeError::Internal(why))
}
