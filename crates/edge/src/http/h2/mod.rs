//! HTTP/2 on one connection (RFC 9113), by the h2 crate with every limit set.
//!
//! One task per connection: it reads frames, runs the requests, and writes once per turn. Must never: let work go on
//! that the client has cancelled beyond its turn, hold more heads than the limit, or flush frame by frame.

mod exchange;
mod head;
mod meter;
mod streams;
mod turn;

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{Builder, Connection, SendResponse},
};
use http::Request;
use mezu_model::{Limits, Method, RequestHead, ResponseHead};
use tokio::time::{Instant, timeout};

use self::{
    exchange::Exchange,
    head::Fault,
    meter::Meter,
    streams::Streams,
    turn::{Bell, Gathering, TurnIo},
};
use crate::metrics::Shed;
use super::{
    ConnInfo, Exchange as _, ResponseLength, Serve,
    drain::{Drain, DrainWatch},
    pace::{Alarm, Pace},
    wire::Wire,
};

/// How long a client may still send after our last frame.
const LINGER: Duration = Duration::from_secs(2);
/// Rounds of one turn before other connections get theirs.
const ROUNDS: usize = 8;

type Incoming = (Request<RecvStream>, SendResponse<Bytes>);

/// Serves a connection to its end.
pub(crate) async fn serve<W: Wire, S: Serve>(io: W, conn: ConnInfo, service: Rc<S>, limits: Rc<Limits>, drain: Drain) {
    let gathering = Rc::new(RefCell::new(Gathering::new(io, Meter::new(&limits))));
    let handshake = builder(&limits).handshake::<_, Bytes>(TurnIo(gathering.clone()));
    let mut handshake = std::pin::pin!(handshake);
    let greet = poll_fn(|cx| {
        let done = handshake.as_mut().poll(cx);
        let _ = gathering.borrow_mut().poll_end_turn(cx); // an error comes back with the next read
        done
    });
    let Ok(Ok(connection)) = timeout(limits.header_read, greet).await else { return };
    let shared = Rc::new(Shared { conn, service, limits, retained: Cell::new(0) });
    let bell = Bell::new();
    let streams = Streams::new(bell.clone());
    let mut front = Front {
        connection,
        gathering: gathering.clone(),
        waker: Waker::from(bell.clone()),
        bell,
        ready: Vec::new(),
        streams,
        admit: |shared: &Rc<Shared<S>>, incoming| run(shared.clone(), incoming),
        watch: drain.watch(),
        opened: 0,
        going_away: false,
        idle_since: None,
        alarm: Alarm::default(),
        writing: Pace::new(&shared.limits),
        unsent: 0,
        shared,
    };
    poll_fn(|cx| front.poll_turn(cx)).await;
    let _ = timeout(LINGER, poll_fn(|cx| gathering.borrow_mut().poll_linger(cx))).await;
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(limits.h2_stream_window)
        .initial_connection_window_size(limits.h2_connection_window)
        .max_frame_size(16 * 1024)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.concurrent_streams)
        .max_concurrent_reset_streams(20)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(Some(limits.server_resets as usize))
        .reset_stream_duration(Duration::from_secs(1))
        .max_send_buffer_size(limits.stream_buffer)
        .header_table_size(4096)
        .enable_connect_protocol();
    builder
}

struct Shared<S> {
    conn: ConnInfo,
    service: Rc<S>,
    limits: Rc<Limits>,
    /// Bytes of heads that requests under way hold.
    retained: Cell<usize>,
}

/// One request, from its head to the end of its answer.
async fn run<S: Serve>(shared: Rc<Shared<S>>, (request, mut respond): Incoming) {
    let (parts, body) = request.into_parts();
    let (mut head, mut spare) = (RequestHead::default(), String::new());
    let facts = match head::request(&parts, &mut head, &mut spare, &shared.limits) {
        Ok(facts) => facts,
        Err(Fault::Request(problem)) => return refuse(&shared, &parts.method, body, respond, problem).await,
        Err(Fault::Protocol(problem)) => {
            shared.service.refuse(&shared.conn, problem, &mut ResponseHead::default()); // to be on record
            return respond.send_reset(Reason::PROTOCOL_ERROR);
        }
    };
    drop(parts);
    let size = head.headers.list_size() + head.path.len() + head.host.len();
    let Some(_held) = Held::new(&shared.retained, size, shared.limits.retained_header_bytes) else {
        shared.service.turned_away(Shed::RetainedHeads);
        return respond.send_reset(Reason::REFUSED_STREAM);
    };
    let mut exchange = Exchange::new(body, respond, &head, facts, shared.limits.clone());
    shared.service.serve(&shared.conn, &mut head, &mut exchange).await;
    exchange.close();
}

/// Counts a head against the connection while its request is under way.
struct Held<'c> {
    total: &'c Cell<usize>,
    size: usize,
}

