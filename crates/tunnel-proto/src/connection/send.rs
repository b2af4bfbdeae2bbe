//! Writing to a stream.

use mezu_model::{Context, Headers, RequestHead, ResponseHead};

use super::{Connection, StreamId};
use crate::Role;
use crate::credit::STREAM_START;
use crate::error::{OpenError, StreamError};
use crate::frames::{Kind, MAX_PAYLOAD, MAX_STREAM};
use crate::heads::{Terms, put_request, put_response, put_trailers};
use crate::hello::VERSION_OF_NARROW;
use crate::incoming::is_interim;
use crate::stream::{Blocked, Park, Receiving, Sending, Stream};

/// Interim responses per request.
pub(super) const MAX_INTERIMS: u8 = 8;
/// With less credit than this a larger write waits: a receiver returns credit in large pieces.
const SMALL: usize = 1024;

/// How to open a stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions<'a> {
    /// The gate must not touch the workload before [`Connection::send_go`].
    pub park: bool,
    /// Little of the answer is wanted at once: its window begins with [`crate::STREAM_NARROW`].
    pub narrow: bool,
    /// First bytes of the body.
    pub inline: &'a [u8],
    /// `inline` is the whole body.
    pub end: bool,
}

impl Connection {
    /// Edge: sends a request. Also says how many of the inline bytes were taken; when not all, the rest goes by
    /// [`Self::send_data`] and END has not been sent.
    ///
    /// # Errors
    /// Nothing was sent; see [`OpenError`].
    pub fn open(
        &mut self,
        context: &Context,
        head: &RequestHead,
        workload: u32,
        options: OpenOptions<'_>,
    ) -> Result<(StreamId, usize), OpenError> {
        self.check_open()?;
        let narrow = options.narrow && self.config.version >= VERSION_OF_NARROW;
        let terms = Terms { park: options.park, narrow };
        let (buf, mark) = self.out.begin(512 + options.inline.len());
        if put_request(buf, context, head, workload, terms, self.heads).is_err() {
            self.out.undo(mark);
            return Err(OpenError::HeadTooLarge);
        }
        let space = MAX_PAYLOAD.saturating_sub(self.out.written(&mark)).min(STREAM_START as usize);
        let taken = options.inline.len().min(space).min(self.credit.left());
        let end = options.end && taken == options.inline.len();
        let wire = self.last_id + 1;
        self.out.extend(options.inline.get(..taken).unwrap_or_default());
        self.out.seal(mark, Kind::Request, end, wire);
        self.last_id = wire;
        self.credit.spend(taken);

        let sending = if end { Sending::Done } else { Sending::Body };
        let id = self.streams.insert(wire, sending, Receiving::Head, terms);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.credit.spend(taken);
        }
        if self.live.opened(self.streams.open_len() == 1, self.now) {
            self.wake = self.wake.min(self.now);
        }
        Ok((id, taken))
    }

    fn check_open(&self) -> Result<(), OpenError> {
        if self.role != Role::Edge {
            return Err(OpenError::Role);
        }
        if self.dead.is_some() {
            return Err(OpenError::Dead);
        }
        if self.is_draining() || self.last_id == MAX_STREAM {
            return Err(OpenError::Draining);
        }
        if self.streams.open_len() >= self.config.agreed.max_streams as usize {
            return Err(OpenError::TooManyStreams);
        }
        // Bodies stop at `output`: above it there is room for heads, or a few uploads would keep every request out.
        if self.out.len() >= self.config.output.saturating_mul(2) {
            return Err(OpenError::Congested);
        }
        Ok(())
    }

    /// Gate: sends a response head, always, and as many of the inline body bytes as may go with it: the number taken.
    /// END goes with it if all were taken. Interim heads (1xx but 101) take no body and no END.
    ///
    /// # Errors
    /// Nothing was sent; see [`StreamError`].
    pub fn send_response(
        &mut self,
        id: StreamId,
        head: &ResponseHead,
        inline: &[u8],
        end: bool,
    ) -> Result<usize, StreamError> {
        let interim = is_interim(head.status);
        self.check_response(id, head.status, interim && (end || !inline.is_empty()))?;
        let (buf, mark) = self.out.begin(256 + inline.len());
        if put_response(buf, head, self.heads).is_err() {
            self.out.undo(mark);
            return Err(StreamError::HeadTooLarge);
        }
        // Beside a head little room is asked for, so it need not queue for its turn; but a full buffer is full.
        let room = if self.out.len() < self.config.output { self.credit.left() } else { 0 };
        let space = MAX_PAYLOAD.saturating_sub(self.out.written(&mark)).min(room);
        let Some(stream) = self.streams.get_mut(id) else { return Err(StreamError::State) };
        let taken = inline.len().min(space).min(stream.credit.left());
        let end = end && taken == inline.len();
        self.out.extend(inline.get(..taken).unwrap_or_default());
        self.out.seal(mark, Kind::Response, end, id.wire());
        self.credit.spend(taken);
        stream.credit.spend(taken);
        if interim {
            stream.interims += 1;
        } else {
            stream.sending = Sending::Body;
        }
        if end {
            self.finish_sending(id);
        }
        Ok(taken)
    }

    fn check_response(&self, id: StreamId, status: u16, misplaced: bool) -> Result<(), StreamError> {
        let stream = self.writable(id)?;
        let parked = !matches!(stream.park, Park::No | Park::Go);
        let spent = stream.interims >= MAX_INTERIMS && is_interim(status);
        let fits = (100..1000).contains(&status) && !misplaced && !spent && !parked;
        if stream.sending == Sending::Head && fits { Ok(()) } else { Err(StreamError::State) }
    }

    /// Sends body bytes, as many as credit and buffer allow: the number taken, and END if `end` and all were. After
    /// less than all, [`super::Event::Writable`] says when to go on. No bytes and `end` always succeeds, with 0.
    ///
    /// # Errors
    /// See [`StreamError`].
    #[inline]
    pub fn send_data(&mut self, id: StreamId, data: &[u8], end: bool) -> Result<usize, StreamError> {
        let room = self.room();
        self.writable(id)?;
        let Some(stream) = self.streams.get_mut(id).filter(|stream| stream.sending == Sending::Body) else {
            return Err(StreamError::State);
        };
        let credit = stream.credit.left();
        let mut taken = data.len().min(credit).min(self.turns.allowance(stream, room));
        if taken < data.len() && taken < SMALL {
            taken = 0;
        }
        let whole = taken == data.len();
        self.out.data(id.wire(), data.get(..taken).unwrap_or_default(), whole && end);
        self.credit.spend(taken);
        stream.credit.spend(taken);
        self.turns.spend(stream, taken);
        if whole {
            self.turns.give_back(stream);
        } else if stream.credit.left() < SMALL {
            self.turns.give_back(stream);
            if stream.blocked == Blocked::No {
                stream.blocked = Blocked::Credit;
            }
        } else {
            self.turns.wait(id, stream);
        }
        if whole && end {
            self.finish_sending(id);
        }
        if !self.turns.is_empty() {
            self.give_turns();
        }
        Ok(taken)
    }

    /// How many body bytes [`Connection::send_data`] would take now. A source that is asked for no more than this leaves
    /// nothing to be kept elsewhere. After 0, [`super::Event::Writable`] says when to ask again; 0 is never said before
    /// the head.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub fn send_room(&mut self, id: StreamId) -> Result<usize, StreamError> {
        let room = self.room();
        self.writable(id)?;
        let Some(stream) = self.streams.get_mut(id) else { return Err(StreamError::State) };
        let free = stream.credit.left().min(self.turns.allowance(stream, room));
        if stream.sending != Sending::Body {
            return Ok(free.max(SMALL));
        }
        if free >= SMALL {
            return Ok(free);
        }
        if stream.credit.left() >= SMALL {
            self.turns.wait(id, stream);
        } else if stream.blocked == Blocked::No {
            stream.blocked = Blocked::Credit;
        }
        self.give_turns();
        Ok(0)
    }

    /// Sends trailers, which end this direction.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub fn send_trailers(&mut self, id: StreamId, fields: &Headers) -> Result<(), StreamError> {
        if self.writable(id)?.sending != Sending::Body {
            return Err(StreamError::State);
        }
        let (buf, mark) = self.out.begin(64);
        if put_trailers(buf, fields, self.heads).is_err() || self.out.written(&mark) > MAX_PAYLOAD {
            self.out.undo(mark);
            return Err(StreamError::HeadTooLarge);
        }
        self.out.seal(mark, Kind::Trailers, true, id.wire());
        self.finish_sending(id);
        Ok(())
    }

    /// Gate: the parked request is held and could be delivered.
    ///
    /// # Errors
    /// [`StreamError::State`] when the request was not parked or READY was sent already.
    pub fn send_ready(&mut self, id: StreamId) -> Result<(), StreamError> {
        self.step(id, Role::Gate, |park| (park == Park::Parked).then_some(Park::Ready), Kind::Ready)
    }

    /// Edge: the parked request may be delivered, if READY has come. From here on it must not be sent elsewhere.
    ///
    /// # Errors
    /// [`StreamError::State`] when READY has not come or GO was sent already.
    pub fn send_go(&mut self, id: StreamId) -> Result<(), StreamError> {
        let next = |park| matches!(park, Park::ReadyUntold | Park::Ready).then_some(Park::Go);
        self.step(id, Role::Edge, next, Kind::Go)
    }

    fn step(
        &mut self,
        id: StreamId,
        role: Role,
        next: impl Fn(Park) -> Option<Park>,
        kind: Kind,
    ) -> Result<(), StreamError> {
        let park = next(self.writable(id)?.park).filter(|_| self.role == role).ok_or(StreamError::State)?;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.park = park;
        }
        self.out.frame(kind, false, id.wire(), &[]);
        Ok(())
    }

    /// The stream, unless it is reset or the connection dead.
    #[inline]
    fn writable(&self, id: StreamId) -> Result<&Stream, StreamError> {
        let stream = self.streams.get(id).ok_or(StreamError::State)?;
        if let Some(reason) = stream.reset_reason() {
            return Err(StreamError::Reset(reason));
        }
        if self.dead.is_some() { Err(StreamError::Dead) } else { Ok(stream) }
    }

    fn finish_sending(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.sending = Sending::Done;
            self.turns.give_back(stream);
        }
        self.sweep(id);
    }
}
