//! Bytes from the client to changes of the [`Core`], strictly by RFC 9113: the order of frames, data and heads.

use bytes::{Buf, BytesMut};

use super::{
    control::depends_on,
    core::{Core, Incoming, Leaving, finish_receiving},
    frame::{self, HEADER, Head, MAX_PAYLOAD, PREFACE, Reason},
    head::{RequestIntake, TrailerIntake},
    heads,
};
use crate::http::ClientGone;

/// Where in the stream of frames we are.
#[derive(Debug, Default)]
pub(super) struct Progress {
    greeted: bool,
    /// The first frame must be SETTINGS.
    settled: bool,
    /// A header block that CONTINUATION must complete, before anything else.
    block: Option<Block>,
    /// Whole blocks and frames so far.
    blocks: u32,
    frames: u32,
}

/// What a client has begun to send, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    Block(u32),
    Frame(u32),
}

#[derive(Debug)]
struct Block {
    stream: u32,
    end_stream: bool,
    bytes: Vec<u8>,
}

/// A header block that is longer than this is not read to its end.
const MAX_BLOCK: usize = 64 * 1024;

/// Streams beyond the limit that a client may open; some do before they have read our settings.
const MAX_REFUSED: u32 = 1000;

pub(super) type Done = Result<(), Reason>;

impl Core {
    /// Takes all whole frames from `input`. An error ends the connection.
    pub(super) fn receive(&mut self, input: &mut BytesMut) -> Done {
        if !self.receive.greeted && !self.preface(input)? {
            return Ok(());
        }
        while let Some(head) = Head::parse(input) {
            if head.length > MAX_PAYLOAD {
                return Err(Reason::FrameSize);
            }
            if input.len() < HEADER + head.length {
                break;
            }
            self.receive.frames = self.receive.frames.wrapping_add(1);
            self.order(&head)?;
            self.meter.frame(&head).map_err(|_| Reason::Calm)?;
            input.advance(HEADER);
            if head.kind == frame::DATA {
                self.on_data(&head, input)?;
                continue;
            }
            let payload = input.get(..head.length).unwrap_or_default();
            self.on_frame(&head, payload)?;
            input.advance(head.length);
        }
        Ok(())
    }

    fn preface(&mut self, input: &mut BytesMut) -> Result<bool, Reason> {
        let n = input.len().min(PREFACE.len());
        if input.get(..n) != PREFACE.get(..n) {
            return Err(Reason::Protocol);
        }
        if n < PREFACE.len() {
            return Ok(false);
        }
        input.advance(n);
        self.receive.greeted = true;
        Ok(true)
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.receive.settled
    }

    /// What is on its way and costs us waiting; `rest` is what has come of the next frame. Slow bodies have limits of
    /// their own.
    pub(super) fn unfinished(&self, rest: &[u8]) -> Option<Unfinished> {
        if self.receive.block.is_some() {
            return Some(Unfinished::Block(self.receive.blocks));
        }
        let counts = !rest.is_empty() && Head::parse(rest).is_none_or(|head| head.kind != frame::DATA);
        counts.then_some(Unfinished::Frame(self.receive.frames))
    }

    /// What may follow what (§3.4, §6.10).
    fn order(&mut self, head: &Head) -> Done {
        if !self.receive.settled {
            if head.kind != frame::SETTINGS || head.has(frame::ACK) {
                return Err(Reason::Protocol);
            }
            self.receive.settled = true;
        }
        match &self.receive.block {
            Some(block) if head.kind != frame::CONTINUATION || head.stream != block.stream => Err(Reason::Protocol),
            None if head.kind == frame::CONTINUATION => Err(Reason::Protocol),
            _ => Ok(()),
        }
    }

    fn on_frame(&mut self, head: &Head, payload: &[u8]) -> Done {
        match head.kind {
            frame::HEADERS => self.on_headers(head, payload),
            frame::CONTINUATION => self.on_continuation(head, payload),
            frame::PRIORITY => self.on_priority(head, payload),
            frame::RST_STREAM => self.on_reset(head, payload),
            frame::SETTINGS => self.on_settings(head, payload),
            frame::PUSH_PROMISE => Err(Reason::Protocol),
            frame::PING => self.on_ping(head, payload),
            frame::GOAWAY if head.stream != 0 => Err(Reason::Protocol),
            frame::GOAWAY if payload.len() < 8 => Err(Reason::FrameSize),
            frame::WINDOW_UPDATE => self.on_window_update(head, payload),
            _ => Ok(()), // GOAWAY: the client ends by itself; unknown frames are to be ignored (§4.1)
        }
    }

