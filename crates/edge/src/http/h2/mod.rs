//! HTTP/2 on one connection (RFC 9113).
//!
//! One task per connection: it reads frames, runs the requests, and writes once per turn, so that all that a turn's
//! requests produced leaves in as few TLS records and system calls as possible. No buffer is held between turns.
//!
//! | file | what |
//! |---|---|
//! | [`frame`] | how frames look |
//! | [`core`] | streams, windows, what is to be sent |
//! | [`receive`], [`control`] | what each frame does to it |
//! | [`exchange`] | what a request's task does to it |
//! | [`windows`] | what a client may send |
//! | [`meter`] | what a client may do to us |
//! | here | the turn |
//!
//! Must never: let work go on that the client has cancelled beyond its turn, hold more heads than the limit, or take
//! two readings of a frame for possible.

mod bell;
mod control;
mod core;
mod exchange;
mod frame;
mod front;
mod head;
mod heads;
mod meter;
mod receive;
mod spare;
mod stream;
mod streams;
mod windows;

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    time::Duration,
};

use mezu_model::{Limits, Method, RequestHead, ResponseHead};
use tokio::time::timeout;

use self::{
    bell::Bell,
    core::{Core, Incoming},
    exchange::Exchange,
    frame::Reason,
    front::Front,
    head::Fault,
    streams::{Seat, Streams},
};
use super::{BadRequest, ConnInfo, Exchange as _, ResponseLength, Serve, drain::Drain, wire::Wire};
use crate::metrics::Shed;

/// How long a client may still send after our last frame.
const LINGER: Duration = Duration::from_secs(2);

/// Serves a connection to its end.
pub(crate) async fn serve<W: Wire, S: Serve>(io: W, conn: ConnInfo, service: Rc<S>, limits: Rc<Limits>, drain: Drain) {
    let core = Rc::new(RefCell::new(Core::new(limits.clone(), service.memory())));
    let shared = Rc::new(Shared { conn, service, limits, core, retained: Cell::new(0) });
    let bell = Bell::new();
    let at_streams = shared.clone();
    let streams = Streams::new(bell.clone(), |seat| serve_requests(at_streams.clone(), seat));
    let mut front = Front::new(io, shared, bell, streams, drain.watch());
    poll_fn(|cx| front.poll_turn(cx)).await;
    front.end_requests();
    let _ = timeout(LINGER, poll_fn(|cx| front.poll_linger(cx))).await;
}

struct Shared<S> {
    conn: ConnInfo,
    service: Rc<S>,
    limits: Rc<Limits>,
    core: Rc<RefCell<Core>>,
    /// Bytes of heads that requests under way hold.
    retained: Cell<usize>,
}

/// Serves one request after another, for ever.
async fn serve_requests<S: Serve>(shared: Rc<Shared<S>>, seat: Rc<Seat>) {
    loop {
        let incoming = seat.next().await;
        run(&shared, incoming).await;
    }
}

/// One request, from its head to the end of its answer.
async fn run<S: Serve>(shared: &Shared<S>, incoming: Incoming) {
    let Incoming { key, mut head, spare, length } = incoming;
    let declared = match length {
        Ok(declared) => declared,
        Err(Fault::Request(problem)) => return refuse(shared, key, &head, problem).await,
        Err(Fault::Protocol(problem)) => {
            shared.service.refuse(&shared.conn, problem, &mut ResponseHead::default()); // to be on record
            return shared.core.borrow_mut().forget_malformed(key);
        }
    };
    let size = head.headers.list_size() + head.path.len() + head.host.len();
    let Some(_held) = Held::new(&shared.retained, size, shared.limits.retained_header_bytes) else {
        shared.service.turned_away(Shed::RetainedHeads);
        return shared.core.borrow_mut().forget(key, Reason::Refused);
    };
    let mut exchange = Exchange::new(shared.core.clone(), key, &head, declared);
    shared.service.serve(&shared.conn, &mut head, &mut exchange).await;
    drop(exchange);
    heads::give_back(head, spare);
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

async fn refuse<S: Serve>(shared: &Shared<S>, key: usize, head: &RequestHead, problem: BadRequest) {
    let mut answer = ResponseHead::default();
    let mut data = shared.service.refuse(&shared.conn, problem, &mut answer);
    let mut exchange = Exchange::new(shared.core.clone(), key, head, None);
    exchange.start(&answer, ResponseLength::Sized(data.len() as u64));
    if head.method == Method::Head {
        data.clear();
    }
    if poll_fn(|cx| exchange.poll_send(cx, &mut data)).await.is_ok() {
        exchange.finish();
    }
}
