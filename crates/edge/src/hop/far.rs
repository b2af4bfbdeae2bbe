//! The far end of a hop: the task that owns the stream.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use mezu_tunnel::proto::{Incoming, OpenOptions, Reason, StreamError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;

use super::{Down, GateStream, Hop, Told, Up};
use crate::deadline::Deadline;
use crate::gates::Miss;
use crate::worker::Worker;

/// Opens the stream and carries what goes either way until one end is gone. Time limits are the near end's: when it
/// is dropped, the stream is reset.
pub(crate) async fn carry(worker: &Worker, hop: Hop) {
    let Hop { aim, context, head, avoid, impatient, park, narrow, inline, end, up, down, go, told, near } = hop;
    let Some(ways) = worker.gates.ways_to(&aim) else { return drop(down.send(Err(nothing_sent(Miss::None))).await) };
    let options = OpenOptions { park, narrow, inline: &inline, end };
    let sent = match worker.gates.open(&ways, avoid, &context, &head, &options) {
        Ok(sent) => sent,
        Err(miss) => return drop(down.send(Err(nothing_sent(miss))).await),
    };
    let _ = told.gate.set(sent.gate);
    let left = inline.slice(sent.taken.min(inline.len())..);
    let up_ended = end && left.is_empty();
    let mut far = Far {
        stream: GateStream::Local(sent.stream, sent.place),
        up,
        down: PollSender::new(down),
        go,
        near,
        pending: (!left.is_empty()).then_some((left, end)),
        up_ended,
        down_ended: false,
        silence: impatient.then(|| worker.deadlines.after(Instant::now(), worker.limits().gate_silence)),
        told,
        worker,
    };
    poll_fn(|cx| far.poll(cx)).await;
}

/// What the near end would have seen, had the tunnels been there.
fn nothing_sent(miss: Miss) -> StreamError {
    match miss {
        Miss::None => StreamError::Reset(Reason::Refused),
        Miss::Busy => StreamError::Reset(Reason::Overloaded),
        Miss::HeadTooLarge => StreamError::HeadTooLarge,
    }
}

struct Far<'w> {
    worker: &'w Worker,
    stream: GateStream,
    up: mpsc::Receiver<Up>,
    down: PollSender<Down>,
    /// Until the word has come.
    go: Option<oneshot::Receiver<()>>,
    near: oneshot::Receiver<()>,
    /// Taken from the channel and not yet by the stream.
    pending: Option<(Bytes, bool)>,
    up_ended: bool,
    down_ended: bool,
    /// While the near end would like to know of a silent gate: when to look.
    silence: Option<Deadline<'w>>,
    told: Arc<Told>,
}

impl Far<'_> {
    /// Ready when the hop is over; dropping the stream resets it if it had not ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.near).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.poll_go(cx);
        while !self.up_ended && self.step_up(cx).is_ready() {}
        while !self.down_ended && self.step_down(cx).is_ready() {}
        if self.told.rests.load(Ordering::Relaxed) {
            self.stream.rest();
        }
        self.poll_silence(cx);
        if self.up_ended && self.down_ended { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whatever the data waits for: a gate may give credit for it only once it delivers.
    fn poll_go(&mut self, cx: &mut Context<'_>) {
        if let Some(go) = &mut self.go
            && let Poll::Ready(said) = Pin::new(go).poll(cx)
        {
            self.go = None;
            if said.is_ok() {
                self.stream.send_go();
            }
        }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) {
        let long = self.worker.limits().gate_silence;
        while let Some(silence) = &mut self.silence
            && silence.poll(cx).is_ready()
        {
            if self.stream.is_silent(long) {
                // The near end looks as often as we do.
                self.told.silent.store(true, Ordering::Relaxed);
                self.silence = None;
            } else {
                silence.reset(Instant::now() + long);
            }
        }
    }

    fn step_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((data, end)) = &mut self.pending {
            match ready!(self.stream.poll_send(cx, data, *end)) {
                Ok(()) if data.is_empty() => {
                    self.up_ended |= *end;
                    self.pending = None;
                }
                Ok(()) => {}
                // The gate takes no more; what it has to say comes the other way.
                Err(_) => self.up_ended = true,
            }
            return Poll::Ready(());
        }
        match ready!(self.up.poll_recv(cx)) {
            Some(Up::Data(data, end)) => self.pending = Some((data, end)),
            Some(Up::Trailers(trailers)) => {
                let _ = self.stream.poll_send_trailers(cx, &trailers);
                self.up_ended = true;
            }
            None => self.up_ended = true,
        }
        Poll::Ready(())
    }

    fn step_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let room = ready!(self.down.poll_reserve(cx)).is_ok();
        let incoming = ready!(self.stream.poll_recv(cx));
        self.silence = None;
        let last = matches!(incoming, Ok(Incoming::End) | Err(_));
        let sent = room && self.down.send_item(incoming).is_ok();
        self.down_ended = last || !sent;
        Poll::Ready(())
    }
}