    /// Takes the payload of a DATA frame from the front of `input`.
    fn on_data(&mut self, head: &Head, input: &mut BytesMut) -> Done {
        if head.stream == 0 {
            return Err(Reason::Protocol);
        }
        let length = i64::try_from(head.length).unwrap_or(i64::MAX);
        if length > self.windows.left {
            return Err(Reason::FlowControl);
        }
        self.windows.left -= length;
        let padding = if head.has(frame::PADDED) {
            let padding = usize::from(*input.first().filter(|_| head.length > 0).ok_or(Reason::FrameSize)?);
            padding + 1
        } else {
            0
        };
        let size = head.length.checked_sub(padding).ok_or(Reason::Protocol)?;
        self.meter.data(size, head).map_err(|_| Reason::Calm)?;
        let Some(key) = self.find(head.stream) else {
            input.advance(head.length);
            self.credit_connection(head.length);
            self.on_closed(head.stream)?;
            // Behind our last word anything may come, and the connection is about to end.
            return if head.stream > self.last_id { Ok(()) } else { self.stray_data(head.length) };
        };
        input.advance(padding.min(1));
        let taken = self.take_data(key, head, input, size, length);
        input.advance(padding.saturating_sub(1));
        self.credit_connection(head.length - taken?);
        Ok(())
    }

    /// Gives a stream its data; the bytes that now count against its task.
    fn take_data(
        &mut self,
        key: usize,
        head: &Head,
        input: &mut BytesMut,
        size: usize,
        length: i64,
    ) -> Result<usize, Reason> {
        let Some(stream) = self.streams.get_mut(key) else {
            input.advance(size);
            return Ok(0);
        };
        let fault = if stream.received_all {
            Some((Reason::StreamClosed, ClientGone::Malformed("data behind the end")))
        } else if length > stream.window.left {
            Some((Reason::FlowControl, ClientGone::Malformed("more data than the window")))
        } else {
            let end = head.has(frame::END_STREAM);
            stream.promised = stream.promised.map(|left| left.wrapping_sub(size as u64));
            let kept = stream.promised.is_none_or(|left| if end { left == 0 } else { left <= u64::MAX / 2 });
            (!kept).then_some((Reason::Protocol, ClientGone::Malformed("body is not as long as Content-Length")))
        };
        if let Some((reason, gone)) = fault {
            input.advance(size);
            return self.provoked_reset(head.stream, reason, gone).map(|()| 0);
        }
        stream.window.receive(length);
        if size > 0 {
            stream.push(input, size);
        }
        if head.has(frame::END_STREAM) {
            finish_receiving(stream, None);
            if stream.sent_all {
                self.close(head.stream);
            }
        }
        // Padding never reaches a task; it opens the window again like what did.
        if size < head.length {
            self.credit_stream(key, head.length - size);
        }
        Ok(size)
    }

    /// A frame for a stream that is not open: idle, ended, or reset by us while it was under way.
    fn on_closed(&self, id: u32) -> Done {
        if id > self.last_id || id.is_multiple_of(2) {
            return match self.leaving {
                Leaving::Final(last) if id > last && !id.is_multiple_of(2) => Ok(()),
                _ => Err(Reason::Protocol),
            };
        }
        if self.was_reset_by_us(id) { Ok(()) } else { Err(Reason::StreamClosed) }
    }

    fn on_headers(&mut self, head: &Head, payload: &[u8]) -> Done {
        if head.stream.is_multiple_of(2) {
            return Err(Reason::Protocol);
        }
        let mut block = frame::unpad(head, payload).ok_or(Reason::Protocol)?;
        let mut selfish = false;
        if head.has(frame::PRIORITISED) {
            let (priority, rest) = block.split_first_chunk::<5>().ok_or(Reason::FrameSize)?;
            selfish = depends_on(priority) == head.stream;
            block = rest;
        }
        if selfish {
            return Err(Reason::Protocol);
        }
        let end_stream = head.has(frame::END_STREAM);
        if head.has(frame::END_HEADERS) {
            return self.on_block(head.stream, end_stream, block);
        }
        self.receive.block = Some(Block { stream: head.stream, end_stream, bytes: block.to_vec() });
        Ok(())
    }

