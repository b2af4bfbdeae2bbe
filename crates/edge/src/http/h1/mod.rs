//! HTTP/1.1 and 1.0 on one connection (RFC 9112): read a head, have it answered, read the next.
//!
//! Must never: take a byte for part of two messages, serve anything behind a message it refused, or hold buffers
//! while no request is under way.

mod body;
mod encode;
mod exchange;
mod link;
mod parse;
mod upgrade;
mod warm;

#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use mezu_model::Limits;
use tokio::time::Instant;

use self::{
    body::{Decoder, Step},
    encode::{BodyFraming, Persistence},
    exchange::{After, Exchange},
    link::Link,
    parse::{Framing, Search},
};
use super::{
    BadRequest, ConnInfo, Serve,
    drain::{Drain, DrainWatch},
    wire::Wire,
};

/// Once the drain has begun, idle clients get this long to send one more request, which is answered with
/// `connection: close`: closing at once would race with requests already on their way.
const DRAIN_IDLE: Duration = Duration::from_secs(5);
/// After so long without a request a connection gives up its last buffer.
const SETTLE: Duration = Duration::from_secs(1);
/// How long and how much is read and thrown away after a last answer, so that no reset overtakes it (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 * 1024;

/// Serves a connection to its end.
pub(crate) async fn serve<W: Wire, S: Serve>(io: W, conn: ConnInfo, service: Rc<S>, limits: Rc<Limits>, drain: Drain) {
    let mut front = Front::new(io, &limits, drain.watch());
    loop {
        let framing = match poll_fn(|cx| front.poll_head(cx)).await {
            Head::Request(framing) => framing,
            Head::Refused(problem) => return front.refuse(&conn, &*service, problem).await,
            Head::Closed => return front.shut_down().await,
        };
        let mut head = std::mem::take(&mut front.link.warm.head);
        let mut exchange = Exchange::new(&mut front.link, framing, &head, front.watch.is_draining());
        service.serve(&conn, &mut head, &mut exchange).await;
        let after = exchange.after();
        front.link.warm.head = head;
        match after {
            After::Next(mut decoder) => {
                if !poll_fn(|cx| front.poll_between(cx, &mut decoder)).await {
                    return front.shut_down().await;
                }
                front.restart();
            }
            After::Close => return front.shut_down().await,
            // What was answered so far may go out; that it is not whole shows in its framing.
            After::Break => return poll_fn(|cx| front.poll_parting(cx)).await,
        }
    }
}

/// Reads heads from one connection.
struct Front<'l, W> {
    link: Link<'l, W>,
    watch: DrainWatch,
    /// Whether `link.warm` is more than a placeholder.
    holds: bool,
    search: Search,
    /// An empty line before a request is forgiven once (RFC 9112 §2.2).
    skipped_line: bool,
    idle_since: Option<Instant>,
    head_since: Option<Instant>,
    /// Bytes read after the answer, and since when.
    discarded: usize,
    discarding_since: Option<Instant>,
}

enum Head {
    Request(Framing),
    Refused(BadRequest),
    /// Between two requests: the client left, or its time was up.
    Closed,
}

impl<'l, W: Wire> Front<'l, W> {
    fn new(io: W, limits: &'l Limits, watch: DrainWatch) -> Self {
        Self {
            link: Link::new(io, limits),
            watch,
            holds: false,
            search: Search::default(),
            skipped_line: false,
            idle_since: None,
            head_since: None,
            discarded: 0,
            discarding_since: None,
        }
    }

    fn restart(&mut self) {
        self.link.restart();
        self.link.warm.clear_head();
        self.search = Search::default();
        (self.skipped_line, self.idle_since, self.head_since) = (false, None, None);
        (self.discarded, self.discarding_since) = (0, None);
    }

