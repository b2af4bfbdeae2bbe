//! One HTTP/1 request being answered.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use mezu_model::{Headers, Method, Protocol, RequestHead, ResponseHead};

use super::{
    body::{Decoder, Step},
    encode::{self, BodyFraming, Persistence},
    link::Link,
    parse::Framing,
    upgrade,
};
use crate::http::{BodyLength, BodyPart, ClientGone, ResponseLength, pace::Pace, wire::Wire};

/// While this much waits to be written, `poll_send` writes before it takes more.
const OUT_SOFT: usize = 32 * 1024;
/// Pieces from this size are not copied: they follow what waits before them in the same write.
const DIRECT: usize = 4 * 1024;
/// Small chunks of a request are gathered up to this.
const GATHER: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No final head yet.
    Waiting,
    /// In the body, whose end is told so.
    Body(Encoding),
    Finished,
    Aborted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// HEAD, 204, 304: whatever is sent is dropped.
    Nothing,
    Length(u64),
    Chunked,
    UntilClose,
    /// After an upgrade.
    Raw,
}

pub(crate) struct Exchange<'x, 'l, W> {
    link: &'x mut Link<'l, W>,
    framing: Framing,
    head_method: bool,
    decoder: Decoder,
    /// What `buffered` showed last.
    shown: usize,
    shown_end: bool,
    /// Read before `poll_body` came to them.
    trailers: Option<Headers>,
    phase: Phase,
    interims: u32,
    continued: bool,
    draining: bool,
    keep_alive: bool,
    /// Upgraded.
    raw: bool,
}

/// What the connection does after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request, once the rest of this body is out of the way.
    Next(Decoder),
    /// Flush, half-close, let the client read what it was sent.
    Close,
    /// Drop the connection without a clean end.
    Break,
}

impl<'x, 'l, W: Wire> Exchange<'x, 'l, W> {
    pub(crate) fn new(link: &'x mut Link<'l, W>, framing: Framing, head: &RequestHead, draining: bool) -> Self {
        let decoder = match framing.body {
            BodyLength::Empty => Decoder::End,
            BodyLength::Sized(length) => Decoder::Sized(length),
            BodyLength::Unknown => Decoder::chunked(),
        };
        Self {
            link,
            framing,
            head_method: head.method == Method::Head,
            decoder,
            shown: 0,
            shown_end: false,
            trailers: None,
            phase: Phase::Waiting,
            interims: 0,
            continued: false,
            draining,
            keep_alive: framing.keep_alive,
            raw: false,
        }
    }

    pub(crate) fn after(self) -> After {
        match self.phase {
            Phase::Finished if self.link.gone().is_some() => After::Break,
            Phase::Finished if self.keep_alive => After::Next(self.decoder),
            Phase::Finished => After::Close,
            _ => After::Break,
        }
    }

    fn step(&mut self) -> Result<Step, ClientGone> {
        let link = &mut *self.link;
        self.decoder.step(&mut link.warm.input, link.limits).map_err(|rule| {
            // The answer may still be given; nothing behind this body is ever read.
            self.keep_alive = false;
            ClientGone::Malformed(rule)
        })
    }

    /// What is here of the body. Small chunks that came together go on together: a client that sends a byte per chunk
    /// must not make us send a frame per byte.
    fn next_part(&mut self) -> Result<Option<BodyPart>, ClientGone> {
        if let Some(trailers) = self.trailers.take() {
            return Ok(Some(BodyPart::Trailers(trailers)));
        }
        let mut gathered = BytesMut::new();
        while gathered.len() < GATHER {
            match self.step()? {
                Step::Data(n) => {
                    let data = self.link.warm.input.split_to(n);
                    self.decoder.took(n);
                    if gathered.is_empty() && (n >= DIRECT || !matches!(self.decoder, Decoder::Chunked(_))) {
                        return Ok(Some(BodyPart::Data(data.freeze())));
                    }
                    gathered.extend_from_slice(&data);
                }
                Step::Trailers(trailers) if gathered.is_empty() => return Ok(Some(BodyPart::Trailers(trailers))),
                Step::Trailers(trailers) => {
                    self.trailers = Some(trailers);
                    break;
                }
                Step::End if gathered.is_empty() => return Ok(Some(BodyPart::End)),
                Step::End | Step::More => break,
            }
        }
        Ok((!gathered.is_empty()).then(|| BodyPart::Data(gathered.freeze())))
    }

