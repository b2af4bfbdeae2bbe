//! One HTTP/2 request being answered.

use std::{
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use mezu_model::{Headers, Limits, Method, Protocol, RequestHead, ResponseHead};

use super::head::{self, Facts};
use crate::http::{
    BodyLength, BodyPart, ClientGone, ResponseLength,
    pace::{Alarm, Pace},
};

/// As much of an answer is given to the h2 crate per stream before the client takes some of it.
const MAX_PIECE: usize = 16 * 1024;

pub(super) struct Exchange {
    receive: Receive,
    respond: SendResponse<Bytes>,
    send: Option<SendStream<Bytes>>,
    phase: Phase,
    /// Sent as soon as it is known whether it is the last.
    held: Bytes,
    head_method: bool,
    upgrade: bool,
    interims: u32,
    gone: Option<ClientGone>,
    alarm: Alarm,
    writing: Pace,
    limits: Rc<Limits>,
}

struct Receive {
    stream: RecvStream,
    length: BodyLength,
    /// Taken from the h2 crate, not yet from us.
    pending: Bytes,
    pace: Pace,
    data_ended: bool,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    /// The stream is open for data: this many bytes, or any number.
    Body(Option<u64>),
    /// HEAD, 204, 304: ended with the head.
    Bodyless,
    Finished,
    Aborted,
}

impl Exchange {
    pub(super) fn new(
        stream: RecvStream,
        respond: SendResponse<Bytes>,
        request: &RequestHead,
        facts: Facts,
        limits: Rc<Limits>,
    ) -> Self {
        let length = match (stream.is_end_stream(), facts.content_length) {
            (true, _) => BodyLength::Empty,
            (false, Some(length)) if length > 0 && request.upgrade.is_none() => BodyLength::Sized(length),
            (false, _) => BodyLength::Unknown,
        };
        let pace = match length {
            _ if request.upgrade.is_some() => Pace::patient(limits.stream_idle_long),
            _ => Pace::new(&limits),
        };
        let ended = length == BodyLength::Empty;
        Self {
            receive: Receive { stream, length, pending: Bytes::new(), pace, data_ended: ended, ended },
            respond,
            send: None,
            phase: Phase::Waiting,
            held: Bytes::new(),
            head_method: request.method == Method::Head,
            upgrade: request.upgrade.is_some(),
            interims: 0,
            gone: None,
            alarm: Alarm::default(),
            writing: Pace::new(&limits),
            limits,
        }
    }

    /// Ends the stream if its answer did not: an unanswered request is our fault, a broken answer must look broken.
    pub(super) fn close(mut self) {
        if self.phase != Phase::Finished {
            self.reset();
        }
    }

    fn reset(&mut self) {
        let reason = match self.gone {
            Some(ClientGone::Cancelled | ClientGone::Closed) => Reason::CANCEL,
            Some(ClientGone::Malformed(_)) => Reason::PROTOCOL_ERROR,
            Some(ClientGone::TooSlow) => Reason::ENHANCE_YOUR_CALM,
            Some(ClientGone::Overrun) | None => Reason::INTERNAL_ERROR,
        };
        match &mut self.send {
            Some(send) => send.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
        self.phase = Phase::Aborted;
    }

    fn fail(&mut self, why: ClientGone) -> ClientGone {
        *self.gone.get_or_insert(why)
    }

    fn fail_by(&mut self, error: &h2::Error) -> ClientGone {
        let why = match (error.is_remote(), error.is_reset()) {
            (true, true) => ClientGone::Cancelled,
            // The h2 crate found the fault and has reset the stream itself: CL ≠ ΣDATA, bad trailers.
            (false, true) => ClientGone::Malformed("stream error"),
            _ => ClientGone::Closed,
        };
        self.fail(why)
    }

    /// Takes the next piece of data from the h2 crate, if one is there.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>> {
        let receive = &mut self.receive;
        if !receive.pending.is_empty() || receive.data_ended {
            return Poll::Ready(Ok(()));
        }
        match receive.stream.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => {
                receive.pace.moved(data.len());
                // The window opens as the edge takes data; whoever is behind us holds one piece at most.
                let _ = receive.stream.flow_control().release_capacity(data.len());
                receive.pending = data;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(self.fail_by(&error))),
            Poll::Ready(None) => {
                receive.data_ended = true;
                Poll::Ready(Ok(()))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<BodyPart, ClientGone>> {
        if self.receive.ended {
            return Poll::Ready(Ok(BodyPart::End));
        }
        let trailers = ready!(self.receive.stream.poll_trailers(cx));
        self.receive.ended = true;
        Poll::Ready(match trailers {
            Ok(None) => Ok(BodyPart::End),
            Ok(Some(map)) => match head::request_trailers(&map, &self.limits) {
                Ok(headers) if headers.is_empty() => Ok(BodyPart::End),
                Ok(headers) => Ok(BodyPart::Trailers(headers)),
                Err(rule) => Err(self.fail(ClientGone::Malformed(rule))),
            },
            Err(error) => Err(self.fail_by(&error)),
        })
    }

    /// Gives the held piece to the h2 crate.
    fn release_held(&mut self, last: bool) {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() && !last {
            return;
        }
        if let Some(send) = &mut self.send
            && let Err(error) = send.send_data(held, last)
        {
            self.fail_by(&error);
        }
    }

    /// Waits until the client's window and our buffer have room for something; the room.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, ClientGone>> {
        let Some(send) = &mut self.send else {
            return Poll::Ready(Err(ClientGone::Closed));
        };
        send.reserve_capacity(wanted);
        let mut room = send.capacity();
        while room == 0 {
            match send.poll_capacity(cx) {
                Poll::Ready(Some(Ok(n))) => room = n,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.fail_by(&error))),
                Poll::Ready(None) => return Poll::Ready(Err(self.fail(ClientGone::Cancelled))),
                Poll::Pending => {
                    ready!(self.writing.poll_too_slow(cx, &mut self.alarm));
                    return Poll::Ready(Err(self.fail(ClientGone::TooSlow)));
                }
            }
        }
        if self.writing.is_waiting() {
            self.writing.moved(room);
        }
        Poll::Ready(Ok(room.min(wanted)))
    }

    fn open(&mut self, response: http::Response<()>, end: bool) -> bool {
        match self.respond.send_response(response, end) {
            Ok(send) => {
                self.send = Some(send);
                true
            }
            Err(error) => {
                self.fail_by(&error);
                false
            }
        }
    }
}