    fn on_continuation(&mut self, head: &Head, payload: &[u8]) -> Done {
        let Some(block) = &mut self.receive.block else { return Err(Reason::Protocol) };
        if block.bytes.len() + payload.len() > MAX_BLOCK {
            return Err(Reason::Calm);
        }
        block.bytes.extend_from_slice(payload);
        if head.has(frame::END_HEADERS)
            && let Some(block) = self.receive.block.take()
        {
            return self.on_block(block.stream, block.end_stream, &block.bytes);
        }
        Ok(())
    }

    /// A whole header block: a request, trailers, or something for a stream that is no more. It is decoded in any
    /// case, so that the tables of both sides stay the same.
    fn on_block(&mut self, id: u32, end_stream: bool, block: &[u8]) -> Done {
        self.receive.blocks = self.receive.blocks.wrapping_add(1);
        if let Some(key) = self.find(id) {
            return self.on_trailers(id, key, end_stream, block);
        }
        if id <= self.last_id {
            self.decoder.block(block, |_, _| {}).map_err(|_| Reason::Compression)?;
            return self.on_closed(id);
        }
        if let Leaving::Final(_) = self.leaving {
            return self.decoder.block(block, |_, _| {}).map_err(|_| Reason::Compression);
        }
        self.last_id = id;
        let most = self.limits.concurrent_streams as usize;
        // What the client has reset but we still work on counts too (threat 7).
        if self.open_count() >= most || self.streams.len() >= most {
            self.decoder.block(block, |_, _| {}).map_err(|_| Reason::Compression)?;
            self.refused += 1;
            self.refused_now += 1;
            if !end_stream {
                self.refused_window();
            }
            self.reset(id, Reason::Refused);
            return if self.refused > MAX_REFUSED { Err(Reason::Calm) } else { Ok(()) };
        }
        self.on_request(id, end_stream, block)
    }

    fn on_request(&mut self, id: u32, end_stream: bool, block: &[u8]) -> Done {
        self.check_provoked()?;
        let (mut head, mut spare) = heads::take();
        let mut intake = RequestIntake::new(&mut head, &mut spare, &self.limits);
        self.decoder.block(block, |name, value| intake.take(name, value)).map_err(|_| Reason::Compression)?;
        let mut length = intake.end();
        if end_stream && length.is_ok_and(|length| length.is_some_and(|n| n > 0)) {
            length = super::head::violation("Content-Length without a body");
        }
        let key = self.open(id);
        if let Some(stream) = self.streams.get_mut(key) {
            stream.received_all = end_stream;
            stream.promised = length.ok().flatten().filter(|_| head.upgrade.is_none());
        }
        self.incoming.push(Incoming { key, head, spare, length });
        Ok(())
    }

    fn on_trailers(&mut self, id: u32, key: usize, end_stream: bool, block: &[u8]) -> Done {
        let mut intake = TrailerIntake::new(&self.limits);
        self.decoder.block(block, |name, value| intake.take(name, value)).map_err(|_| Reason::Compression)?;
        let Some(stream) = self.streams.get_mut(key) else { return Ok(()) };
        if stream.received_all {
            let gone = ClientGone::Malformed("headers behind the end");
            return self.provoked_reset(id, Reason::StreamClosed, gone);
        }
        let fault = match intake.end() {
            _ if !end_stream => "trailers that do not end the stream",
            _ if stream.promised.is_some_and(|left| left > 0) => "body is not as long as Content-Length",
            Err(rule) => rule,
            Ok(trailers) => {
                finish_receiving(stream, Some(trailers));
                if stream.sent_all {
                    self.close(id);
                }
                return Ok(());
            }
        };
        self.provoked_reset(id, Reason::Protocol, ClientGone::Malformed(fault))
    }
}
