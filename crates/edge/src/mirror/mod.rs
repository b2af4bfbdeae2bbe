//! Copies of requests, sent to another workload beside the request (`mezu_policy::mirror`).
//!
//! A request leaves its copy in a queue and hears no more of it: tasks of their own send copies, read the answers and
//! throw them away. What is under way is bounded per route and per worker, and what finds no place is not copied. Must
//! never make a request wait or fail, send a copy twice, or send one of which the workload cannot tell that it is one.

mod send;
mod tap;

use std::rc::Rc;

use bytes::Bytes;
use mezu_model::{Context, Limits, RequestHead, RouteId, WorkloadId, fields, known};
use mezu_policy::Permitted;
use mezu_runtime::{Scope, spawn_local};
use tokio::sync::mpsc;

pub(crate) use self::tap::Tap;
use crate::http::BodyLength;
use crate::metrics::Copied;
use crate::room::{Held, Room};
use crate::worker::Worker;

/// Where requests leave their copies.
#[derive(Debug)]
pub(crate) struct Mirrors {
    room: Room<RouteId>,
    queue: mpsc::Sender<Copy>,
}

/// A whole request, to be sent.
#[derive(Debug)]
pub(crate) struct Copy {
    workload: WorkloadId,
    context: Context,
    head: RequestHead,
    body: Bytes,
    _place: Held<RouteId>,
}

impl Mirrors {
    pub(crate) fn new(limits: &Limits) -> (Self, mpsc::Receiver<Copy>) {
        let (queue, copies) = mpsc::channel(limits.copies.max(1));
        (Self { room: Room::new(limits.copies, limits.copies_per_route), queue }, copies)
    }
}

/// Copies a request that is to be copied: at once, if all of it is here, or with what this gives once its body has passed.
pub(crate) fn copy(
    worker: &Worker,
    permitted: &Permitted<'_>,
    body: BodyLength,
    route: Option<RouteId>,
) -> Option<Box<Tap>> {
    let copying = permitted.copying()?;
    if matches!(body, BodyLength::Sized(bytes) if bytes > u64::from(copying.body_bytes)) {
        worker.metrics.copied(Copied::TooLong);
        return None;
    }
    let Some(place) = route.and_then(|route| worker.mirrors.room.hold(route, 1)) else {
        worker.metrics.copied(Copied::Busy);
        return None;
    };
    let tap = Tap::new(copying, place);
    if body == BodyLength::Empty {
        send(worker, permitted, tap);
        return None;
    }
    Some(Box::new(tap))
}

/// Leaves the copy of a request whose body has passed to be sent, if it is one that can be.
pub(crate) fn send(worker: &Worker, permitted: &Permitted<'_>, tap: Tap) {
    let Tap { workload, place, body, is_spoilt, .. } = tap;
    if is_spoilt {
        return worker.metrics.copied(Copied::TooLong);
    }
    let mut head = permitted.head().clone();
    // All of it is sent at once.
    head.headers.remove(known::EXPECT);
    head.headers.push_wire(fields::MIRROR, b"1");
    let copy = Copy { workload, context: *permitted.context(), head, body: body.into(), _place: place };
    // There are no more of them than the queue has room for.
    if worker.mirrors.queue.try_send(copy).is_err() {
        worker.metrics.copied(Copied::Busy);
    }
}

/// Sends the copies of a worker's requests for as long as the worker lives.
pub(crate) async fn run(worker: Rc<Worker>, mut copies: mpsc::Receiver<Copy>) {
    // Nobody waits for them to end: they go with the worker.
    let scope = Scope::new();
    while let Some(copy) = copies.recv().await {
        let worker = Rc::clone(&worker);
        spawn_local(&scope, "mirror", async move { send::deliver(&worker, copy).await });
    }
}
