//! The answer on its way from the gate to the client.
//!
//! A small answer that arrives whole leaves whole: nothing is flushed before its end. Whatever else has arrived is
//! flushed as soon as there is nothing more to read, so that events and interim answers go out as they come.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use mezu_model::{Headers, Protocol, ResponseHead};
use mezu_policy::{AnswerBody, Coding};
use mezu_tunnel::proto::{Incoming, Response, StreamError, Trailers};

use super::coded::Coded;
use super::failure::Failure;
use super::head;
use crate::answer::EdgeError;
use crate::hop::GateStream;
use crate::http::{Exchange, ResponseLength, strip_response};

/// What the answer is to.
pub(super) trait Asked {
    /// Readies a final head for the client: through the stages back, marked with the ray. Tells what the body is to be
    /// encoded with.
    fn respond(&self, head: &mut ResponseHead, body: AnswerBody) -> Option<Coding>;
    /// An encoder, if there is room for one.
    fn encoder(&self, coding: Coding, length: Option<u64>) -> Option<Coded>;
    fn is_head(&self) -> bool;
    fn is_upgrade(&self) -> bool;
}

#[derive(Debug, Default)]
pub(super) struct Download {
    /// Taken from the gate and not yet by the client.
    piece: Bytes,
    /// It was found that the client does not take `piece` at once.
    held_up: bool,
    state: State,
    /// There is more in the tunnel, and no room for it at the client.
    waits: bool,
    /// Nothing comes after `piece`.
    last: bool,
    interims: u32,
    /// The answer is one that has no body, whatever comes.
    bodiless: bool,
    /// How long its body is to be, if it said so.
    declared: Option<u64>,
    /// Set where the body goes out encoded.
    coded: Option<Box<Coded>>,
    /// Something waits in the client's buffer.
    unflushed: bool,
    /// A WebSocket, or an answer that may rest for long.
    pub(super) patient: bool,
    /// Body bytes for the client so far.
    pub(super) bytes: u64,
    /// Used again from request to request.
    pub(super) head: ResponseHead,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Awaiting,
    /// The final head was handed to the client's side.
    Body,
    /// As `Body`, for raw bytes after an upgrade.
    Raw,
    Ended,
}

/// What a step of the download asks of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The gate holds the request and waits to be told to go on.
    Parked,
    /// The final head has come.
    Started,
    /// The final head has come and switches to raw bytes.
    Upgraded,
    Moved,
}

