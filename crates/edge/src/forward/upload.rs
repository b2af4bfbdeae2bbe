//! The request body on its way from the client to the gate.
//!
//! What the client has sent along with the head goes inline with the request and stays in the client's buffer until
//! it is sure not to be needed again; what comes later is taken piece by piece, never more than one at a time.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;
use mezu_model::Headers;
use mezu_policy::BodyMeter;

use super::failure::Failure;
use super::kept::Kept;
use crate::hop::GateStream;
use crate::http::{BodyPart, Exchange};
use crate::mirror::Tap;

#[derive(Debug, Default)]
pub(super) struct Upload {
    /// Bytes of the client's buffer that were sent inline and not taken out of it.
    inline: usize,
    /// Bytes at the front of the client's buffer that the body limit has counted already.
    counted: usize,
    /// What is being sent, in front of what is still to be read.
    queue: VecDeque<Bytes>,
    trailers: Option<Headers>,
    /// The client has no more to send.
    ended: bool,
    /// The gate has been told so, or takes no more.
    closed: bool,
    /// An upgrade was asked for and not yet agreed to: not a byte goes on until it is (threat 5).
    held: bool,
    /// Bytes of an upgraded connection: no limit, nothing kept.
    raw: bool,
    pub(super) kept: Kept,
    /// Where the body of a request that is to be copied is kept while it passes.
    pub(super) tap: Option<Box<Tap>>,
    /// Body bytes so far.
    pub(super) bytes: u64,
}

impl Upload {
    pub(super) fn new(upgrade: bool, tap: Option<Box<Tap>>) -> Self {
        Self { held: upgrade, tap, ..Self::default() }
    }

    /// What to send along with the head, and whether the request ends with it. At the first attempt and at every
    /// later one.
    pub(super) fn opening<'x, X: Exchange>(
        &mut self,
        exchange: &'x mut X,
        most: usize,
        meter: &mut BodyMeter,
    ) -> Result<(&'x [u8], bool), Failure> {
        if self.held {
            return Ok((&[], false));
        }
        if self.inline > 0 || self.kept.pieces().next().is_none() && !self.ended {
            let (bytes, ends) = exchange.buffered(most);
            meter.take(bytes.len().saturating_sub(self.counted)).map_err(Failure::Refused)?;
            self.bytes += bytes.len().saturating_sub(self.counted) as u64;
            if let Some(tap) = &mut self.tap {
                tap.push(bytes.get(self.counted..).unwrap_or_default());
                if ends {
                    tap.end();
                }
            }
            self.counted = self.counted.max(bytes.len());
            return Ok((bytes, ends));
        }
        Ok((&[], false))
    }

    /// The request has been sent with `inline` bytes; `ended`: and with its end.
    pub(super) fn opened(&mut self, inline: usize, ended: bool) {
        self.inline = inline;
        self.closed = ended;
        self.queue = self.kept.pieces().collect();
    }

    /// The workload has the request for good: nothing will be sent again.
    pub(super) fn commit<X: Exchange>(&mut self, exchange: &mut X) {
        exchange.consume(std::mem::take(&mut self.inline));
        self.kept.forget();
        // An upgrade that was not agreed to has no body.
        self.ended |= std::mem::take(&mut self.held);
    }

    /// From here on raw bytes.
    pub(super) fn upgrade(&mut self) {
        self.raw = true;
        self.ended = false;
        self.closed = false;
    }

    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    pub(super) fn is_raw(&self) -> bool {
        self.raw
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Sends what can be sent. Tells whether anything moved.
    pub(super) fn poll<X: Exchange>(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut X,
        stream: &mut GateStream,
        meter: &mut BodyMeter,
        keep: usize,
    ) -> Result<bool, Failure> {
        let mut moved = false;
        while !self.closed && !self.held {
            match self.step(cx, exchange, stream, meter, keep)? {
                Poll::Ready(()) => moved = true,
                Poll::Pending => return Ok(moved),
            }
        }
        match exchange.poll_gone(cx) {
            Poll::Ready(gone) => Err(gone.into()),
            Poll::Pending => Ok(moved),
        }
    }

    fn step<X: Exchange>(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut X,
        stream: &mut GateStream,
        meter: &mut BodyMeter,
        keep: usize,
    ) -> Result<Poll<()>, Failure> {
        if let Some(piece) = self.queue.front_mut() {
            match stream.poll_send(cx, piece, false) {
                Poll::Ready(Ok(())) => {}
                // The gate wants no more of it. Whether that is bad is for the answer to tell.
                Poll::Ready(Err(_)) => self.closed = true,
                Poll::Pending => return Ok(Poll::Pending),
            }
            if piece.is_empty() {
                self.queue.pop_front();
            }
            return Ok(Poll::Ready(()));
        }
        if self.ended {
            return Ok(self.end(cx, stream));
        }
        self.take_inline(exchange, keep);
        match exchange.poll_body(cx) {
            Poll::Ready(Ok(part)) => self.take(part, meter, keep).map(Poll::Ready),
            Poll::Ready(Err(gone)) => Err(gone.into()),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// Moves the inline bytes out of the client's buffer, since more of the body follows them.
    fn take_inline<X: Exchange>(&mut self, exchange: &mut X, keep: usize) {
        let inline = std::mem::take(&mut self.inline);
        if inline == 0 {
            return;
        }
        if self.kept.is_whole() {
            let (bytes, _) = exchange.buffered(inline);
            self.kept.push(&Bytes::copy_from_slice(bytes), keep);
        }
        // What was offered and not taken along is read again as body, and must not be counted twice.
        self.counted = self.counted.saturating_sub(inline);
        exchange.consume(inline);
    }

    fn take(&mut self, part: BodyPart, meter: &mut BodyMeter, keep: usize) -> Result<(), Failure> {
        match part {
            BodyPart::Data(piece) => {
                let again = self.counted.min(piece.len());
                self.counted -= again;
                self.bytes += (piece.len() - again) as u64;
                if !self.raw {
                    if let Some(tap) = &mut self.tap {
                        tap.push(piece.get(again..).unwrap_or_default());
                    }
                    meter.take(piece.len() - again).map_err(Failure::Refused)?;
                    self.kept.push(&piece, keep);
                }
                self.queue.push_back(piece);
            }
            BodyPart::Trailers(trailers) => {
                self.trailers = Some(trailers);
                self.tap.iter_mut().for_each(|tap| tap.spoil());
            }
            BodyPart::End => {
                self.ended = true;
                self.tap.iter_mut().for_each(|tap| tap.end());
            }
        }
        Ok(())
    }

    fn end(&mut self, cx: &mut Context<'_>, stream: &mut GateStream) -> Poll<()> {
        let sent = match &self.trailers {
            Some(trailers) => stream.poll_send_trailers(cx, trailers),
            None => stream.poll_send(cx, &mut Bytes::new(), true),
        };
        self.closed = sent.is_ready();
        sent.map(drop)
    }
}
