//! The body of an answer that goes out encoded.

use std::task::Context;

use bytes::Bytes;
use mezu_model::Headers;

use super::failure::Failure;
use crate::answer::EdgeError;
use crate::encode::{Broken, Encoder};

/// Bytes of the workload after which other requests of the worker have their turn: less than a
/// millisecond's work.
const TURN: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Coded {
    /// Until the end of what it makes has been given out.
    encoder: Option<Encoder>,
    /// Body bytes of the workload so far.
    pub(super) received: u64,
    /// Of them, those of this turn.
    turn: usize,
    /// They go behind the end of the encoded body.
    pub(super) trailers: Option<Headers>,
}

impl Coded {
    pub(super) fn new(encoder: Encoder) -> Self {
        Self { encoder: Some(encoder), received: 0, turn: 0, trailers: None }
    }

    /// Takes a piece, and gives out what is ready of the encoded body. `declared`: how long the workload's is to be.
    pub(super) fn write(&mut self, piece: &[u8], declared: Option<u64>) -> Result<Bytes, Failure> {
        self.received += piece.len() as u64;
        self.turn += piece.len();
        if declared.is_some_and(|bytes| self.received > bytes) {
            return Err(Failure::Final(EdgeError::WorkloadReset));
        }
        self.run(|encoder| encoder.write(piece))
    }

    /// Whether others have their turn now; then it asks to be polled again. All that a tunnel holds for an answer may be
    /// here at once, and a client may take all of it at once.
    pub(super) fn yields(&mut self, cx: &Context<'_>) -> bool {
        let yields = self.turn >= TURN;
        if yields {
            self.turn = 0;
            cx.waker().wake_by_ref();
        }
        yields
    }

    /// Gives out what the client needs to read all that was taken.
    pub(super) fn flush(&mut self) -> Result<Bytes, Failure> {
        self.turn = 0;
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
