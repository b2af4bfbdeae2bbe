//! Answers of the edge itself, written to the client.

use std::future::poll_fn;

use bytes::Bytes;
use mezu_model::{Context, Method, Protocol, RequestHead, ResponseHead, Scheme};
use mezu_policy::{Reply, Stop};

use crate::answer::{self, EdgeError};
use crate::http::{Alpn, BadRequest, ConnInfo, Exchange, ResponseLength};
use crate::observe::Watch;
use crate::worker::Worker;

/// What the edge answers of its own: that something went wrong, or what a route is configured to say.
#[derive(Debug)]
pub(crate) enum Own {
    Error(EdgeError),
    Reply(Box<Reply>),
}

impl From<EdgeError> for Own {
    fn from(error: EdgeError) -> Self {
        Self::Error(error)
    }
}

impl From<Stop> for Own {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(answer) => Self::Error(answer.into()),
            Stop::Replied(reply) => Self::Reply(reply),
        }
    }
}

/// What is known of the client beside the head.
pub(crate) fn context(conn: &ConnInfo, protocol: Protocol) -> Context {
    Context {
        ray: mezu_runtime::id::ray(),
        client: conn.client,
        scheme: Scheme::Https,
        port: conn.local_port,
        protocol,
    }
}

impl Worker {
    /// The first gate of a request: whether there is room for one more.
    pub(crate) fn admit(&self) -> Result<(), EdgeError> {
        // The request is counted already.
        if self.in_flight.get() > self.shared.in_flight_per_worker {
            return Err(EdgeError::Overloaded("requests in flight"));
        }
        Ok(())
    }

    /// How many more requests there may be.
    pub(crate) fn free(&self) -> usize {
        self.shared.in_flight_per_worker.saturating_sub(self.in_flight.get())
    }

    /// Tells the client, if it can still be told; else breaks the answer off visibly.
    pub(crate) async fn answer<X: Exchange>(&self, own: Own, watch: &mut Watch<'_>, exchange: &mut X) {
        match &own {
            Own::Error(error) => {
                watch.record.failure = Some(error.code());
                watch.record.stage = error.stage();
            }
            Own::Reply(reply) => watch.record.stage = Some(reply.stage),
        }
        if exchange.started() {
            return exchange.abort();
        }
        let mut answer = self.spare_head();
        let mut body = match own {
            Own::Error(error) => answer::render(&error, Some(watch.head), watch.context.ray, &mut answer),
            Own::Reply(reply) => answer::reply(*reply, watch.context.ray, &mut answer),
        };
        watch.beside.put_on(&mut answer);
        watch.record.status = answer.status;
        let length = if body.is_empty() { ResponseLength::Empty } else { ResponseLength::Sized(body.len() as u64) };
        exchange.start(&answer, length);
        // Its length is told and nothing follows (RFC 9110 §9.3.2).
        if watch.head.method == Method::Head {
            body.clear();
        }
        let size = body.len() as u64;
        self.give_back_head(answer);
        if poll_fn(|cx| exchange.poll_send(cx, &mut body)).await.is_ok() {
            watch.record.bytes_out += size;
            exchange.finish();
        }
    }

    /// The answer to what could not be read as a request.
    pub(crate) fn answer_unread(&self, conn: &ConnInfo, problem: BadRequest, answer: &mut ResponseHead) -> Bytes {
        let protocol = if conn.alpn == Alpn::H2 { Protocol::H2 } else { Protocol::H1 };
        let context = context(conn, protocol);
        let error = EdgeError::BadRequest(problem);
        let body = answer::render(&error, None, context.ray, answer);
        // The name that the connection was made for is the best that is known.
        let host = conn.sni.as_deref().unwrap_or_default().to_owned();
        let mut head = RequestHead { host, ..RequestHead::default() };
        let mut watch = Watch::open(self, context, &mut head);
        let record = &mut watch.record;
        (record.status, record.failure, record.bytes_out) = (answer.status, Some(error.code()), body.len() as u64);
        watch.finish();
        body
    }
}
