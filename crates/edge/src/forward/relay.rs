//! One request and its answer between a client and a gate: both directions in one task.
//!
//! [`Relay`] outlives an attempt: what must be known to try again is in it. An attempt is a stream to one gate.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mezu_model::{Limits, Method, OrgId, ResponseHead, known};
use mezu_policy::{AnswerBody, Coding, Permitted};

use super::coded::Coded;
use super::download::{Asked, Download, State, Step};
use super::failure::Failure;
use super::upload::Upload;
use crate::answer::EdgeError;
use crate::deadline::Deadline;
use crate::encode::Encoder;
use crate::hop::GateStream;
use crate::http::{Exchange, is_conversation, strip_response};
use crate::metrics::Copied;
use crate::mirror;
use crate::observe::Record;
use crate::worker::Worker;

pub(super) struct Relay<'r, 'p, X> {
    pub(super) worker: &'r Worker,
    pub(super) permitted: Permitted<'p>,
    pub(super) exchange: &'r mut X,
    pub(super) upload: Upload,
    pub(super) download: Download,
    pub(super) record: &'r mut Record,
    /// When the attempt under way began.
    sent: Instant,
    /// The gate may still be told to forget the request: it is parked and GO was not sent.
    parked: bool,
    /// Whether the silence of the gate is a reason to ask another one.
    impatient: bool,
    /// When the workload will have had all its time.
    overdue: Instant,
    /// For streams without an end of their own: resolves when the edge wants them to end.
    parting: Option<Pin<Box<dyn Future<Output = ()> + 'r>>>,
}

impl<'r, 'p, X: Exchange> Relay<'r, 'p, X> {
    pub(super) fn new(
        worker: &'r Worker,
        permitted: Permitted<'p>,
        exchange: &'r mut X,
        record: &'r mut Record,
    ) -> Self {
        let sent = record.started();
        let download = Download::new(worker.spare_head());
        let route = record.owner.map(|owner| owner.route);
        let tap = mirror::copy(worker, &permitted, exchange.body(), route);
        let upload = Upload::new(permitted.head().upgrade.is_some(), tap);
        Self {
            worker,
            permitted,
            exchange,
            upload,
            download,
            record,
            sent,
            parked: false,
            impatient: false,
            overdue: sent,
            parting: None,
        }
    }

    /// Whether nothing was sent that could not be sent again.
    pub(super) fn is_repeatable(&self) -> bool {
        self.upload.kept.is_whole() && self.download.state() == State::Awaiting
    }

    /// Runs one attempt to its end.
    pub(super) async fn run(&mut self, stream: &mut GateStream, parked: bool, impatient: bool) -> Result<(), Failure> {
        (self.parked, self.impatient) = (parked, impatient);
        let worker = self.worker;
        let now = Instant::now();
        self.sent = now;
        self.overdue = now + worker.limits().workload_first_byte;
        let first = if impatient { worker.limits().gate_silence } else { self.patience() };
        let mut deadline = worker.deadlines.after(now, first);
        poll_fn(|cx| self.poll(cx, stream, &mut deadline)).await
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut GateStream,
        deadline: &mut Deadline<'_>,
    ) -> Poll<Result<(), Failure>> {
        match self.poll_both(cx, stream) {
            Ok(_) if self.is_done() => return Poll::Ready(Ok(())),
            Ok(true) => self.extend(deadline),
            Ok(false) => {}
            Err(failure) => return Poll::Ready(Err(failure)),
        }
        if self.poll_parting(cx).is_ready() {
            return Poll::Ready(self.part());
        }
        self.check_time(cx, stream, deadline)
    }

