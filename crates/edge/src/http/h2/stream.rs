//! One stream's state (RFC 9113 §5).

use std::task::{Context, Waker};

use bytes::{Bytes, BytesMut};
use mezu_model::Headers;

use super::windows::StreamWindow;
use crate::http::ClientGone;

/// Data in pieces smaller than this is gathered in a buffer of the stream, so that a slow reader does not pin the
/// connection's much larger one.
const SMALL: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// Data that the request's task has not taken: first `whole`, then `more`.
    whole: Bytes,
    more: BytesMut,
    pub(super) trailers: Option<Headers>,
    /// What the client may still send.
    pub(super) window: StreamWindow,
    /// END_STREAM or a reset came: no more frames are expected.
    pub(super) received_all: bool,
    /// Bytes that `content-length` still promises.
    pub(super) promised: Option<u64>,
    pub(super) send_window: i64,
    /// We have sent END_STREAM or a reset.
    pub(super) sent_all: bool,
    /// Where our last DATA frame begins in the out buffer, and in which round of it.
    pub(super) last_data: Option<(u32, usize)>,
    pub(super) gone: Option<ClientGone>,
    /// Whether it stands in the queue for the connection's window or buffer.
    pub(super) queued: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Stream {
    pub(super) fn new(id: u32, window: u32, send_window: i64) -> Self {
        Self {
            id,
            whole: Bytes::new(),
            more: BytesMut::new(),
            trailers: None,
            window: StreamWindow::new(window),
            received_all: false,
            promised: None,
            send_window,
            sent_all: false,
            last_data: None,
            gone: None,
            queued: false,
            reader: None,
            writer: None,
        }
    }

    /// Takes `n` bytes from the front of the connection's input.
    pub(super) fn push(&mut self, input: &mut BytesMut, n: usize) {
        let data = input.split_to(n);
        if self.is_empty() && n >= SMALL {
            self.whole = data.freeze();
        } else {
            self.more.extend_from_slice(&data);
        }
        self.wake_reader();
    }

    /// Takes the first piece of data.
    pub(super) fn pop(&mut self) -> Bytes {
        if self.whole.is_empty() { self.more.split().freeze() } else { std::mem::take(&mut self.whole) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.more.is_empty()
    }

    pub(super) fn buffered(&self) -> usize {
        self.whole.len() + self.more.len()
    }

    pub(super) fn fail(&mut self, why: ClientGone) {
        self.gone.get_or_insert(why);
        self.wake_reader();
        self.wake_writer();
    }

    pub(super) fn watch_reads(&mut self, cx: &Context<'_>) {
        remember(&mut self.reader, cx);
    }

    pub(super) fn watch_writes(&mut self, cx: &Context<'_>) {
        remember(&mut self.writer, cx);
    }

    pub(super) fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

fn remember(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}
