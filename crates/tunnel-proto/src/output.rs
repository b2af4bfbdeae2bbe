//! Encoded frames that wait for the carrier, in one contiguous buffer.
//!
//! Frames are written where they will be sent from: nothing is copied between encoding and encryption.

use crate::frames::{HEADER_LEN, Kind, MAX_PAYLOAD, header};

/// Sent bytes are cut off once there are this many and they are the larger part.
const CUT: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Output {
    buf: Vec<u8>,
    sent: usize,
}

impl Output {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.buf.len() - self.sent
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.buf.get(self.sent..).unwrap_or_default()
    }

    pub(crate) fn advance(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n).min(self.buf.len());
        if self.sent == self.buf.len() {
            self.buf.clear();
            self.sent = 0;
        } else if self.sent >= CUT && self.sent >= self.buf.len() / 2 {
            self.buf.drain(..self.sent);
            self.sent = 0;
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// Gives the memory back if nothing waits.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Appends a whole frame.
    #[inline]
    pub(crate) fn frame(&mut self, kind: Kind, end: bool, stream: u32, payload: &[u8]) {
        self.buf.reserve(HEADER_LEN + payload.len());
        self.buf.extend_from_slice(&header(kind, end, stream, payload.len()));
        self.buf.extend_from_slice(payload);
    }

    /// Appends body bytes in as few DATA frames as will hold them, all of a size: buffers are powers of two, and a scrap
    /// behind each would cost the receiver as much as a full frame.
    #[inline]
    pub(crate) fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        if bytes.len() <= MAX_PAYLOAD {
            if end || !bytes.is_empty() {
                self.frame(Kind::Data, end, stream, bytes);
            }
            return;
        }
        let frames = bytes.len().div_ceil(MAX_PAYLOAD);
        self.buf.reserve(bytes.len() + frames * HEADER_LEN);
        let mut chunks = bytes.chunks(bytes.len().div_ceil(frames)).peekable();
        while let Some(chunk) = chunks.next() {
            self.frame(Kind::Data, end && chunks.peek().is_none(), stream, chunk);
        }
    }

    /// Begins a frame whose payload the caller writes: the buffer, and a mark for [`Self::seal`] or [`Self::undo`].
    #[inline]
    pub(crate) fn begin(&mut self, room: usize) -> (&mut Vec<u8>, Mark) {
        let mark = Mark(self.buf.len());
        self.buf.reserve(HEADER_LEN + room);
        self.buf.extend_from_slice(&[0; HEADER_LEN]);
        (&mut self.buf, mark)
    }

    /// Bytes of payload written since [`Self::begin`].
    #[inline]
    pub(crate) fn written(&self, mark: &Mark) -> usize {
        self.buf.len().saturating_sub(mark.0 + HEADER_LEN)
    }

    /// More payload of the frame begun.
    #[inline]
    pub(crate) fn extend(&mut self, payload: &[u8]) {
        self.buf.extend_from_slice(payload);
    }

    /// Ends the frame begun: its header is filled in.
    #[inline]
    pub(crate) fn seal(&mut self, mark: Mark, kind: Kind, end: bool, stream: u32) {
        let head = header(kind, end, stream, self.written(&mark));
        if let Some(place) = self.buf.get_mut(mark.0..).and_then(|tail| tail.first_chunk_mut::<HEADER_LEN>()) {
            *place = head;
        }
    }

    /// Takes back the frame begun.
    pub(crate) fn undo(&mut self, mark: Mark) {
        self.buf.truncate(mark.0);
    }
}

/// Where an unfinished frame begins. Valid until the next call that is not on this frame.
#[derive(Debug)]
pub(crate) struct Mark(usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Header;

    #[test]
    fn frames_come_out_in_order_however_they_are_taken() {
        let mut out = Output::default();
        let mut want = Vec::new();
        for n in 0..100u32 {
            let payload = vec![7; n as usize * 31];
            out.frame(Kind::Data, false, n + 1, &payload);
            want.extend_from_slice(&header(Kind::Data, false, n + 1, payload.len()));
            want.extend_from_slice(&payload);
        }
        let mut got = Vec::new();
        while !out.is_empty() {
            let n = out.len().min(1000);
            got.extend_from_slice(&out.as_slice()[..n]);
            out.advance(n);
        }
        assert_eq!(got, want);
        out.shrink();
        assert_eq!(out.buf.capacity(), 0);
    }

    #[test]
    fn body_bytes_go_in_frames_of_a_size() {
        for len in [0, 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 65_536, 5 * MAX_PAYLOAD + 3] {
            for end in [false, true] {
                let mut out = Output::default();
                out.data(1, &vec![7; len], end);
                let (mut rest, mut sizes, mut ended) = (out.as_slice(), Vec::new(), false);
                while let Ok(Some(head)) = Header::parse(rest) {
                    assert!(!ended);
                    ended = head.end;
                    sizes.push(head.len);
                    rest = &rest[HEADER_LEN + head.len..];
                }
                assert!(rest.is_empty() && ended == end);
                assert_eq!(sizes.iter().sum::<usize>(), len);
                assert_eq!(sizes.len(), len.div_ceil(MAX_PAYLOAD).max(usize::from(end)));
                assert!(sizes.iter().max().unwrap_or(&0) - sizes.iter().min().unwrap_or(&0) <= sizes.len());
            }
        }
    }

    #[test]
    fn a_frame_taken_back_leaves_nothing() {
        let mut out = Output::default();
        out.frame(Kind::Go, false, 1, &[]);
        let (buf, mark) = out.begin(10);
        buf.extend_from_slice(b"junk");
        assert_eq!(out.written(&mark), 4);
        out.undo(mark);
        assert_eq!(out.as_slice(), header(Kind::Go, false, 1, 0));
    }
}