    /// Only long-lived streams pay for hearing of the drain; all others end by themselves.
    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.download.patient || self.download.state() == State::Awaiting {
            return Poll::Pending;
        }
        let lasting = &self.worker.stops.lasting;
        self.parting.get_or_insert_with(|| Box::pin(lasting.stopping())).as_mut().poll(cx)
    }

    /// Ends a stream that has no end: a pipe is closed, an answer in mid-body is broken off so that its client knows.
    fn part(&mut self) -> Result<(), Failure> {
        if !self.upload.is_raw() {
            return Err(Failure::Final(EdgeError::Draining));
        }
        self.exchange.finish();
        Ok(())
    }

    /// Moves what can be moved, either way. Tells whether anything was.
    fn poll_both(&mut self, cx: &mut Context<'_>, stream: &mut GateStream) -> Result<bool, Failure> {
        let limits = self.worker.limits();
        let mut moved = false;
        loop {
            let meter = self.permitted.body();
            moved |= self.upload.poll(cx, self.exchange, stream, meter, limits.retry_body)?;
            if let Some(tap) = self.upload.tap.take_if(|tap| tap.is_settled()) {
                mirror::send(self.worker, &self.permitted, *tap);
            }
            let held = self.upload.is_held();
            while self.download.state() != State::Ended {
                match self.download_step(cx, stream, limits) {
                    Poll::Ready(Ok(())) => moved = true,
                    Poll::Ready(Err(failure)) => return Err(failure),
                    Poll::Pending => break,
                }
            }
            // What was held back until the answer came may go on now.
            if !held || self.upload.is_held() {
                break;
            }
        }
        if self.download.state() == State::Ended && !self.is_done() {
            // A half-close goes out while the other direction lives on.
            if let Poll::Ready(Err(failure)) = self.download.flush(cx, self.exchange) {
                return Err(failure);
            }
        }
        Ok(moved)
    }

    fn download_step(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut GateStream,
        limits: &Limits,
    ) -> Poll<Result<(), Failure>> {
        let org = self.record.owner.map(|owner| owner.org);
        let asked = Question { permitted: &self.permitted, worker: self.worker, org };
        let step = match self.download.poll(cx, self.exchange, stream, &asked, limits.interim_responses) {
            Poll::Ready(Ok(step)) => step,
            Poll::Ready(Err(Failure::Lost)) if self.parked => {
                return Poll::Ready(Err(Failure::Unseen(EdgeError::GateLost { sent: false })));
            }
            Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
            Poll::Pending => return Poll::Pending,
        };
        match step {
            Step::Parked => {
                // From here on it may have been delivered, unless the gate itself vows that it was not.
                self.parked = false;
                stream.send_go();
            }
            Step::Started => self.started(stream),
            Step::Upgraded => {
                self.started(stream);
                self.upload.upgrade();
            }
            Step::Moved => {}
        }
        Poll::Ready(Ok(()))
    }

    fn started(&mut self, stream: &mut GateStream) {
        if self.download.patient {
            stream.rest();
            self.record.rest(self.worker);
        }
        self.upload.commit(self.exchange);
        self.record.status = self.download.head.status;
        self.record.workload_took = Some(self.sent.elapsed());
    }

    /// An answer that has ended ends the request; of an upgraded connection each direction ends by itself.
    fn is_done(&self) -> bool {
        self.download.state() == State::Ended && (!self.upload.is_raw() || self.upload.is_closed())
    }

    /// Something moved: the clock starts anew.
    fn extend(&mut self, deadline: &mut Deadline<'_>) {
        let now = self.worker.deadlines.now();
        if self.download.state() == State::Awaiting {
            self.overdue = now + self.worker.limits().workload_first_byte;
            if self.impatient {
                return;
            }
        }
        deadline.reset(now + self.patience());
    }

    fn patience(&self) -> Duration {
        let limits = self.worker.limits();
        match self.download.state() {
            State::Awaiting if self.upload.is_closed() || self.upload.is_held() => limits.workload_first_byte,
            _ if self.download.patient => limits.stream_idle_long,
            _ => limits.stream_idle,
        }
    }

    fn check_time(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut GateStream,
        deadline: &mut Deadline<'_>,
    ) -> Poll<Result<(), Failure>> {
        while deadline.poll(cx).is_ready() {
            let now = Instant::now();
            if self.impatient && self.download.state() == State::Awaiting {
                if let Some(failure) = self.silence(stream) {
                    return Poll::Ready(Err(failure));
                }
                if now < self.overdue {
                    deadline.reset((now + self.worker.limits().gate_silence).min(self.overdue));
                    continue;
                }
            }
            let Some(later) = self.more_time(now) else {
                return Poll::Ready(Err(Failure::Final(EdgeError::WorkloadTimeout)));
            };
            deadline.reset(later);
        }
        Poll::Pending
    }

    /// The workload's time is up: until when it gets more.
    fn more_time(&self, now: Instant) -> Option<Instant> {
        if self.download.is_held_up() {
            return Some(now + self.patience());
        }
        // Servers of such send the head of the answer with its first message.
        let longest = self.sent + self.worker.limits().stream_idle_long;
        let rests = self.download.state() == State::Awaiting && is_conversation(&self.permitted.head().headers);
        (rests && now < longest).then_some(longest)
    }

    fn silence(&self, stream: &GateStream) -> Option<Failure> {
        stream.is_silent(self.worker.limits().gate_silence).then_some(Failure::Silent)
    }
}

impl<X> Drop for Relay<'_, '_, X> {
    fn drop(&mut self) {
        if self.upload.tap.is_some() {
            self.worker.metrics.copied(Copied::Unfinished);
        }
        (self.record.bytes_in, self.record.bytes_out) = (self.upload.bytes, self.download.bytes);
        self.worker.give_back_head(std::mem::take(&mut self.download.head));
    }
}

/// What the download needs to know about the request.
struct Question<'a, 'p> {
    permitted: &'a Permitted<'p>,
    worker: &'a Worker,
    org: Option<OrgId>,
}

impl Asked for Question<'_, '_> {
    fn respond(&self, head: &mut ResponseHead, body: AnswerBody) -> Option<Coding> {
        strip_response(&mut head.headers);
        let coding = self.permitted.respond(head, body);
        head.headers.push_known(known::VIA, b"1.1 mezusphere");
        head.headers.push_known(known::MEZU_RAY, &self.permitted.context().ray.to_hex());
        coding
    }

    fn encoder(&self, coding: Coding, length: Option<u64>) -> Option<Coded> {
        let held = self.org.and_then(|org| self.worker.encoders.hold(org, Encoder::size(coding)));
        let encoder = held.and_then(|held| Encoder::new(coding, length, held).ok());
        self.worker.metrics.encoded(encoder.as_ref().map(|_| coding));
        encoder.map(Coded::new)
    }

    fn is_head(&self) -> bool {
        self.permitted.head().method == Method::Head
    }

    fn is_upgrade(&self) -> bool {
        self.permitted.head().upgrade.is_some()
    }
}
