//! One try at one request over one HTTP/1.1 connection: the upload and the answer at the same time, in one task.
//!
//! The answer may begin, and end, before the upload does. Every byte read is passed on before more is read, so a slow
//! client slows the workload and fills no memory.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use mezu_model::{Headers, ResponseHead, known};
use tokio::time::Instant;

use super::{
    BadResponse, Fault, Shared,
    connection::{Connection, MAX_PIECES},
    edge_stream::{EdgeStream, Incoming},
    request::Framing,
    response::{Asked, Reader, Step},
    websocket::Handshake,
};

/// Smallest read while the edge takes less than the workload gives.
const SMALL_READ: usize = 16 * 1024;

/// A try under way.
pub(crate) struct Exchange<'a, S> {
    stream: &'a mut S,
    shared: &'a Shared,
    connection: &'a mut Connection,
    handshake: Option<&'a Handshake>,
    /// What a WebSocket client sent before it had its answer.
    early: Bytes,
    reader: Reader,
    upload: Upload,
    download: Download,
    /// Bytes of the request that reached the kernel, at least one of the response's.
    pub touched: Touched,
    /// Whether the connection carries raw bytes both ways, after a 101.
    raw: bool,
    /// Whether something moved since the clock was last set.
    moved: bool,
}

/// How far a try got, which decides whether another may follow.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Touched {
    pub wrote: bool,
    pub heard: bool,
    /// Body was taken from the stream, so that the request cannot be said again.
    pub took: bool,
    /// An interim answer went to the edge.
    pub answered: bool,
}

struct Upload {
    framing: Framing,
    /// Bytes still due under [`Framing::Length`].
    left: u64,
    state: UploadState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UploadState {
    /// More comes from the stream.
    Flowing,
    /// All was queued, not all is written.
    Ended,
    Done,
    /// The workload takes no more; it may still have answered.
    Broken,
}

#[derive(Default)]
struct Download {
    /// Read but not understood yet, such as half a head.
    raw: Vec<u8>,
    /// Body that the stream has not taken; `unsent_at` of it is gone.
    unsent: Vec<u8>,
    unsent_at: usize,
    /// The stream's end comes after `unsent`.
    end: bool,
    trailers: Option<Box<Headers>>,
    /// The end was taken by the stream.
    finished: bool,
    surplus: bool,
    small: bool,
}

/// How a try ended well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished {
    /// The connection may serve another request.
    pub reusable: bool,
    pub idle_hint: Option<u64>,
    /// The edge's end of the body was seen.
    pub heard_end: bool,
}

