//! The engine's view of a real tunnel stream.

use std::task::{Context, Poll};

use mezu_model::{Headers, RequestHead, ResponseHead};
use mezu_tunnel::{
    Stream,
    proto::{Incoming as Raw, Reason, StreamError},
};

use super::{
    Fault,
    edge_stream::{EdgeStream, Incoming, Request},
};

/// A stream, and what is worth remembering of it.
pub(crate) struct Tunnelled {
    stream: Stream,
    /// Status of the final answer, once said.
    pub status: Option<u16>,
    /// The edge's direction has ended.
    ended: bool,
    /// READY was said and GO not yet heard: GO comes even after the end of the request.
    parked: bool,
}

impl Tunnelled {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, status: None, ended: false, parked: false }
    }

    /// The request that every stream begins with; its head is decoded into `head`. Says which workload it is for.
    pub(crate) async fn request(&mut self, mut head: RequestHead) -> Result<(u32, Request), Fault> {
        let request = match self.stream.recv().await.map_err(lost)? {
            Raw::Request(request) => request,
            _ => return Err(Fault::Internal),
        };
        let workload = request.decode(&mut head).map_err(|_| Fault::BadHead)?;
        let (context, park, end) = (*request.context(), request.is_parked(), request.ended());
        self.ended = end;
        Ok((workload, Request { context, head, body: request.into_body(), end, park }))
    }

    /// Gives the request up and says why.
    pub(crate) fn fail(&mut self, fault: Fault) {
        if fault != Fault::EdgeGone {
            self.stream.reset(reason(fault));
        }
    }
}

impl EdgeStream for Tunnelled {
    #[inline]
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Fault>> {
        if self.ended && !self.parked {
            return self.stream.poll_reset(cx).map(|error| Err(lost(error)));
        }
        match self.stream.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(lost(error))),
            Poll::Ready(Ok(raw)) => self.event(cx, raw),
        }
    }

    #[inline]
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8], end: bool) -> Poll<Result<usize, Fault>> {
        self.stream.poll_send(cx, data, end).map_err(lost)
    }

    #[inline]
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>> {
        self.stream.poll_room(cx).map_err(lost)
    }

    #[inline]
    fn send_response(&mut self, head: &ResponseHead, data: &[u8], end: bool) -> Result<usize, Fault> {
        if !head.is_interim() {
            self.status = Some(head.status);
        }
        self.stream.send_response(head, data, end).map_err(lost)
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), Fault> {
        self.stream.send_trailers(trailers).map_err(lost)
    }

    fn send_ready(&mut self) -> Result<(), Fault> {
        self.parked = true;
        self.stream.send_ready().map_err(lost)
    }
}

impl Tunnelled {
    fn event(&mut self, cx: &mut Context<'_>, raw: Raw) -> Poll<Result<Incoming, Fault>> {
        Poll::Ready(match raw {
            Raw::Data(data) => Ok(Incoming::Data(data)),
            Raw::Trailers(raw) => {
                // The end that follows says nothing more.
                self.ended = true;
                let mut fields = Headers::new();
                raw.decode(&mut fields).map(|()| Incoming::Trailers(fields)).map_err(|_| Fault::BadHead)
            }
            Raw::End => {
                self.ended = true;
                Ok(Incoming::End)
            }
            Raw::Go => {
                self.parked = false;
                Ok(Incoming::Go)
            }
            _ => {
                let _ = cx;
                Err(Fault::Internal)
            }
        })
    }
}

fn lost(error: StreamError) -> Fault {
    match error {
        StreamError::HeadTooLarge => Fault::BadResponse(super::BadResponse::TooLarge),
        StreamError::State => Fault::Internal,
        StreamError::Reset(_) | StreamError::Dead => Fault::EdgeGone,
    }
}

/// What the edge is told.
fn reason(fault: Fault) -> Reason {
    match fault {
        Fault::EdgeGone => Reason::Cancelled,
        Fault::Refused | Fault::ConnectTimeout => Reason::WorkloadUnreachable,
        Fault::Timeout => Reason::WorkloadTimeout,
        Fault::Closed | Fault::BadResponse(_) => Reason::WorkloadFailed,
        Fault::BadRequest | Fault::BadHead => Reason::BadHead,
        Fault::UnknownWorkload => Reason::Refused,
        Fault::Overloaded => Reason::Overloaded,
        Fault::Parked => Reason::ParkExpired,
        Fault::Internal => Reason::Internal,
    }
}
