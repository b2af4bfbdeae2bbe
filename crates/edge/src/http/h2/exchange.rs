//! One HTTP/2 request being answered.

use std::{
    cell::RefCell,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use mezu_model::{Headers, Limits, Method, Protocol, RequestHead, ResponseHead};

use super::{core::Core, frame::Reason, head, stream::Stream};
use crate::http::{
    BodyLength, BodyPart, ClientGone, ResponseLength,
    names::is_conversation,
    pace::{Alarm, Pace},
};

pub(super) struct Exchange {
    core: Rc<RefCell<Core>>,
    key: usize,
    length: BodyLength,
    /// What `buffered` shows lies here while it is shown.
    shown: Bytes,
    phase: Phase,
    head_method: bool,
    upgrade: bool,
    interims: u32,
    gone: Option<ClientGone>,
    alarm: Alarm,
    reading: Pace,
    writing: Pace,
    /// Bytes sent that `writing` does not know of.
    uncounted: usize,
    limits: Rc<Limits>,
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
    pub(super) fn new(core: Rc<RefCell<Core>>, key: usize, request: &RequestHead, declared: Option<u64>) -> Self {
        let (limits, ended) = {
            let core = core.borrow();
            let ended = core.streams.get(key).is_none_or(|s| s.received_all && s.is_empty() && s.trailers.is_none());
            (core.limits.clone(), ended)
        };
        let upgrade = request.upgrade.is_some();
        let length = match (ended, declared) {
            (true, _) => BodyLength::Empty,
            (false, Some(length)) if length > 0 && !upgrade => BodyLength::Sized(length),
            (false, _) => BodyLength::Unknown,
        };
        let reading = if upgrade || !ended && is_conversation(&request.headers) {
            Pace::patient(limits.stream_idle_long)
        } else {
            Pace::reading(&limits)
        };
        Self {
            core,
            key,
            length,
            shown: Bytes::new(),
            phase: Phase::Waiting,
            head_method: request.method == Method::Head,
            upgrade,
            interims: 0,
            gone: None,
            alarm: Alarm::default(),
            reading,
            writing: Pace::writing(&limits),
            uncounted: 0,
            limits,
        }
    }

    /// Works on this stream's state.
    fn stream<T>(&self, work: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        self.core.borrow_mut().streams.get_mut(self.key).map(work)
    }

    fn fail(&mut self, why: ClientGone) -> ClientGone {
        *self.gone.get_or_insert(why)
    }

    /// Why the client is gone, if it is.
    fn check(&mut self) -> Result<(), ClientGone> {
        if self.gone.is_none() {
            self.gone = self.stream(|s| s.gone).unwrap_or(Some(ClientGone::Closed));
        }
        self.gone.map_or(Ok(()), Err)
    }

    /// Opens the answer.
    fn open(&mut self, head: &ResponseHead, status: u16, length: Option<u64>, phase: Phase) {
        if self.check().is_err() {
            self.phase = Phase::Aborted;
            return;
        }
        let end = phase == Phase::Bodyless;
        self.core.borrow_mut().headers(self.key, end, |block| head::response(block, head, status, length));
        self.phase = phase;
    }

    /// Pending until there may be room again, ready when the client takes too long about it.
    fn wait_for_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>> {
        self.core.borrow_mut().wait(self.key);
        self.stream(|s| s.watch_writes(cx));
        self.writing.moved(std::mem::take(&mut self.uncounted));
        ready!(self.writing.poll_too_slow(cx, &mut self.alarm));
        Poll::Ready(Err(self.fail(ClientGone::TooSlow)))
    }

    /// The body's next step that is here; `None` when there is nothing yet.
    fn next_part(&mut self) -> Option<BodyPart> {
        let mut core = self.core.borrow_mut();
        let stream = core.streams.get_mut(self.key)?;
        if !stream.is_empty() {
            let data = stream.pop();
            core.taken(self.key, data.len());
            return Some(BodyPart::Data(data));
        }
        if !stream.received_all {
            return None;
        }
        Some(stream.trailers.take().map_or(BodyPart::End, BodyPart::Trailers))
    }
}

impl crate::http::Exchange for Exchange {
    fn protocol(&self) -> Protocol {
        Protocol::H2
    }

    fn body(&self) -> BodyLength {
        self.length
    }

    fn buffered(&mut self, max: usize) -> (&[u8], bool) {
        let mut core = self.core.borrow_mut();
        let Some(stream) = core.streams.get_mut(self.key) else { return (&[], false) };
        if self.shown.is_empty() && !stream.is_empty() {
            self.shown = stream.pop();
        }
        let n = self.shown.len().min(max);
        let last = n == self.shown.len() && stream.is_empty() && stream.received_all && stream.trailers.is_none();
        (self.shown.get(..n).unwrap_or_default(), last && stream.gone.is_none())
    }

    fn consume(&mut self, n: usize) {
        let n = n.min(self.shown.len());
        self.shown.advance(n);
        self.core.borrow_mut().taken(self.key, n);
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<BodyPart, ClientGone>> {
        self.check()?;
        if !self.shown.is_empty() {
            let data = std::mem::take(&mut self.shown);
            self.core.borrow_mut().taken(self.key, data.len());
            return Poll::Ready(Ok(BodyPart::Data(data)));
        }
        if let Some(part) = self.next_part() {
            if let (BodyPart::Data(data), true) = (&part, self.reading.is_waiting()) {
                self.reading.moved(data.len());
            }
            return Poll::Ready(Ok(part));
        }
        self.stream(|s| s.watch_reads(cx));
        ready!(self.reading.poll_too_slow(cx, &mut self.alarm));
        // It can still be told so.
        Poll::Ready(Err(ClientGone::TooSlow))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<ClientGone> {
        if let Err(gone) = self.check() {
            return Poll::Ready(gone);
        }
        self.stream(|s| s.watch_reads(cx));
        Poll::Pending
    }

    fn interim(&mut self, head: &ResponseHead) {
        self.interims += 1;
        let wanted = matches!(head.status, 100 | 103) && self.phase == Phase::Waiting;
        if wanted && self.interims <= self.limits.interim_responses && self.check().is_ok() {
            self.core.borrow_mut().headers(self.key, false, |block| head::response(block, head, head.status, None));
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
        self.open(head, head.status, declared, phase);
        if self.length == BodyLength::Unknown {
            // Request and answer may now be a conversation in which either side may rest.
            self.reading = Pace::patient(self.limits.stream_idle_long);
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), ClientGone>> {
        let mut left = match self.phase {
            Phase::Bodyless => {
                data.clear();
                return Poll::Ready(Ok(()));
            }
            Phase::Body(left) => left,
            Phase::Waiting | Phase::Finished | Phase::Aborted => return Poll::Ready(Err(ClientGone::Closed)),
        };
        if left.is_some_and(|left| data.len() as u64 > left) {
            self.fail(ClientGone::Overrun);
            self.abort();
            return Poll::Ready(Err(ClientGone::Overrun));
        }
        self.check()?;
        while !data.is_empty() {
            let mut core = self.core.borrow_mut();
            let n = core.room(self.key).min(data.len());
            if n == 0 {
                drop(core);
                return self.wait_for_room(cx);
            }
            left = left.map(|left| left - n as u64);
            core.data(self.key, data.get(..n).unwrap_or_default());
            drop(core);
            data.advance(n);
            self.phase = Phase::Body(left);
            self.uncounted += n;
            if self.writing.is_waiting() {
                self.writing.moved(std::mem::take(&mut self.uncounted));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>> {
        let open = matches!(self.phase, Phase::Body(_));
        if !open || self.core.borrow().room(self.key) > 0 {
            return Poll::Ready(Ok(()));
        }
        self.check()?;
        self.wait_for_room(cx)
    }

    fn takes_little(&self) -> bool {
        self.core.borrow().takes_little(self.key)
    }

    /// Frames leave at the end of the turn, by themselves.
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>> {
        Poll::Ready(self.check())
    }

    fn trailers(&mut self, headers: &Headers) {
        // A declared length does not exclude trailers.
        if matches!(self.phase, Phase::Body(None | Some(0))) && self.check().is_ok() {
            self.core.borrow_mut().headers(self.key, true, |block| head::trailers(block, headers));
            self.phase = Phase::Finished;
        }
    }

    fn finish(&mut self) {
        match self.phase {
            Phase::Body(None | Some(0)) => {
                if self.check().is_ok() {
                    self.core.borrow_mut().end_data(self.key);
                }
                self.phase = Phase::Finished;
            }
            Phase::Bodyless => self.phase = Phase::Finished,
            Phase::Finished => {}
            Phase::Body(Some(_)) | Phase::Waiting | Phase::Aborted => self.abort(),
        }
    }

    fn abort(&mut self) {
        if self.phase != Phase::Finished {
            self.phase = Phase::Aborted;
        }
    }

    fn upgraded(&mut self, head: &ResponseHead) {
        if self.phase != Phase::Waiting || !self.upgrade {
            return self.abort();
        }
        self.open(head, 200, None, Phase::Body(None));
    }

    fn started(&self) -> bool {
        self.phase != Phase::Waiting
    }
}

impl Drop for Exchange {
    /// An answer that did not end is reset, whatever the reason: it must look broken.
    fn drop(&mut self) {
        let reason = match self.gone {
            Some(ClientGone::Cancelled | ClientGone::Closed) => Reason::Cancel,
            Some(ClientGone::Malformed(_)) => Reason::Protocol,
            Some(ClientGone::TooSlow) => Reason::Calm,
            Some(ClientGone::Overrun) | None => Reason::Internal,
        };
        let mut core = self.core.borrow_mut();
        core.credit_connection(self.shown.len());
        core.forget(self.key, reason);
    }
}