    /// Waits for the next head. Holds no buffers while nothing of it is here.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Head> {
        loop {
            match self.parse() {
                Ok(Some(framing)) => return Poll::Ready(Head::Request(framing)),
                Ok(None) => {}
                Err(problem) => return Poll::Ready(Head::Refused(problem)),
            }
            let idle = self.link.warm.input.is_empty();
            if !std::mem::replace(&mut self.holds, true) {
                self.link.warm = warm::take();
            }
            match self.link.poll_fill(cx) {
                Poll::Ready(Ok(n)) if n > 0 => {}
                Poll::Ready(_) => return Poll::Ready(Head::Closed),
                Poll::Pending if idle => return self.poll_idle(cx).map(|()| Head::Closed),
                Poll::Pending => {
                    let since = *self.head_since.get_or_insert_with(Instant::now);
                    ready!(self.link.alarm.poll_until(cx, since + self.link.limits.header_read));
                    return Poll::Ready(Head::Refused(BadRequest::Timeout));
                }
            }
        }
    }

    fn parse(&mut self) -> Result<Option<Framing>, BadRequest> {
        let warm = &mut self.link.warm;
        if !self.skipped_line && matches!(warm.input.as_ref(), [b'\r'] | [b'\r', b'\n', ..]) {
            if warm.input.len() == 1 {
                return Ok(None);
            }
            warm.input.advance(2);
            self.skipped_line = true;
        }
        let Some(end) = self.search.head_end(&warm.input, self.link.limits)? else {
            return Ok(None);
        };
        let bytes = warm.input.get(..end).unwrap_or_default();
        let framing = parse::parse(bytes, &mut warm.head, &mut warm.query, self.link.limits);
        warm.input.advance(end);
        framing.map(Some)
    }

    /// Nothing of a request is here: gives the buffers back and waits. Ready when the idle time is over.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.holds) {
            warm::give_back(std::mem::take(&mut self.link.warm));
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        if self.link.io.unsent() > 0 {
            // A session ticket that waited for a first answer to leave with: it waits in a buffer.
            ready!(self.link.alarm.poll_until(cx, since + SETTLE));
            let _ = self.link.poll_flush(cx);
        }
        let mut deadline = since + self.link.limits.keep_alive_h1;
        if let Some(began) = self.watch.poll(cx) {
            deadline = deadline.min(began.max(since) + DRAIN_IDLE);
        }
        self.link.alarm.poll_until(cx, deadline)
    }

    /// After an answer: puts it on the wire and the rest of the request body out of the way. False when that is too
    /// much, too slow or malformed: then the connection cannot be used again (threat 6).
    fn poll_between(&mut self, cx: &mut Context<'_>, decoder: &mut Decoder) -> Poll<bool> {
        if ready!(self.link.poll_flush(cx)).is_err() {
            return Poll::Ready(false);
        }
        loop {
            match decoder.step(&mut self.link.warm.input, self.link.limits) {
                Ok(Step::End) => return Poll::Ready(true),
                Ok(Step::Data(n)) => {
                    self.link.warm.input.advance(n);
                    decoder.took(n);
                    self.discarded += n;
                }
                Ok(Step::Trailers(_)) => {}
                Ok(Step::More) => match self.link.poll_fill(cx) {
                    Poll::Ready(Ok(n)) if n > 0 => {}
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending => {
                        ready!(self.poll_discard_deadline(cx));
                        return Poll::Ready(false);
                    }
                },
                Err(_) => return Poll::Ready(false),
            }
            if self.discarded > self.link.limits.drain_body {
                return Poll::Ready(false);
            }
        }
    }

    fn poll_discard_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.discarding_since.get_or_insert_with(Instant::now);
        self.link.alarm.poll_until(cx, since + LINGER)
    }

    /// Writes what can be written without waiting.
    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = self.link.poll_flush(cx);
        Poll::Ready(())
    }

    async fn refuse<S: Serve>(&mut self, conn: &ConnInfo, service: &S, problem: BadRequest) {
        let warm = &mut self.link.warm;
        let body = service.refuse(conn, problem, &mut warm.refusal);
        encode::head(&mut warm.out, &warm.refusal, BodyFraming::Length(body.len() as u64), Persistence::Close);
        warm.out.extend_from_slice(&body);
        self.shut_down().await;
    }

    /// Flushes, closes our side, and lets the client read before the socket goes.
    async fn shut_down(&mut self) {
        (self.discarded, self.discarding_since) = (0, None);
        poll_fn(|cx| self.poll_shut_down(cx)).await;
    }

    fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if ready!(self.link.poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        while self.discarded < LINGER_BYTES {
            match self.link.poll_discard(cx) {
                Poll::Ready(Ok(n)) if n > 0 => self.discarded += n,
                Poll::Ready(_) => break,
                Poll::Pending => return self.poll_discard_deadline(cx),
            }
        }
        Poll::Ready(())
    }
}
