//! The state of one stream. Transitions that involve the carrier are in `connection`.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::credit::{RecvWindow, STREAM_NARROW, STREAM_START, SendCredit};
use crate::error::Reason;
use crate::heads::{RequestPrefix, ResponsePrefix, Terms};

/// Small DATA frames that nobody has read yet are joined up to this size, so that a peer who sends single bytes costs
/// bytes and not queue entries.
const JOIN: usize = 16 * 1024;

/// Our direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// A gate that has not sent its final response.
    Head,
    Body,
    /// END or RESET was sent.
    Done,
}

/// The peer's direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// An edge that has not got its final response.
    Head,
    Body,
    /// END or RESET was received.
    Done,
}

/// The two-step hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Park {
    /// An ordinary request.
    No,
    /// REQUEST with PARK: no READY yet.
    Parked,
    /// READY was received but its reader not told (edge).
    ReadyUntold,
    /// READY was sent, or received and told.
    Ready,
    /// GO was received but its reader not told (gate).
    GoUntold,
    /// GO was sent, or received and told.
    Go,
}

/// What a writer who was turned away waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocked {
    No,
    /// Credit of the stream.
    Credit,
    /// A turn on the carrier: it stands in the queue of `turns`.
    Turn,
}

#[derive(Debug)]
pub(crate) enum Item {
    Request(Bytes, RequestPrefix, bool),
    Response(Bytes, ResponsePrefix, bool),
    Data(Bytes),
    /// The same in memory of its own: joined small frames, and what is not read soon.
    Small(Vec<u8>),
    Trailers(Bytes),
}

impl Item {
    /// Bytes that count as body, and bytes that count as retained head.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        match self {
            Self::Request(payload, prefix, _) => (payload.len() - prefix.head_end, prefix.head_end),
            Self::Response(payload, prefix, _) => (payload.len() - prefix.head_end, prefix.head_end),
            Self::Data(data) => (data.len(), 0),
            Self::Small(data) => (data.len(), 0),
            Self::Trailers(payload) => (0, payload.len()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Stream {
    /// Id on the wire; 0 in a free slot.
    pub id: u32,
    /// Whether the user of the connection still holds it.
    pub held: bool,
    pub sending: Sending,
    pub receiving: Receiving,
    pub park: Park,
    pub blocked: Blocked,
    /// A Readable event is on its way.
    pub notified: bool,
    /// The reset by either side cut off what was being received, so the reader gets an error and not an end.
    pub cut: bool,
    pub interims: u8,
    pub reset_by_us: Option<Reason>,
    pub reset_by_peer: Option<Reason>,
    pub credit: SendCredit,
    /// Bytes promised by the turn queue, valid in this epoch of it.
    pub turn: usize,
    pub turn_epoch: u32,
    pub window: RecvWindow,
    pub queue: VecDeque<Item>,
    /// Body bytes that the reader took last. It has them until it asks for more: then their credit is returned.
    pub taken: usize,
    /// Since when nothing was read, while something waits in the queue or at the reader.
    pub unread_since: Option<Instant>,
}

impl Stream {
    pub(crate) fn free() -> Self {
        Self {
            id: 0,
            held: false,
            sending: Sending::Done,
            receiving: Receiving::Done,
            park: Park::No,
            blocked: Blocked::No,
            notified: false,
            cut: false,
            interims: 0,
            reset_by_us: None,
            reset_by_peer: None,
            credit: SendCredit::new(STREAM_START),
            turn: 0,
            turn_epoch: 0,
            window: RecvWindow::new(STREAM_START),
            queue: VecDeque::new(),
            taken: 0,
            unread_since: None,
        }
    }

    /// Makes a free slot a stream, keeping the queue's memory.
    #[inline]
    pub(crate) fn renew(&mut self, id: u32, sending: Sending, receiving: Receiving, terms: Terms) {
        debug_assert!(self.queue.is_empty());
        let answer = if terms.narrow { STREAM_NARROW } else { STREAM_START };
        // An edge begins by sending, a gate by receiving.
        let (credit, window) = if sending == Sending::Head { (answer, STREAM_START) } else { (STREAM_START, answer) };
        (self.id, self.held) = (id, true);
        (self.sending, self.receiving) = (sending, receiving);
        self.park = if terms.park { Park::Parked } else { Park::No };
        (self.blocked, self.turn) = (Blocked::No, 0);
        (self.notified, self.cut, self.interims, self.taken) = (false, false, 0, 0);
        (self.reset_by_us, self.reset_by_peer) = (None, None);
        (self.credit, self.window) = (SendCredit::new(credit), RecvWindow::new(window));
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sending == Sending::Done && self.receiving == Receiving::Done
    }

    /// Whether body bytes wait here, or at the reader.
    pub(crate) fn holds_body(&self) -> bool {
        self.taken > 0 || self.queue.iter().any(|item| item.sizes().0 > 0)
    }

    /// Why a writer cannot go on, if so.
    pub(crate) fn reset_reason(&self) -> Option<Reason> {
        self.reset_by_us.or(self.reset_by_peer)
    }

    /// Holds what waits in memory of its own.
    pub(crate) fn unpin(&mut self) {
        for item in &mut self.queue {
            if let Item::Data(data) = item {
                *item = Item::Small(data.to_vec());
            }
        }
    }

    /// Queues body bytes: small ones that nobody has read yet are joined.
    #[inline]
    pub(crate) fn push_small(&mut self, data: &[u8]) {
        match self.queue.back_mut() {
            Some(Item::Small(last)) if last.len() + data.len() <= JOIN => last.extend_from_slice(data),
            _ => self.queue.push_back(Item::Small(data.to_vec())),
        }
    }
}
