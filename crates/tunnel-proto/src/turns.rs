//! Whose turn it is when the output buffer or the carrier's credit is too small for all who want to send.
//!
//! Writers who were turned away queue up. When there is room it is divided among them in order, in pieces of at least
//! [`QUANTUM`], and each is told. Room that was promised to one writer is not given to another. A writer that has no
//! use for its promise gives it back when its write was taken whole, when its stream ends, or at the next timer.

use std::collections::VecDeque;

use crate::stream::{Blocked, Stream};
use crate::streams::{StreamId, Streams};

/// Smallest share of the room, bytes.
pub(crate) const QUANTUM: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Turns {
    queue: VecDeque<StreamId>,
    promised: usize,
    epoch: u32,
}

impl Turns {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How much of `room` this stream may use.
    #[inline]
    pub(crate) fn allowance(&self, stream: &Stream, room: usize) -> usize {
        let own = self.own(stream);
        let free = if self.queue.is_empty() { room.saturating_sub(self.promised) } else { 0 };
        (own + free).min(room)
    }

    #[inline]
    fn own(&self, stream: &Stream) -> usize {
        if stream.turn_epoch == self.epoch { stream.turn } else { 0 }
    }

    /// The stream has sent `n` bytes.
    #[inline]
    pub(crate) fn spend(&mut self, stream: &mut Stream, n: usize) {
        if stream.turn > 0 {
            let used = self.own(stream).min(n);
            stream.turn -= used;
            self.promised = self.promised.saturating_sub(used);
        }
    }

    /// The stream wants nothing more for now.
    #[inline]
    pub(crate) fn give_back(&mut self, stream: &mut Stream) {
        if stream.turn > 0 {
            self.promised = self.promised.saturating_sub(self.own(stream));
            stream.turn = 0;
        }
    }

    /// The stream has ended.
    #[inline]
    pub(crate) fn leave(&mut self, id: StreamId, stream: &mut Stream) {
        self.give_back(stream);
        if stream.blocked == Blocked::Turn {
            self.queue.retain(|waiting| *waiting != id);
        }
    }

    /// The stream was turned away and waits.
    pub(crate) fn wait(&mut self, id: StreamId, stream: &mut Stream) {
        if stream.blocked != Blocked::Turn {
            stream.blocked = Blocked::Turn;
            self.queue.push_back(id);
        }
    }

    /// Forgets all promises, kept or not.
    pub(crate) fn forget(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.promised = 0;
    }

    /// Divides what is free of `room` among those who wait, and calls `wake` for each who got a share.
    pub(crate) fn divide(&mut self, room: usize, streams: &mut Streams, mut wake: impl FnMut(StreamId)) {
        let mut free = room.saturating_sub(self.promised);
        let share = (free / self.queue.len().max(1)).max(QUANTUM);
        while free > 0 {
            let Some(id) = self.queue.pop_front() else { return };
            let Some(stream) = streams.get_mut(id).filter(|stream| stream.blocked == Blocked::Turn) else { continue };
            stream.blocked = Blocked::No;
            stream.turn = share.min(free);
            stream.turn_epoch = self.epoch;
            self.promised += stream.turn;
            free -= stream.turn;
            wake(id);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::heads::Terms;
    use crate::stream::{Receiving, Sending};

    fn world(n: u32) -> (Turns, Streams, Vec<StreamId>) {
        let mut streams = Streams::default();
        let ids = (1..=n).map(|id| streams.insert(id, Sending::Body, Receiving::Body, Terms::default())).collect();
        (Turns::default(), streams, ids)
    }

    #[test]
    fn room_is_divided_in_order_and_promises_are_kept() {
        let (mut turns, mut streams, ids) = world(3);
        for id in &ids {
            turns.wait(*id, streams.get_mut(*id).unwrap());
            turns.wait(*id, streams.get_mut(*id).unwrap());
        }
        assert_eq!(turns.queue.len(), 3);
        let mut woken = Vec::new();
        turns.divide(2 * QUANTUM, &mut streams, |id| woken.push(id));
        assert_eq!(woken, ids[..2]);
        assert_eq!(turns.allowance(streams.get(ids[0]).unwrap(), 2 * QUANTUM), QUANTUM);
        assert_eq!(turns.allowance(streams.get(ids[2]).unwrap(), 2 * QUANTUM), 0);
        let first = streams.get_mut(ids[0]).unwrap();
        turns.spend(first, QUANTUM);
        assert_eq!(turns.allowance(first, QUANTUM), 0, "others wait");
        turns.wait(ids[0], first);
        turns.give_back(streams.get_mut(ids[1]).unwrap());
        woken.clear();
        turns.divide(QUANTUM, &mut streams, |id| woken.push(id));
        assert_eq!(woken, [ids[2]], "the one who waited longest");
    }

    #[test]
    fn alone_a_stream_has_all_the_room() {
        let (mut turns, mut streams, ids) = world(2);
        let stream = streams.get(ids[0]).unwrap();
        assert_eq!(turns.allowance(stream, 100_000), 100_000);
        turns.wait(ids[1], streams.get_mut(ids[1]).unwrap());
        turns.divide(100_000, &mut streams, |_| {});
        assert_eq!(turns.allowance(streams.get(ids[0]).unwrap(), 100_000), 0);
        turns.forget();
        assert_eq!(turns.allowance(streams.get(ids[0]).unwrap(), 100_000), 100_000);
    }
}
