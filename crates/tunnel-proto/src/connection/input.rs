//! Frames from the peer, and what comes of those with heads and bodies. Every one is hostile until checked.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use super::send::MAX_INTERIMS;
use super::{Connection, Event, Item, Kind, Reason, StreamId, Violation, notify};
use crate::Role;
use crate::error::Death;
use crate::frames::{HEADER_LEN, Header};
use crate::heads::{read_request_prefix, read_response_prefix};
use crate::incoming::is_interim;
use crate::stream::{Park, Receiving, Sending, Stream};

/// Payloads from this size on are split off the input without a copy. Smaller ones are copied: a slow stream must not
/// pin a large block for a few bytes.
const SHARE_FROM: usize = 4 * 1024;

/// A payload, in the input or already split off.
enum Payload<'a> {
    Here(&'a [u8]),
    Split(Bytes),
}

impl Payload<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Here(bytes) => bytes,
            Self::Split(bytes) => bytes,
        }
    }

    #[inline]
    fn keep(self) -> Bytes {
        match self {
            Self::Here(bytes) => Bytes::copy_from_slice(bytes),
            Self::Split(bytes) => bytes,
        }
    }
}

impl Connection {
    /// Takes all whole frames off `input`; a frame cut short stays until more has come.
    ///
    /// # Errors
    /// The peer broke the protocol. The connection is dead; the output holds a last word to the peer.
    pub fn handle_input(&mut self, now: Instant, input: &mut BytesMut) -> Result<(), Violation> {
        self.now = self.now.max(now);
        if self.dead.is_some() {
            input.clear();
            return Ok(());
        }
        if !input.is_empty() {
            self.live.heard(self.now);
        }
        let mut result = self.take_frames(input);
        self.relieve();
        if result.is_ok() && self.out.len() > self.config.output_max {
            result = Err(Violation::NotReading);
        }
        if let Err(violation) = result {
            self.die(Death::Violation(violation));
        }
        if self.dead.is_some() {
            input.clear();
        } else if !input.is_empty() {
            self.live.active(self.now);
            self.wake = self.wake.min(self.now + self.config.timers.ping_busy);
        }
        result
    }

    fn take_frames(&mut self, input: &mut BytesMut) -> Result<(), Violation> {
        let mut at = 0;
        while self.dead.is_none() {
            let rest = input.get(at..).unwrap_or_default();
            let Some(header) = Header::parse(rest)? else { break };
            let Some(payload) = rest.get(HEADER_LEN..HEADER_LEN + header.len) else { break };
            if header.len < SHARE_FROM {
                at += HEADER_LEN + header.len;
                self.frame(&header, Payload::Here(payload))?;
            } else {
                input.advance(at + HEADER_LEN);
                at = 0;
                let payload = input.split_to(header.len).freeze();
                self.frame(&header, Payload::Split(payload))?;
            }
        }
        input.advance(at);
        Ok(())
    }

    #[inline]
    fn frame(&mut self, header: &Header, payload: Payload<'_>) -> Result<(), Violation> {
        let Some(kind) = header.kind else { return self.count_control() };
        match kind {
            Kind::Request => self.on_request(header, payload),
            Kind::Response => self.on_response(header, payload),
            Kind::Data => self.on_data(header, payload),
            Kind::Trailers => self.on_trailers(header, payload),
            Kind::Credit => self.on_credit(header, payload.bytes()),
            Kind::Reset => self.on_reset(header, payload.bytes()),
            Kind::Ready => self.on_ready(header),
            Kind::Go => self.on_go(header),
            Kind::Ping | Kind::Pong | Kind::Drain | Kind::Refused => self.on_control(kind, payload.bytes()),
            Kind::Health => self.on_health(payload.bytes()),
            Kind::Hello | Kind::Welcome | Kind::Ask | Kind::Told => Err(Violation::WrongRole(kind as u8)),
        }
    }