    /// Whether the connection may carry another request after this answer.
    fn persistence(&mut self, framing: BodyFraming) -> Persistence {
        let unread = self.decoder.left() > self.link.limits.drain_body as u64;
        // A client that still waits for its 100 may or may not send the body now: nobody can tell the next bytes.
        let unsure = self.framing.expect && !self.continued && self.decoder != Decoder::End;
        if self.draining || unread || unsure || framing == BodyFraming::UntilClose {
            self.keep_alive = false;
        }
        match (self.keep_alive, self.framing.http10) {
            (false, _) => Persistence::Close,
            (true, true) => Persistence::KeepSaid,
            (true, false) => Persistence::Keep,
        }
    }

    /// Framing on the wire and what the body then counts against.
    fn encoding(&self, status: u16, length: ResponseLength) -> (BodyFraming, Encoding) {
        match (status, length) {
            (100..200 | 204, _) => (BodyFraming::Bare, Encoding::Nothing),
            (304, ResponseLength::Sized(n)) => (BodyFraming::Length(n), Encoding::Nothing),
            (304, _) => (BodyFraming::Bare, Encoding::Nothing),
            (_, ResponseLength::Sized(n)) if self.head_method => (BodyFraming::Length(n), Encoding::Nothing),
            _ if self.head_method => (BodyFraming::Bare, Encoding::Nothing),
            (_, ResponseLength::Empty) => (BodyFraming::Length(0), Encoding::Length(0)),
            (_, ResponseLength::Sized(n)) => (BodyFraming::Length(n), Encoding::Length(n)),
            (_, ResponseLength::Unknown) if self.framing.http10 => (BodyFraming::UntilClose, Encoding::UntilClose),
            (_, ResponseLength::Unknown) => (BodyFraming::Chunked, Encoding::Chunked),
        }
    }

