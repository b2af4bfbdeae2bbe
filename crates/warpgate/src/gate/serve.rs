//! Requests of the sessions. A task that has answered one waits for the next: making a task costs an allocation and
//! moves about a kilobyte, which a request of a few microseconds notices.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    time::{Instant, SystemTime},
};

use mezu_model::RequestHead;
use mezu_runtime::spawn_local;
use mezu_tunnel::{Session, Stream};

use super::Gate;
use crate::{
    stats::Seen,
    workload::{Fault, edge_stream::Request, forward, tunnelled::Tunnelled},
};

/// Tasks that may wait for work; more end when they have none.
const MAX_WAITING: usize = 64;

/// The tasks without work, the one that had some last on top.
#[derive(Default)]
pub(crate) struct Crew {
    waiting: RefCell<Vec<Rc<Seat>>>,
    dismissed: Cell<bool>,
}

/// Where a waiting task is given its next stream.
#[derive(Default)]
struct Seat {
    stream: Cell<Option<Stream>>,
    waker: Cell<Option<Waker>>,
}

impl Seat {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Crew {
    /// Whoever waits may go home; whoever works goes when done.
    pub(crate) fn dismiss(&self) {
        self.dismissed.set(true);
        self.waiting.borrow_mut().drain(..).for_each(|seat| seat.wake());
    }

    /// Gives a stream to a task that waits, or back if none does.
    fn give(&self, stream: Stream) -> Result<(), Stream> {
        let Some(seat) = self.waiting.borrow_mut().pop() else { return Err(stream) };
        seat.stream.set(Some(stream));
        seat.wake();
        Ok(())
    }

    /// Waits in `seat` for work; `None` when there will be none.
    async fn work(&self, seat: &Rc<Seat>) -> Option<Stream> {
        if self.dismissed.get() || self.waiting.borrow().len() >= MAX_WAITING {
            return None;
        }
        self.waiting.borrow_mut().push(seat.clone());
        poll_fn(|cx| match seat.stream.take() {
            Some(stream) => Poll::Ready(Some(stream)),
            None if self.dismissed.get() => Poll::Ready(None),
            None => {
                seat.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

/// Takes requests until the session ends.
pub(crate) async fn session(gate: Rc<Gate>, id: u64, session: Session) {
    while let Some(stream) = session.accept().await {
        if let Err(stream) = gate.crew.give(stream) {
            spawn_local(&gate.requests, "requests", work(gate.clone(), stream));
        }
    }
    gate.sessions.borrow_mut().retain(|held| held.id != id);
}

async fn work(gate: Rc<Gate>, stream: Stream) {
    let seat = Rc::new(Seat::default());
    let mut head = RequestHead::default();
    let mut next = Some(stream);
    while let Some(stream) = next {
        head = request(&gate, stream, head).await;
        next = gate.crew.work(&seat).await;
    }
}

/// Answers one request; gives the head back, to be used again.
async fn request(gate: &Gate, stream: Stream, head: RequestHead) -> RequestHead {
    let stats = &gate.shared.stats;
    let _counted = stats.begin();
    let mut stream = Tunnelled::new(stream);
    let began = stats.is_watched().then(Instant::now);
    let (index, mut request) = match stream.request(head).await {
        Ok(asked) => asked,
        Err(fault) => {
            stream.fail(fault);
            return RequestHead::default();
        }
    };
    let workload = usize::try_from(index).ok().and_then(|index| gate.workloads.get(index));
    let served = match workload {
        Some(workload) => workload.serve(&mut stream, &mut request).await,
        None => Err(Fault::UnknownWorkload),
    };
    if let Err(fault) = served {
        tracing::debug!(%fault, "request not answered");
        stream.fail(fault);
        // A client that leaves is no failure of ours.
        if fault != Fault::EdgeGone {
            stats.note_failure();
        }
    }
    if let Some(began) = began {
        let fault = served.err().filter(|fault| *fault != Fault::EdgeGone);
        remember(gate, index, &request, stream.status, fault, began);
    }
    request.head
}

#[cold]
fn remember(gate: &Gate, workload: u32, request: &Request, status: Option<u16>, fault: Option<Fault>, began: Instant) {
    gate.shared.stats.remember(Seen {
        at: SystemTime::now(),
        workload,
        method: request.head.method.to_string(),
        path: request.head.path.clone(),
        status,
        fault: fault.map(|fault| fault.to_string()),
        took: began.elapsed(),
        client: forward::shown(request.context.client),
    });
}