impl Download {
    /// `head` is room for the answer's head.
    pub(super) fn new(head: ResponseHead) -> Self {
        Self { head, ..Self::default() }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// One step; pending when there is nothing to do but wait, with everything flushed that could be.
    pub(super) fn poll<X: Exchange>(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut X,
        stream: &mut GateStream,
        asked: &impl Asked,
        most_interims: u32,
    ) -> Poll<Result<Step, Failure>> {
        if !self.piece.is_empty() {
            return match exchange.poll_send(cx, &mut self.piece) {
                Poll::Ready(sent) => {
                    self.held_up = false;
                    Poll::Ready(sent.map(|()| Step::Moved).map_err(Failure::from))
                }
                Poll::Pending => {
                    self.let_go();
                    Poll::Pending
                }
            };
        }
        if self.last {
            return Poll::Ready(self.finish(exchange));
        }
        if self.coded.as_mut().is_some_and(|coded| coded.yields(cx)) {
            return Poll::Pending;
        }
        if matches!(self.state, State::Body | State::Raw) && stream.is_data_next() {
            // It counts, and holds its sender back, for as long as it lies unread in the tunnel.
            let room = exchange.poll_room(cx)?;
            self.waits = room.is_pending();
            ready!(room);
        }
        match stream.poll_recv(cx) {
            Poll::Ready(Ok(incoming)) => Poll::Ready(self.take(incoming, exchange, asked, most_interims)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => self.rest(cx, exchange),
        }
    }

    /// Whether it waits for the client to take something. How long that may last is for the client's side to say.
    pub(super) fn is_held_up(&self) -> bool {
        self.waits || !self.piece.is_empty()
    }

    /// The client takes no more for now, maybe for long: what it did not take moves into memory of its own, for as a
    /// slice of what a tunnel read at once it holds more than itself.
    fn let_go(&mut self) {
        if !std::mem::replace(&mut self.held_up, true) {
            self.piece = Bytes::copy_from_slice(&self.piece);
        }
    }

    /// Nothing more has come: all that was taken goes out.
    fn rest<X: Exchange>(&mut self, cx: &mut Context<'_>, exchange: &mut X) -> Poll<Result<Step, Failure>> {
        if let Some(coded) = &mut self.coded {
            let piece = coded.flush()?;
            if !piece.is_empty() {
                self.put(piece);
                return Poll::Ready(Ok(Step::Moved));
            }
        }
        self.flush(cx, exchange)
    }

    /// Puts what waits on the wire. Ready only if that fails.
    pub(super) fn flush<X: Exchange>(&mut self, cx: &mut Context<'_>, exchange: &mut X) -> Poll<Result<Step, Failure>> {
        if self.unflushed {
            match exchange.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(gone)) => return Poll::Ready(Err(gone.into())),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    fn take<X: Exchange>(
        &mut self,
        incoming: Incoming,
        exchange: &mut X,
        asked: &impl Asked,
        most_interims: u32,
    ) -> Result<Step, Failure> {
        match (incoming, self.state) {
            (Incoming::Ready, State::Awaiting) => return Ok(Step::Parked),
            (Incoming::Response(response), State::Awaiting) => {
                self.unflushed = true;
                return self.take_head(response, exchange, asked, most_interims);
            }
            // Nobody waits for it, and it might never end.
            (Incoming::Data(piece), State::Body) if self.bodiless && !piece.is_empty() => return self.finish(exchange),
            (Incoming::Data(piece), State::Body | State::Raw) => self.hold(piece)?,
            (Incoming::Trailers(trailers), State::Body) => self.take_trailers(&trailers, exchange)?,
            (Incoming::End, State::Body | State::Raw) => return self.finish(exchange),
            _ => return Err(Failure::Final(EdgeError::GateProtocol)),
        }
        Ok(Step::Moved)
    }

    fn take_head<X: Exchange>(
        &mut self,
        response: Response,
        exchange: &mut X,
        asked: &impl Asked,
        most_interims: u32,
    ) -> Result<Step, Failure> {
        response.decode(&mut self.head).map_err(|_| Failure::Final(EdgeError::WorkloadBadResponse))?;
        if response.is_interim() {
            self.interims += 1;
            if self.interims > most_interims {
                return Err(Failure::Final(EdgeError::WorkloadBadResponse));
            }
            strip_response(&mut self.head.headers);
            exchange.interim(&self.head);
            return Ok(Step::Moved);
        }
        let whole = response.ended().then(|| response.body_len());
        let step =
            if self.head.status == 101 { self.upgrade(exchange, asked)? } else { self.start(whole, exchange, asked)? };
        self.last = whole.is_some() || self.bodiless && response.body_len() > 0;
        if !self.bodiless {
            self.hold(response.into_body())?;
        }
        Ok(step)
    }

    fn hold(&mut self, piece: Bytes) -> Result<(), Failure> {
        let piece = match &mut self.coded {
            Some(coded) => coded.write(&piece, self.declared)?,
            None => piece,
        };
        self.put(piece);
        Ok(())
    }

    fn put(&mut self, piece: Bytes) {
        self.bytes += piece.len() as u64;
        (self.piece, self.unflushed) = (piece, true);
    }

    /// Only what was asked for may become raw bytes (threat 5).
    fn upgrade<X: Exchange>(&mut self, exchange: &mut X, asked: &impl Asked) -> Result<Step, Failure> {
        if !asked.is_upgrade() {
            return Err(Failure::Final(EdgeError::WorkloadBadResponse));
        }
        asked.respond(&mut self.head, AnswerBody::None);
        exchange.upgraded(&self.head);
        (self.state, self.patient) = (State::Raw, true);
        Ok(Step::Upgraded)
    }

    fn start<X: Exchange>(
        &mut self,
        whole: Option<usize>,
        exchange: &mut X,
        asked: &impl Asked,
    ) -> Result<Step, Failure> {
        let agreed = asked.is_upgrade() && (200..300).contains(&self.head.status);
        if agreed && exchange.protocol() == Protocol::H2 {
            // The workload ignored the upgrade. Over HTTP/2 this would say that it is made (RFC 8441 §5).
            return Err(Failure::Final(EdgeError::WorkloadBadResponse));
        }
        let declared = head::length(&self.head, asked.is_head());
        let length = match (declared.ok_or(Failure::Final(EdgeError::WorkloadBadResponse))?, whole) {
            // All of it is here: its length is known, whether or not the workload told it.
            (ResponseLength::Unknown, Some(0)) => ResponseLength::Empty,
            (ResponseLength::Unknown, Some(bytes)) => ResponseLength::Sized(bytes as u64),
            (declared, _) => declared,
        };
        self.patient = head::may_rest(&self.head);
        self.bodiless = head::is_bodiless(&self.head, asked.is_head());
        self.declared = match length {
            ResponseLength::Sized(bytes) if !self.bodiless => Some(bytes),
            _ => None,
        };
        let body = match length {
            ResponseLength::Sized(bytes) if !self.bodiless => AnswerBody::Sized(bytes),
            ResponseLength::Unknown => AnswerBody::Unknown,
            _ => AnswerBody::None,
        };
        let coding = asked.respond(&mut self.head, body).filter(|_| exchange.delimits());
        let coded = coding.and_then(|coding| Some((coding, asked.encoder(coding, self.declared)?)));
        let length = match coded {
            Some((coding, coded)) => {
                coding.put_on(&mut self.head);
                self.coded = Some(Box::new(coded));
                ResponseLength::Unknown
            }
            None => length,
        };
        exchange.start(&self.head, length);
        self.state = State::Body;
        Ok(Step::Started)
    }

    fn take_trailers<X: Exchange>(&mut self, trailers: &Trailers, exchange: &mut X) -> Result<(), Failure> {
        let mut fields = Headers::new();
        trailers.decode(&mut fields).map_err(|_| Failure::Final(EdgeError::WorkloadBadResponse))?;
        match &mut self.coded {
            Some(coded) => coded.trailers = Some(fields),
            None => exchange.trailers(&fields),
        }
        self.unflushed = true;
        Ok(())
    }

    fn finish<X: Exchange>(&mut self, exchange: &mut X) -> Result<Step, Failure> {
        let received = self.coded.as_ref().map_or(self.bytes, |coded| coded.received);
        if self.declared.is_some_and(|bytes| bytes != received) {
            return Err(Failure::Final(EdgeError::WorkloadReset));
        }
        if let Some(coded) = &mut self.coded {
            if let Some(tail) = coded.end()? {
                self.put(tail);
                self.last = true;
                return Ok(Step::Moved);
            }
            if let Some(trailers) = coded.trailers.take() {
                exchange.trailers(&trailers);
            }
        }
        exchange.finish();
        (self.state, self.unflushed) = (State::Ended, true);
        Ok(Step::Moved)
    }

    fn failed(&self, error: StreamError) -> Failure {
        match self.state {
            State::Awaiting => head::failure(error),
            // Part of the answer is out: it can only be broken off.
            _ => Failure::Final(head::broken(error)),
        }
    }
}
