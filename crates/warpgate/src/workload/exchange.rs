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
        }
    }

    /// Runs the try to its end.
    pub(crate) async fn run(&mut self) -> Result<Finished, Fault> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Finished, Fault>> {
        self.poll_upload(cx)?;
        if let Poll::Ready(done) = self.poll_download(cx) {
            return Poll::Ready(done.map(|()| self.finished()));
        }
        // The 101 may just have been read, which opens the way up.
        if self.raw && self.upload.state != UploadState::Done {
            self.poll_upload(cx)?;
        }
        self.poll_clock(cx)
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
