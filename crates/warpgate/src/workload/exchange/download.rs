//! The way down: what the workload says, taken apart and passed to the stream.

use std::task::{Context, Poll, ready};

use mezu_model::{Headers, ResponseHead, known};

use super::{
    super::{BadResponse, Fault, edge_stream::EdgeStream, response::Step},
    Exchange,
    upload::UploadState,
};

/// A read brings at most what the stream takes at once, so that nothing of it has to be kept; but no less than this,
/// because tiny reads cost more than a small rest.
const SMALLEST_READ: usize = 16 * 1024;

#[derive(Default)]
pub(super) struct Download {
    /// Read but not understood yet, such as half a head.
    pub(super) raw: Vec<u8>,
    /// Body that the stream has not taken; `unsent_at` of it is gone.
    pub(super) unsent: Vec<u8>,
    pub(super) unsent_at: usize,
    /// The stream's end comes after `unsent`.
    pub(super) end: bool,
    pub(super) trailers: Option<Box<Headers>>,
    /// The end was taken by the stream.
    pub(super) finished: bool,
    pub(super) surplus: bool,
}

impl<S: EdgeStream> Exchange<'_, S> {
    pub(super) fn poll_download(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            ready!(self.poll_unsent(cx))?;
            if self.download.finished {
                // A WebSocket ends when both ways have ended.
                let waits = self.raw && !matches!(self.upload.state, UploadState::Done | UploadState::Broken);
                return if waits { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            let room = ready!(self.stream.poll_room(cx))?;
            let shared = self.shared;
            let mut scratch = shared.scratch.borrow_mut();
            let carried = self.download.raw.len();
            let most = carried.saturating_add(room.max(SMALLEST_READ)).min(scratch.len());
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
            return Ok(());
        }
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
