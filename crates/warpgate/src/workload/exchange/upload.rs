//! The way up: body from the stream, framed, to the workload.

use std::task::{Context, Poll};

use bytes::Bytes;
use mezu_model::Headers;

use super::{
    super::{
        Fault,
        connection::MAX_PIECES,
        edge_stream::{EdgeStream, Incoming},
        forward,
        request::Framing,
    },
    Exchange,
};

pub(super) struct Upload {
    pub(super) framing: Framing,
    /// Bytes still due under [`Framing::Length`].
    pub(super) left: u64,
    pub(super) state: UploadState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UploadState {
    /// More comes from the stream.
    Flowing,
    /// All was queued, not all is written.
    Ended,
    Done,
    /// The workload takes no more; it may still have answered.
    Broken,
}

impl<S: EdgeStream> Exchange<'_, S> {
    /// Moves the upload as far as it goes. Only what ends the whole try is an error.
    pub(super) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        loop {
            match self.upload.state {
                UploadState::Broken | UploadState::Done => return self.poll_reset(cx),
                UploadState::Flowing | UploadState::Ended => {}
            }
            match self.connection.poll_write_out(cx, &mut self.touched.wrote) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) if !self.touched.wrote => return Err(Fault::Closed),
                Poll::Ready(Err(_)) => {
                    self.upload.state = UploadState::Broken;
                    continue;
                }
                Poll::Ready(Ok(())) => {}
            }
            if self.handshake.is_some() && !self.raw {
                // Nothing the client sends may reach the workload before its 101 (threat 5).
                return Ok(());
            }
            if self.upload.state == UploadState::Ended {
                if self.raw && self.connection.poll_close_write(cx).is_pending() {
                    return Ok(());
                }
                self.upload.state = UploadState::Done;
                continue;
            }
            if self.has_passed_enough() || !self.gather(cx)? {
                return Ok(());
            }
        }
    }

    /// Queues what the stream has for one write; false when it has nothing.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
        let (mut pieces, mut bytes) = (0, 0);
        let mut last = None;
        while pieces < MAX_PIECES && !self.has_passed_enough() {
            match self.stream.poll_recv(cx) {
                Poll::Pending => break,
                Poll::Ready(event) => match event? {
                    Incoming::Data(data) => {
                        pieces += 1;
                        bytes += data.len();
                        self.rest = self.rest.map(|passed| passed + data.len());
                        self.connection.queue(data);
                    }
                    Incoming::Go => {}
                    event => {
                        last = Some(event);
                        break;
                    }
                },
            }
        }
        if pieces > 0 {
            self.touched.took = true;
            self.stage_data(bytes)?;
        }
        self.moved |= pieces > 0 || last.is_some();
        match &last {
            Some(Incoming::Trailers(trailers)) => self.stage_end(Some(trailers), bytes > 0)?,
            Some(_) => self.stage_end(None, bytes > 0)?,
            None => {}
        }
        Ok(pieces > 0 || last.is_some())
    }

    /// With the upload over, the stream only has news if the edge gives up.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        while let Poll::Ready(event) = self.stream.poll_recv(cx) {
            // More body than was announced. For a workload that stopped reading it is dropped instead.
            if matches!(event?, Incoming::Data(_)) && self.upload.state == UploadState::Done {
                return Err(Fault::BadRequest);
            }
        }
        Ok(())
    }

    /// Frames the pieces that were just queued.
    fn stage_data(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.upload.framing {
            Framing::Length(_) => {
                self.upload.left = self.upload.left.checked_sub(bytes as u64).ok_or(Fault::BadRequest)?;
            }
            Framing::Chunked if bytes > 0 => {
                push_hex(&mut self.connection.out, bytes);
                self.connection.set_tail(b"\r\n");
            }
            Framing::None if !self.raw && bytes > 0 => return Err(Fault::BadRequest),
            Framing::Chunked | Framing::None => {}
        }
        Ok(())
    }

    /// Ends the upload, behind data that may be queued.
    fn stage_end(&mut self, trailers: Option<&Headers>, data: bool) -> Result<(), Fault> {
        self.upload.state = UploadState::Ended;
        match self.upload.framing {
            Framing::Length(_) if self.upload.left > 0 => Err(Fault::BadRequest),
            Framing::Chunked => {
                self.end_chunks(trailers, data);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_chunks(&mut self, trailers: Option<&Headers>, data: bool) {
        let mut text = b"0\r\n".to_vec();
        for field in trailers.into_iter().flat_map(Headers::iter).filter(|field| forward::is_trailer(*field)) {
            text.extend_from_slice(field.name);
            text.extend_from_slice(b": ");
            text.extend_from_slice(field.value);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        if data {
            // The last chunk's own end comes first.
            self.connection.set_tail(b"");
            text.splice(..0, *b"\r\n");
        }
        self.connection.queue(Bytes::from(text));
    }
}

/// A chunk-size line.
pub(crate) fn push_hex(out: &mut Vec<u8>, len: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut shift = (usize::BITS - len.leading_zeros()).div_ceil(4);
    while shift > 0 {
        shift -= 1;
        out.push(DIGITS.get(len >> (4 * shift) & 15).copied().unwrap_or(b'0'));
    }
    out.extend_from_slice(b"\r\n");
}
