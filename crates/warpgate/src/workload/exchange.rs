//! One try at one request over one HTTP/1.1 connection: the upload and the answer at the same time, in one task.
//!
//! The answer may begin, and end, before the upload does. Every byte read is passed on before more is read, so a slow
//! client slows the workload and fills no memory.

mod download;
mod upload;

pub(crate) use upload::push_hex;

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use self::{
    download::Download,
    upload::{Upload, UploadState},
};
use super::{
    Fault, Shared,
    connection::Connection,
    edge_stream::EdgeStream,
    request::Framing,
    response::{Asked, Reader},
    websocket::Handshake,
};

/// So much more of an upload is passed on after the end of its answer: then the connection can be kept. Past it, a new
/// connection is cheaper.
pub(crate) const MAX_REST: usize = 64 * 1024;
/// How long that may take.
const REST_WAIT: Duration = Duration::from_secs(1);

/// A try under way.
pub(crate) struct Exchange<'a, S> {
    stream: &'a mut S,
    shared: &'a Shared,
    connection: &'a mut Connection,
    handshake: Option<&'a Handshake>,
    /// What a WebSocket client sent before it had its answer.
    early: Bytes,
    reader: Reader,
    upload: Upload,
    download: Download,
    /// Bytes of the request that reached the kernel, at least one of the response's.
    pub touched: Touched,
    /// Whether the connection carries raw bytes both ways, after a 101.
    raw: bool,
    /// Whether something moved since the clock was last set.
    moved: bool,
    /// Body bytes passed on since the answer ended, once it has ended before the upload.
    rest: Option<usize>,
}

/// How far a try got, which decides whether another may follow.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Touched {
    pub wrote: bool,
    pub heard: bool,
    /// Body was taken from the stream, so that the request cannot be said again.
    pub took: bool,
    /// An interim answer went to the edge.
    pub answered: bool,
}

/// How a try ended well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished {
    /// The connection may serve another request.
    pub reusable: bool,
    pub idle_hint: Option<u64>,
    /// The edge's end of the body was seen.
    pub heard_end: bool,
}

impl<'a, S: EdgeStream> Exchange<'a, S> {
    /// The head, and what is buffered of the body, must stand in `connection.out`; `buffered` body bytes are in it.
    pub(crate) fn new(
        stream: &'a mut S,
        shared: &'a Shared,
        connection: &'a mut Connection,
        asked: Asked,
        framing: Framing,
        (buffered, ended): (usize, bool),
        handshake: Option<(&'a Handshake, Bytes)>,
    ) -> Self {
        let (handshake, early) = handshake.map_or((None, Bytes::new()), |(shake, early)| (Some(shake), early));
        let left = match framing {
            Framing::Length(length) => length.saturating_sub(buffered as u64),
            _ => 0,
        };
        let state = if ended { UploadState::Ended } else { UploadState::Flowing };
        connection.clock.as_mut().reset(Instant::now() + shared.limits.workload_first_byte);
        Self {
            stream,
            shared,
            connection,
            handshake,
            early,
            reader: Reader::new(asked),
            upload: Upload { framing, left, state },
            download: Download::default(),
            touched: Touched::default(),
            raw: false,
            moved: false,
            rest: None,
        }
    }

    /// Runs the try to its end.
    pub(crate) async fn run(&mut self) -> Result<Finished, Fault> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Finished, Fault>> {
        if self.rest.is_some() {
            return self.poll_rest(cx).map(Ok);
        }
        self.poll_upload(cx)?;
        if let Poll::Ready(done) = self.poll_download(cx) {
            done?;
            if !self.is_worth_finishing() {
                return Poll::Ready(Ok(self.finished()));
            }
            self.rest = Some(0);
            self.connection.clock.as_mut().reset(Instant::now() + REST_WAIT);
            return self.poll_rest(cx).map(Ok);
        }
        // The 101 may just have been read, which opens the way up.
        if self.raw && self.upload.state != UploadState::Done {
            self.poll_upload(cx)?;
        }
        self.poll_clock(cx)
    }

    /// Whether the rest of an upload whose answer has ended may save the connection.
    fn is_worth_finishing(&self) -> bool {
        let short = match (self.upload.state, self.upload.framing) {
            (UploadState::Flowing, Framing::Length(_)) => (1..=MAX_REST as u64).contains(&self.upload.left),
            (UploadState::Flowing | UploadState::Ended, _) => true,
            (UploadState::Done | UploadState::Broken, _) => false,
        };
        short && self.handshake.is_none() && self.reader.awaits_body() && !self.download.surplus
    }

    /// Passes on what is left of the upload. The answer stands, so nothing here is a fault.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        let moved = self.poll_upload(cx);
        let over = moved.is_err()
            || matches!(self.upload.state, UploadState::Done | UploadState::Broken)
            || self.has_passed_enough();
        if !over {
            ready!(self.connection.clock.as_mut().poll(cx));
        }
        let finished = self.finished();
        // Nobody need listen longer to an edge that gave up, or that has had its time.
        Poll::Ready(Finished { heard_end: finished.heard_end || moved.is_err() || !over, ..finished })
    }

    fn has_passed_enough(&self) -> bool {
        self.rest.is_some_and(|passed| passed > MAX_REST)
    }

    fn finished(&self) -> Finished {
        let sent = match self.upload.state {
            UploadState::Done => true,
            UploadState::Flowing => matches!(self.upload.framing, Framing::Length(_)) && self.upload.left == 0,
            UploadState::Ended | UploadState::Broken => false,
        };
        Finished {
            reusable: sent && self.reader.keeps_alive() && !self.download.surplus && self.connection.is_flushed(),
            idle_hint: self.reader.idle_hint(),
            heard_end: self.upload.state != UploadState::Flowing,
        }
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<Result<Finished, Fault>> {
        loop {
            ready!(self.connection.clock.as_mut().poll(cx));
            if !self.moved {
                return Poll::Ready(Err(Fault::Timeout));
            }
            self.moved = false;
            let wait = if self.reader.has_begun() {
                self.shared.limits.stream_idle_long
            } else {
                self.shared.limits.workload_first_byte
            };
            self.connection.clock.as_mut().reset(Instant::now() + wait);
        }
    }
}