    fn on_request(&mut self, header: &Header, payload: Payload<'_>) -> Result<(), Violation> {
        const KIND: u8 = Kind::Request as u8;
        if self.role != Role::Gate {
            return Err(Violation::WrongRole(KIND));
        }
        let prefix = read_request_prefix(payload.bytes()).ok_or(Violation::BadPayload(KIND))?;
        self.check_request(header)?;
        let body = header.len - prefix.head_end;
        self.window.receive(body, 0)?;
        self.last_id = header.stream;
        let receiving = if header.end { Receiving::Done } else { Receiving::Body };
        let terms = prefix.terms();
        let id = self.streams.insert(header.stream, Sending::Head, receiving, terms);
        let stream = self.streams.get_mut(id).ok_or(Violation::UnknownStream)?;
        stream.window.receive(body, header.stream)?;
        if self.streams.open_len() == 1 {
            self.became_busy();
        }
        if self.retained + prefix.head_end > self.config.retained_heads || !self.share.take(body) {
            self.refuse(id, body);
            return Ok(());
        }
        self.retained += prefix.head_end;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.queue.push_back(Item::Request(payload.keep(), prefix, header.end));
            stream.unread_since = Some(self.now);
        }
        if terms.park {
            self.park(id);
        }
        self.events.push_back(Event::Opened(id));
        Ok(())
    }

    fn check_request(&self, header: &Header) -> Result<(), Violation> {
        if header.stream != self.last_id + 1 {
            return Err(Violation::IdOrder);
        }
        if self.drain.received {
            return Err(Violation::AfterDrain);
        }
        if self.streams.open_len() >= self.config.agreed.max_streams as usize {
            return Err(Violation::TooManyStreams);
        }
        Ok(())
    }

    /// No room for a request: nobody will see it.
    fn refuse(&mut self, id: StreamId, body: usize) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.held = false;
        }
        self.reset(id, Reason::Refused);
        self.returned(body);
        self.sweep(id);
    }

    fn on_response(&mut self, header: &Header, payload: Payload<'_>) -> Result<(), Violation> {
        const KIND: u8 = Kind::Response as u8;
        if self.role != Role::Edge {
            return Err(Violation::WrongRole(KIND));
        }
        let prefix = read_response_prefix(payload.bytes()).ok_or(Violation::BadPayload(KIND))?;
        let body = header.len - prefix.head_end;
        self.window.receive(body, 0)?;
        let (id, stream) = self.streams.find(header.stream).ok_or(Violation::UnknownStream)?;
        stream.window.receive(body, header.stream)?;
        take_head(stream, prefix.status, header.end, body)?;
        if stream.reset_by_us.is_some() {
            return self.skip(id, body, header.end);
        }
        if self.retained + prefix.head_end > self.config.retained_heads || !self.share.take(body) {
            return self.overload(id, body, header.end);
        }
        self.retained += prefix.head_end;
        stream.queue.push_back(Item::Response(payload.keep(), prefix, header.end));
        self.received(id, header.end);
        Ok(())
    }

    fn on_data(&mut self, header: &Header, payload: Payload<'_>) -> Result<(), Violation> {
        if header.len == 0 && !header.end {
            return Err(Violation::EmptyData);
        }
        self.window.receive(header.len, 0)?;
        let (id, stream) = self.streams.find(header.stream).ok_or(Violation::UnknownStream)?;
        check_body(stream)?;
        stream.window.receive(header.len, header.stream)?;
        if stream.reset_by_us.is_some() {
            return self.skip(id, header.len, header.end);
        }
        if !self.share.take(header.len) {
            return self.overload(id, header.len, header.end);
        }
        match payload {
            Payload::Split(data) => stream.queue.push_back(Item::Data(data)),
            Payload::Here([]) => {}
            Payload::Here(data) => stream.push_small(data),
        }
        self.received(id, header.end);
        Ok(())
    }

    fn on_trailers(&mut self, header: &Header, payload: Payload<'_>) -> Result<(), Violation> {
        let (id, stream) = self.streams.find(header.stream).ok_or(Violation::UnknownStream)?;
        check_body(stream)?;
        if !header.end {
            return Err(Violation::BadPayload(Kind::Trailers as u8));
        }
        if stream.reset_by_us.is_some() {
            return self.skip(id, 0, true);
        }
        if self.retained + header.len > self.config.retained_heads {
            return self.overload(id, 0, true);
        }
        self.retained += header.len;
        stream.queue.push_back(Item::Trailers(payload.keep()));
        self.received(id, true);
        Ok(())
    }

    /// Something was queued: tells the reader, and notes the end.
    #[inline]
    fn received(&mut self, id: StreamId, end: bool) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.unread_since.get_or_insert(self.now);
        notify(&mut self.events, id, stream);
        if end {
            stream.receiving = Receiving::Done;
            self.sweep(id);
        }
    }

    /// Bytes for a stream that we have reset: only their credit counts.
    fn skip(&mut self, id: StreamId, body: usize, end: bool) -> Result<(), Violation> {
        self.returned(body);
        if end && let Some(stream) = self.streams.get_mut(id) {
            stream.receiving = Receiving::Done;
            self.sweep(id);
        }
        Ok(())
    }

    /// No memory for this stream's bytes: it is given up, and its reader told.
    fn overload(&mut self, id: StreamId, body: usize, end: bool) -> Result<(), Violation> {
        self.reset(id, Reason::Overloaded);
        self.skip(id, body, end)
    }

    /// Bytes that were never held go back as carrier credit.
    fn returned(&mut self, body: usize) {
        if body > 0 {
            self.share.count(body);
            self.consumed(body);
        }
    }
}

/// Checks that a response head may come now, and notes that it did.
fn take_head(stream: &mut Stream, status: u16, end: bool, body: usize) -> Result<(), Violation> {
    if stream.receiving == Receiving::Done {
        return Err(Violation::AfterEnd);
    }
    if stream.receiving != Receiving::Head {
        return Err(Violation::HeadOrder);
    }
    // After our RESET the gate may not have known that there will be no GO, but without GO it never answers.
    if !matches!(stream.park, Park::No | Park::Go) {
        return Err(Violation::HandOver);
    }
    if !is_interim(status) {
        stream.receiving = Receiving::Body;
        return Ok(());
    }
    if end || body > 0 {
        return Err(Violation::BadPayload(Kind::Response as u8));
    }
    stream.interims += 1;
    if stream.interims > MAX_INTERIMS { Err(Violation::TooManyInterims) } else { Ok(()) }
}

/// Checks that body or trailers may come now.
#[inline]
fn check_body(stream: &Stream) -> Result<(), Violation> {
    match stream.receiving {
        Receiving::Body => Ok(()),
        Receiving::Head => Err(Violation::HeadOrder),
        Receiving::Done => Err(Violation::AfterEnd),
    }
}
