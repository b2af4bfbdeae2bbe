//! One copy on its way: a stream to a gate, once, and an answer that nobody gets.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use mezu_tunnel::proto::{Incoming, OpenOptions};
use tokio::time::timeout;

use super::Copy;
use crate::gates::Miss;
use crate::hop::{self, Avoid, GateStream};
use crate::metrics::Copied;
use crate::worker::Worker;

/// Most body bytes that travel in the frame of the head.
const INLINE: usize = 16 * 1024;
/// Of an answer so much is read, so that its workload sees a client that listens; then it is cut off.
const READ: usize = 1024 * 1024;

/// Sends a copy. A workload has as long for it as for the first byte of an answer.
pub(super) async fn deliver(worker: &Worker, copy: Copy) {
    let Some((mut stream, mut rest)) = open(worker, &copy) else {
        return worker.metrics.copied(Copied::NoGate);
    };
    worker.metrics.copied(Copied::Sent);
    let mut left = READ;
    let exchange = poll_fn(|cx| poll(cx, &mut stream, &mut rest, &mut left));
    // In time or not: dropping the stream ends it.
    let _ = timeout(worker.limits().workload_first_byte, exchange).await;
}

/// A stream to a gate of the workload, here or on another worker, and what of the body is still to be sent.
fn open(worker: &Worker, copy: &Copy) -> Option<(GateStream, Option<Bytes>)> {
    let ways = worker.gates.ways(copy.workload);
    let inline = copy.body.get(..INLINE).unwrap_or(&copy.body);
    let end = inline.len() == copy.body.len();
    let options = OpenOptions { park: false, narrow: true, inline, end };
    let (stream, taken) = match worker.gates.open(&ways, None, &copy.context, &copy.head, &options) {
        Ok(sent) => (GateStream::Local(sent.stream, sent.place), sent.taken),
        Err(Miss::None) => {
            let none = Avoid::default();
            let stream = hop::open(worker, &ways, &copy.context, &copy.head, &options, none, false)?;
            (GateStream::Hop(stream), inline.len())
        }
        Err(Miss::Busy | Miss::HeadTooLarge) => return None,
    };
    let rest = copy.body.slice(taken.min(copy.body.len())..);
    Some((stream, (!(end && rest.is_empty())).then_some(rest)))
}

/// Sends the rest and reads the answer, until it has ended, broken or grown too long.
fn poll(cx: &mut Context<'_>, stream: &mut GateStream, rest: &mut Option<Bytes>, left: &mut usize) -> Poll<()> {
    while let Some(data) = rest {
        match stream.poll_send(cx, data, true) {
            Poll::Ready(Ok(())) if !data.is_empty() => {}
            // Sent, or not wanted.
            Poll::Ready(_) => *rest = None,
            Poll::Pending => break,
        }
    }
    loop {
        let bytes = match ready!(stream.poll_recv(cx)) {
            Ok(Incoming::Response(response)) if !response.ended() => response.body_len(),
            Ok(Incoming::Data(piece)) => piece.len(),
            Ok(Incoming::Trailers(_)) => 0,
            _ => return Poll::Ready(()),
        };
        match left.checked_sub(bytes) {
            Some(more) => *left = more,
            None => return Poll::Ready(()),
        }
    }
}