impl crate::http::Exchange for Exchange {
    fn protocol(&self) -> Protocol {
        Protocol::H2
    }

    fn body(&self) -> BodyLength {
        self.receive.length
    }

    fn buffered(&mut self, max: usize) -> (&[u8], bool) {
        // A fault or a wait is for `poll_body` to find.
        let _ = self.poll_receive(&mut Context::from_waker(Waker::noop()));
        let receive = &mut self.receive;
        let shown = receive.pending.len().min(max);
        let all = shown == receive.pending.len();
        let ended = receive.ended || receive.stream.is_end_stream();
        (receive.pending.get(..shown).unwrap_or_default(), all && ended)
    }

    fn consume(&mut self, n: usize) {
        let pending = &mut self.receive.pending;
        pending.advance(n.min(pending.len()));
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<BodyPart, ClientGone>> {
        if let Some(gone) = self.gone {
            return Poll::Ready(Err(gone));
        }
        if self.poll_receive(cx)?.is_pending() {
            ready!(self.receive.pace.poll_too_slow(cx, &mut self.alarm));
            return Poll::Ready(Err(self.fail(ClientGone::TooSlow)));
        }
        let data = std::mem::take(&mut self.receive.pending);
        if data.is_empty() && self.receive.data_ended {
            return self.poll_trailers(cx);
        }
        if data.is_empty() {
            // An empty DATA frame: nothing to hand on, something may follow.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(BodyPart::Data(data)))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<ClientGone> {
        if let Some(gone) = self.gone {
            return Poll::Ready(gone);
        }
        let reset = match &mut self.send {
            Some(send) => ready!(send.poll_reset(cx)),
            None => ready!(self.respond.poll_reset(cx)),
        };
        Poll::Ready(match reset {
            Ok(_) => self.fail(ClientGone::Cancelled),
            Err(error) => self.fail_by(&error),
        })
    }

    fn interim(&mut self, head: &ResponseHead) {
        self.interims += 1;
        let wanted = matches!(head.status, 100 | 103) && self.phase == Phase::Waiting;
        if wanted && self.interims <= self.limits.interim_responses {
            let _ = self.respond.send_informational(head::response(head, head.status, None));
        }
    }

    fn start(&mut self, head: &ResponseHead, length: ResponseLength) {
        if self.phase != Phase::Waiting {
            return self.abort();
        }
        let (declared, phase) = match (head.status, length) {
            (204, _) => (None, Phase::Bodyless),
            (304, ResponseLength::Sized(n)) => (Some(n), Phase::Bodyless),
            (304, _) => (None, Phase::Bodyless),
            (_, ResponseLength::Sized(n)) if self.head_method => (Some(n), Phase::Bodyless),
            _ if self.head_method => (None, Phase::Bodyless),
            // No `content-length`: gRPC's answers of trailers only look like this.
            (_, ResponseLength::Empty) => (None, Phase::Bodyless),
            (_, ResponseLength::Sized(0)) => (Some(0), Phase::Bodyless),
            (_, ResponseLength::Sized(n)) => (Some(n), Phase::Body(Some(n))),
            (_, ResponseLength::Unknown) => (None, Phase::Body(None)),
        };
        if self.open(head::response(head, head.status, declared), phase == Phase::Bodyless) {
            self.phase = phase;
        } else {
            self.phase = Phase::Aborted;
        }
        if self.receive.length == BodyLength::Unknown {
            // Request and answer may now be a conversation in which either side may rest.
            self.receive.pace = Pace::patient(self.limits.stream_idle_long);
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), ClientGone>> {
        if let Some(gone) = self.gone {
            return Poll::Ready(Err(gone));
        }
        let mut left = match self.phase {
            Phase::Bodyless => {
                data.clear();
                return Poll::Ready(Ok(()));
            }
            Phase::Body(left) => left,
            Phase::Waiting | Phase::Finished | Phase::Aborted => return Poll::Ready(Err(ClientGone::Closed)),
        };
        if left.is_some_and(|left| data.len() as u64 > left) {
            self.abort();
            return Poll::Ready(Err(self.fail(ClientGone::Overrun)));
        }
        while !data.is_empty() {
            self.release_held(false);
            let room = ready!(self.poll_room(cx, data.len().min(MAX_PIECE)))?;
            self.held = data.split_to(room);
            left = left.map(|left| left - room as u64);
            self.phase = Phase::Body(left);
        }
        if left == Some(0) {
            self.release_held(true);
            self.phase = Phase::Finished;
        }
        Poll::Ready(Ok(()))
    }

    /// What is given to the h2 crate leaves at the end of the turn, by itself.
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>> {
        self.release_held(false);
        match self.gone {
            Some(gone) => Poll::Ready(Err(gone)),
            None => Poll::Ready(Ok(())),
        }
    }

    fn trailers(&mut self, headers: &Headers) {
        let map = head::response_trailers(headers);
        if self.phase != Phase::Body(None) || map.is_empty() {
            return;
        }
        self.release_held(false);
        if let Some(send) = &mut self.send
            && let Err(error) = send.send_trailers(map)
        {
            self.fail_by(&error);
        }
        self.phase = Phase::Finished;
    }

    fn finish(&mut self) {
        match self.phase {
            Phase::Body(None | Some(0)) => {
                self.release_held(true);
                self.phase = Phase::Finished;
            }
            Phase::Bodyless => self.phase = Phase::Finished,
            Phase::Finished => {}
            Phase::Body(Some(_)) | Phase::Waiting | Phase::Aborted => self.abort(),
        }
    }

    fn abort(&mut self) {
        if !matches!(self.phase, Phase::Aborted | Phase::Finished) {
            self.reset();
        }
    }

    fn upgraded(&mut self, head: &ResponseHead) {
        if self.phase != Phase::Waiting || !self.upgrade {
            return self.abort();
        }
        let opened = self.open(head::response(head, 200, None), false);
        self.phase = if opened { Phase::Body(None) } else { Phase::Aborted };
    }

    fn started(&self) -> bool {
        self.phase != Phase::Waiting
    }
}