impl<'c> Held<'c> {
    fn new(total: &'c Cell<usize>, size: usize, limit: usize) -> Option<Self> {
        let sum = total.get() + size;
        (sum <= limit).then(|| {
            total.set(sum);
            Self { total, size }
        })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.size);
    }
}

async fn refuse<S: Serve>(
    shared: &Shared<S>,
    method: &http::Method,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    problem: super::BadRequest,
) {
    let bodiless = method == http::Method::HEAD;
    let head = RequestHead { method: if bodiless { Method::Head } else { Method::Get }, ..RequestHead::default() };
    let mut answer = ResponseHead::default();
    let mut data = shared.service.refuse(&shared.conn, problem, &mut answer);
    let facts = head::Facts { content_length: None };
    let mut exchange = Exchange::new(body, respond, &head, facts, shared.limits.clone());
    exchange.start(&answer, ResponseLength::Sized(data.len() as u64));
    if bodiless {
        data.clear();
    }
    if poll_fn(|cx| exchange.poll_send(cx, &mut data)).await.is_ok() {
        exchange.finish();
    }
    exchange.close();
}

struct Front<W, S, F, A> {
    connection: Connection<TurnIo<W>, Bytes>,
    gathering: Rc<RefCell<Gathering<W>>>,
    bell: Arc<Bell>,
    waker: Waker,
    ready: Vec<usize>,
    streams: Streams<F>,
    admit: A,
    shared: Rc<Shared<S>>,
    watch: DrainWatch,
    opened: u32,
    going_away: bool,
    idle_since: Option<Instant>,
    alarm: Alarm,
    /// How fast the client takes what we send, over all streams.
    writing: Pace,
    unsent: usize,
}

impl<W: Wire, S: Serve, F: Future<Output = ()>, A: Fn(&Rc<Shared<S>>, Incoming) -> F> Front<W, S, F, A> {
    /// Polls whoever has something to do, until nobody has, then writes. Ready when the connection is over.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.bell.begin();
        for _ in 0..ROUNDS {
            let connection = self.bell.take(&mut self.ready);
            if !connection && self.ready.is_empty() {
                break;
            }
            let mut ready = std::mem::take(&mut self.ready);
            ready.drain(..).for_each(|index| self.streams.poll(index));
            self.ready = ready;
            if self.poll_connection().is_ready() {
                return Poll::Ready(());
            }
        }
        if self.poll_write(cx).is_err() || self.poll_deadlines(cx).is_ready() {
            return Poll::Ready(());
        }
        if !self.bell.end(cx) {
            cx.waker().wake_by_ref(); // the others first
        }
        Poll::Pending
    }

    /// Reads frames, takes requests in, turns what the streams did into frames.
    fn poll_connection(&mut self) -> Poll<()> {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        loop {
            match self.connection.poll_accept(&mut cx) {
                Poll::Ready(Some(Ok(incoming))) => self.accept(incoming),
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        let exceeded = self.gathering.borrow().meter.exceeded();
        if let Some(rule) = exceeded {
            tracing::debug!(client = %self.shared.conn.client, rule, "HTTP/2 budget exceeded");
            self.shared.service.turned_away(Shed::Flood);
            self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            let _ = self.connection.poll_closed(&mut cx);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn accept(&mut self, (request, mut respond): Incoming) {
        self.idle_since = None;
        self.opened += 1;
        if self.opened >= self.shared.limits.streams_per_connection {
            self.go_away();
        }
        // What the client has reset but we still work on counts too (threat 7).
        if self.streams.len() >= self.shared.limits.concurrent_streams as usize {
            self.shared.service.turned_away(Shed::Streams);
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        self.streams.add((self.admit)(&self.shared, (request, respond)));
    }

    /// Two-step GOAWAY: requests that are on their way are still answered.
    fn go_away(&mut self) {
        if !std::mem::replace(&mut self.going_away, true) {
            self.connection.graceful_shutdown();
            self.waker.wake_by_ref();
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut gathering = self.gathering.borrow_mut();
        // The connection's own waker: when there is room again, the h2 crate may have frames that waited for it.
        let done = gathering.poll_end_turn(&mut Context::from_waker(&self.waker))?;
        let unsent = gathering.unsent();
        drop(gathering);
        if self.writing.is_waiting() {
            self.writing.moved(self.unsent.saturating_sub(unsent));
        }
        self.unsent = unsent;
        if done.is_pending() && self.writing.poll_too_slow(cx, &mut self.alarm).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// Drain, and the end of idle connections.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.watch.poll(cx).is_some() {
            self.go_away();
        }
        if self.streams.len() > 0 {
            self.idle_since = None;
            return Poll::Pending;
        }
        self.streams.shrink();
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        let mut deadline = since + self.shared.limits.keep_alive_h2;
        if self.going_away {
            // The client had its chance to close.
            deadline = since + self.shared.limits.header_read;
        }
        ready!(self.alarm.poll_until(cx, deadline));
        if self.going_away {
            return Poll::Ready(());
        }
        self.go_away();
        self.idle_since = None;
        Poll::Pending
    }
}