    fn poll_plain(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), ClientGone>> {
        while data.len() >= DIRECT {
            let n = ready!(self.link.poll_direct(cx, data))?;
            data.advance(n);
        }
        if !data.is_empty() {
            ready!(self.link.poll_out(cx, OUT_SOFT))?;
            self.link.warm.out.extend_from_slice(data);
            data.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_chunks(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), ClientGone>> {
        while !data.is_empty() {
            ready!(self.link.poll_out(cx, OUT_SOFT))?;
            let mut chunk = data.split_to(data.len().min(OUT_SOFT));
            encode::chunk_size(&mut self.link.warm.out, chunk.len());
            if chunk.len() >= DIRECT {
                match self.link.poll_direct(cx, &chunk) {
                    Poll::Ready(taken) => chunk.advance(taken?),
                    Poll::Pending => {} // copied below: a chunk that was announced is never put back
                }
            }
            self.link.warm.out.extend_from_slice(&chunk);
            self.link.warm.out.extend_from_slice(b"\r\n");
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: Wire> crate::http::Exchange for Exchange<'_, '_, W> {
    fn protocol(&self) -> Protocol {
        Protocol::H1
    }

    fn body(&self) -> BodyLength {
        self.framing.body
    }

    fn buffered(&mut self, max: usize) -> (&[u8], bool) {
        (self.shown, self.shown_end) = (0, false);
        if self.trailers.is_some() {
            return (&[], false);
        }
        match self.step() {
            Ok(Step::Data(n)) => {
                self.shown = n.min(max);
                self.shown_end = self.decoder.ends_after(self.shown, &self.link.warm.input);
            }
            Ok(Step::End) => self.shown_end = true,
            // For `poll_body`; a fault is reported there too.
            Ok(Step::Trailers(trailers)) => self.trailers = Some(trailers),
            Ok(Step::More) | Err(_) => {}
        }
        (self.link.warm.input.get(..self.shown).unwrap_or_default(), self.shown_end)
    }

    fn consume(&mut self, n: usize) {
        let n = n.min(self.shown);
        let input = &mut self.link.warm.input;
        input.advance(n);
        self.decoder.took(n);
        if n == self.shown && self.shown_end {
            self.decoder.skip_last_chunk(input);
        }
        self.shown = 0;
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<BodyPart, ClientGone>> {
        loop {
            if let Some(part) = self.next_part()? {
                return Poll::Ready(Ok(part));
            }
            let read = match self.decoder {
                Decoder::Raw => ready!(self.link.poll_fill(cx))?,
                _ => ready!(self.link.poll_fill_paced(cx)).inspect_err(|_| self.keep_alive = false)?,
            };
            match (read, self.decoder) {
                (0, Decoder::Raw) => self.decoder = Decoder::End,
                // The message is cut short: nothing of it may be taken for whole.
                (0, _) => return Poll::Ready(Err(self.link.fail(ClientGone::Closed))),
                _ => {}
            }
        }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<ClientGone> {
        self.link.poll_gone(cx)
    }

    fn interim(&mut self, head: &ResponseHead) {
        self.interims += 1;
        let wanted = head.status == 100 && !self.framing.http10 && self.phase == Phase::Waiting;
        if wanted && self.interims <= self.link.limits.interim_responses {
            self.continued = true;
            encode::interim(&mut self.link.warm.out, head);
        }
    }

    fn start(&mut self, head: &ResponseHead, length: ResponseLength) {
        if self.phase != Phase::Waiting {
            return self.abort();
        }
        let (framing, encoding) = self.encoding(head.status, length);
        let persistence = self.persistence(framing);
        encode::head(&mut self.link.warm.out, head, framing, persistence);
        self.phase = Phase::Body(encoding);
        if self.framing.body == BodyLength::Unknown {
            // Request and answer may now be a conversation in which either side may rest.
            self.link.reading = Pace::patient(self.link.limits.stream_idle_long);
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), ClientGone>> {
        if let Some(gone) = self.link.gone() {
            return Poll::Ready(Err(gone));
        }
        if data.is_empty() {
            return Poll::Ready(Ok(()));
        }
        match self.phase {
            Phase::Body(Encoding::Nothing) => data.clear(),
            Phase::Body(Encoding::Length(left)) => {
                let before = data.len() as u64;
                if before > left {
                    self.abort();
                    return Poll::Ready(Err(ClientGone::Overrun));
                }
                let sent = self.poll_plain(cx, data);
                self.phase = Phase::Body(Encoding::Length(left - (before - data.len() as u64)));
                return sent;
            }
            Phase::Body(Encoding::Chunked) => return self.poll_chunks(cx, data),
            Phase::Body(Encoding::UntilClose | Encoding::Raw) => return self.poll_plain(cx, data),
            Phase::Waiting | Phase::Finished | Phase::Aborted => return Poll::Ready(Err(ClientGone::Closed)),
        }
        Poll::Ready(Ok(()))
    }

    fn delimits(&self) -> bool {
        !self.framing.http10
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>> {
        if self.phase == Phase::Finished && self.raw {
            return self.link.poll_shutdown(cx); // the workload's half-close
        }
        self.link.poll_flush(cx)
    }

    fn trailers(&mut self, headers: &Headers) {
        if self.phase == Phase::Body(Encoding::Chunked) {
            let taken = self.framing.te_trailers.then_some(headers);
            encode::last_chunk(&mut self.link.warm.out, taken);
            self.phase = Phase::Finished;
        }
    }

    fn finish(&mut self) {
        match self.phase {
            Phase::Body(Encoding::Length(0) | Encoding::Nothing | Encoding::UntilClose | Encoding::Raw) => {
                self.phase = Phase::Finished;
            }
            Phase::Body(Encoding::Chunked) => {
                encode::last_chunk(&mut self.link.warm.out, None);
                self.phase = Phase::Finished;
            }
            Phase::Finished => {}
            Phase::Body(Encoding::Length(_)) | Phase::Waiting | Phase::Aborted => self.abort(),
        }
    }

    fn abort(&mut self) {
        self.phase = Phase::Aborted;
        self.keep_alive = false;
    }

    fn upgraded(&mut self, head: &ResponseHead) {
        let Some(key) = self.framing.websocket_key.filter(|_| self.phase == Phase::Waiting) else {
            return self.abort();
        };
        encode::switching(&mut self.link.warm.out, head, &upgrade::accept(&key));
        self.phase = Phase::Body(Encoding::Raw);
        self.decoder = Decoder::Raw;
        self.raw = true;
    }

    fn started(&self) -> bool {
        self.phase != Phase::Waiting
    }
}