impl<'a, S: EdgeStream> Exchange<'a, S> {
    /// The head, and what is buffered of the body, must stand in `connection.out`; `buffered` body bytes are in it.
    pub(crate) fn new(
        stream: &'a mut S,
        shared: &'a Shared,
        connection: &'a mut Connection,
        asked: Asked,
        framing: Framing,
        (buffered, ended): (usize, bool),
        handshake: Option<(&'a Handshake, Bytes)>,
    ) -> Self {
        let (handshake, early) = handshake.map_or((None, Bytes::new()), |(shake, early)| (Some(shake), early));
        let left = match framing {
            Framing::Length(length) => length.saturating_sub(buffered as u64),
            _ => 0,
        };
        let state = if ended { UploadState::Ended } else { UploadState::Flowing };
        connection.clock.as_mut().reset(Instant::now() + shared.limits.workload_first_byte);
        Self {
            stream,
            shared,
            connection,
            handshake,
            early,
            reader: Reader::new(asked),
            upload: Upload { framing, left, state },
            download: Download::default(),
            touched: Touched::default(),
            raw: false,
            moved: false,
        }
    }

    /// Runs the try to its end.
    pub(crate) async fn run(&mut self) -> Result<Finished, Fault> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Finished, Fault>> {
        self.poll_upload(cx)?;
        if let Poll::Ready(done) = self.poll_download(cx) {
            return Poll::Ready(done.map(|()| self.finished()));
        }
        // The 101 may just have been read, which opens the way up.
        if self.raw && self.upload.state != UploadState::Done {
            self.poll_upload(cx)?;
        }
        self.poll_clock(cx)
    }

    fn finished(&self) -> Finished {
        let sent = match self.upload.state {
            UploadState::Done => true,
            UploadState::Flowing => matches!(self.upload.framing, Framing::Length(_)) && self.upload.left == 0,
            UploadState::Ended | UploadState::Broken => false,
        };
        Finished {
            reusable: sent && self.reader.keeps_alive() && !self.download.surplus && self.connection.is_flushed(),
            idle_hint: self.reader.idle_hint(),
            heard_end: self.upload.state != UploadState::Flowing,
        }
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<Result<Finished, Fault>> {
        loop {
            ready!(self.connection.clock.as_mut().poll(cx));
            if !self.moved {
                return Poll::Ready(Err(Fault::Timeout));
            }
            self.moved = false;
            let wait = if self.reader.has_begun() {
                self.shared.limits.stream_idle_long
            } else {
                self.shared.limits.workload_first_byte
            };
            self.connection.clock.as_mut().reset(Instant::now() + wait);
        }
    }

    // ---- the way up ----

    /// Moves the upload as far as it goes. Only what ends the whole try is an error.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        loop {
            match self.upload.state {
                UploadState::Broken | UploadState::Done => return self.poll_reset(cx),
                UploadState::Flowing | UploadState::Ended => {}
            }
            match self.connection.poll_write_out(cx, &mut self.touched.wrote) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) if !self.touched.wrote => return Err(Fault::Closed),
                Poll::Ready(Err(_)) => {
                    self.upload.state = UploadState::Broken;
                    continue;
                }
                Poll::Ready(Ok(())) => {}
            }
            if self.handshake.is_some() && !self.raw {
                // Nothing the client sends may reach the workload before its 101 (threat 5).
                return Ok(());
            }
            if self.upload.state == UploadState::Ended {
                if self.raw && self.connection.poll_close_write(cx).is_pending() {
                    return Ok(());
                }
                self.upload.state = UploadState::Done;
                continue;
            }
            if !self.gather(cx)? {
                return Ok(());
            }
        }
    }

    /// Queues what the stream has for one write; false when it has nothing.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
        let (mut pieces, mut bytes) = (0, 0);
        let mut last = None;
        while pieces < MAX_PIECES {
            match self.stream.poll_recv(cx) {
                Poll::Pending => break,
                Poll::Ready(event) => match event? {
                    Incoming::Data(data) => {
                        pieces += 1;
                        bytes += data.len();
                        self.connection.queue(data);
                    }
                    Incoming::Go => {}
                    event => {
                        last = Some(event);
                        break;
                    }
                },
            }
        }
        if pieces > 0 {
            self.touched.took = true;
            self.stage_data(bytes)?;
        }
        self.moved |= pieces > 0 || last.is_some();
        match &last {
            Some(Incoming::Trailers(trailers)) => self.stage_end(Some(trailers), bytes > 0)?,
            Some(_) => self.stage_end(None, bytes > 0)?,
            None => {}
        }
        Ok(pieces > 0 || last.is_some())
    }

    /// With the upload over, the stream only has news if the edge gives up.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        while let Poll::Ready(event) = self.stream.poll_recv(cx) {
            // More body than was announced. For a workload that stopped reading it is dropped instead.
            if matches!(event?, Incoming::Data(_)) && self.upload.state == UploadState::Done {
                return Err(Fault::BadRequest);
            }
        }
        Ok(())
    }

    /// Frames the pieces that were just queued.
    fn stage_data(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.upload.framing {
            Framing::Length(_) => {
                self.upload.left = self.upload.left.checked_sub(bytes as u64).ok_or(Fault::BadRequest)?;
            }
            Framing::Chunked if bytes > 0 => {
                push_hex(&mut self.connection.out, bytes);
                self.connection.set_tail(b"\r\n");
            }
            Framing::None if !self.raw && bytes > 0 => return Err(Fault::BadRequest),
            Framing::Chunked | Framing::None => {}
        }
        Ok(())
    }

    /// Ends the upload, behind data that may be queued.
    fn stage_end(&mut self, trailers: Option<&Headers>, data: bool) -> Result<(), Fault> {
        self.upload.state = UploadState::Ended;
        match self.upload.framing {
            Framing::Length(_) if self.upload.left > 0 => Err(Fault::BadRequest),
            Framing::Chunked => {
                self.end_chunks(trailers, data);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_chunks(&mut self, trailers: Option<&Headers>, data: bool) {
        let mut text = b"0\r\n".to_vec();
        for field in trailers.into_iter().flat_map(Headers::iter) {
            if super::chunked::is_forbidden(field) || super::forward::is_ours(field.known, field.name) {
                continue;
            }
            text.extend_from_slice(field.name);
            text.extend_from_slice(b": ");
            text.extend_from_slice(field.value);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        if data {
            // The last chunk's own end comes first.
            self.connection.set_tail(b"");
            text.splice(..0, *b"\r\n");
        }
        self.connection.queue(Bytes::from(text));
    }

    // ---- the way down ----

    fn poll_download(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            ready!(self.poll_unsent(cx))?;
            if self.download.finished {
                // A WebSocket ends when both ways have ended.
                let waits = self.raw && !matches!(self.upload.state, UploadState::Done | UploadState::Broken);
                return if waits { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            let shared = self.shared;
            let mut scratch = shared.scratch.borrow_mut();
            let carried = self.download.raw.len();
            let most = if self.download.small { carried + SMALL_READ } else { scratch.len() };
            let most = most.min(scratch.len());
            let Some(room) = scratch.get_mut(carried..most).filter(|room| !room.is_empty()) else {
                return Poll::Ready(Err(BadResponse::TooLarge.into()));
            };
            match ready!(self.connection.io.poll_read_slice(cx, room)) {
                Ok(0) => self.closed()?,
                Ok(read) => {
                    self.touched.heard = true;
                    self.moved = true;
                    if let Some(front) = scratch.get_mut(..carried) {
                        front.copy_from_slice(&self.download.raw);
                    }
                    self.download.raw.clear();
                    let filled = scratch.get_mut(..carried + read).unwrap_or_default();
                    self.digest(cx, filled, &mut shared.head.borrow_mut())?;
                }
                Err(_) if !self.reader.has_begun() => return Poll::Ready(Err(Fault::Closed)),
                Err(_) => return Poll::Ready(Err(BadResponse::ClosedInBody.into())),
            }
        }
    }

    /// Gives the stream what it has not taken yet.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let Download { unsent, unsent_at, end, trailers, finished, .. } = &mut self.download;
        if *finished || (unsent.is_empty() && !*end && trailers.is_none()) {
            return Poll::Ready(Ok(()));
        }
        loop {
            let data = unsent.get(*unsent_at..).unwrap_or_default();
            if data.is_empty() && !*end {
                break;
            }
            let len = data.len();
            let taken = ready!(self.stream.poll_send(cx, data, *end))?;
            self.moved = true;
            *unsent_at += taken;
            if taken == len {
                *finished = *end;
                break;
            }
        }
        unsent.clear();
        *unsent_at = 0;
        if let Some(trailers) = trailers.take() {
            self.stream.send_trailers(&trailers)?;
            *finished = true;
        }
        Poll::Ready(Ok(()))
    }

    /// The workload closed its side.
    fn closed(&mut self) -> Result<(), Fault> {
        match self.reader.closed() {
            Ok(()) => {
                self.download.end = true;
                Ok(())
            }
            Err(BadResponse::ClosedInHead) if self.download.raw.is_empty() => Err(Fault::Closed),
            Err(bad) => Err(bad.into()),
        }
    }

    /// Takes apart what was read and passes it on, the head together with the body's beginning.
    fn digest(&mut self, cx: &mut Context<'_>, filled: &mut [u8], head: &mut ResponseHead) -> Result<(), Fault> {
        let mut at = 0;
        let mut unsaid_head = false;
        while let Some(rest) = filled.get_mut(at..).filter(|rest| !rest.is_empty()) {
            match self.reader.step(rest, head)? {
                Step::More => break,
                Step::Interim { consumed } => {
                    at += consumed;
                    self.touched.answered = true;
                    self.stream.send_response(head, b"", false)?;
                }
                Step::Final { consumed } => {
                    at += consumed;
                    unsaid_head = true;
                    self.check_upgrade(head)?;
                    if self.reader.is_done() {
                        self.download.surplus = at < filled.len();
                        return self.say_whole(head);
                    }
                }
                Step::Body { payload, consumed, done } => {
                    let data = rest.get(payload).unwrap_or_default();
                    let trailers = if done { self.reader.take_trailers() } else { None };
                    let end = done && trailers.is_none();
                    self.download.trailers = trailers;
                    let head_now = std::mem::take(&mut unsaid_head).then_some(&*head);
                    self.pass(cx, head_now, data, end)?;
                    at += consumed;
                    if done {
                        self.download.surplus = at < filled.len();
                        return Ok(());
                    }
                    if !self.download.unsent.is_empty() {
                        break;
                    }
                }
            }
        }
        if unsaid_head {
            self.touched.answered = true;
            self.connection.io.acknowledge();
            self.stream.send_response(head, b"", false)?;
        }
        self.download.raw.extend_from_slice(filled.get(at..).unwrap_or_default());
        Ok(())
    }

    fn say_whole(&mut self, head: &ResponseHead) -> Result<(), Fault> {
        self.touched.answered = true;
        self.stream.send_response(head, b"", true)?;
        self.download.finished = true;
        Ok(())
    }

    /// Passes body on, with the head if that is still to be said; keeps what the stream does not take.
    fn pass(&mut self, cx: &mut Context<'_>, head: Option<&ResponseHead>, data: &[u8], end: bool) -> Result<(), Fault> {
        let taken = if let Some(head) = head {
            self.touched.answered = true;
            Some(self.stream.send_response(head, data, end)?)
        } else if data.is_empty() && !end {
            return Ok(());
        } else {
            match self.stream.poll_send(cx, data, end) {
                Poll::Ready(taken) => Some(taken?),
                Poll::Pending => None,
            }
        };
        let rest = data.get(taken.unwrap_or(0)..).unwrap_or_default();
        if taken.is_some() && rest.is_empty() {
            self.download.finished = end;
            self.download.small = false;
            return Ok(());
        }
        self.download.small = true;
        self.download.end = end;
        self.download.unsent.extend_from_slice(rest);
        Ok(())
    }

    /// A 101 must prove that the workload speaks WebSocket; the proof is not the client's and goes no further.
    fn check_upgrade(&mut self, head: &mut ResponseHead) -> Result<(), Fault> {
        if head.status != 101 {
            return Ok(());
        }
        let accept = head.headers.find(known::SEC_WEBSOCKET_ACCEPT);
        if !self.handshake.is_some_and(|handshake| handshake.is_accepted_by(accept)) {
            return Err(BadResponse::WebSocketAccept.into());
        }
        head.headers.remove(known::SEC_WEBSOCKET_ACCEPT);
        head.headers.remove(known::CONTENT_LENGTH);
        self.raw = true;
        self.connection.queue(std::mem::take(&mut self.early));
        Ok(())
    }
}

/// A chunk-size line.
pub(crate) fn push_hex(out: &mut Vec<u8>, len: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut shift = (usize::BITS - len.leading_zeros()).div_ceil(4);
    while shift > 0 {
        shift -= 1;
        out.push(DIGITS.get(len >> (4 * shift) & 15).copied().unwrap_or(b'0'));
    }
    out.extend_from_slice(b"\r\n");
}
