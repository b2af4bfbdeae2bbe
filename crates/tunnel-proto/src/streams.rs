//! All streams of a connection: slots that are used again, and the map from wire ids to them.
//!
//! The user of a connection addresses a stream by its slot, which costs no hash; only a frame from the wire is looked
//! up. Bounded by the agreed number of streams plus what the user has not released.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Instant;

use crate::heads::Terms;
use crate::stream::{Receiving, Sending, Stream};

/// A stream of one connection. Never valid again once released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId {
    slot: u32,
    wire: u32,
}

impl StreamId {
    /// A small number, unique among the streams that are not yet released: fit to index a table of wakers.
    #[inline]
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// The id in the frames.
    #[inline]
    pub const fn wire(self) -> u32 {
        self.wire
    }
}

#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Stream>,
    free: Vec<u32>,
    /// Streams that are open on the wire.
    open: HashMap<u32, u32, BuildHasherDefault<IdHasher>>,
}

impl Streams {
    /// Streams that are open on the wire.
    #[inline]
    pub(crate) fn open_len(&self) -> usize {
        self.open.len()
    }

    #[inline]
    pub(crate) fn insert(&mut self, wire: u32, sending: Sending, receiving: Receiving, terms: Terms) -> StreamId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Stream::free());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(stream) = self.slots.get_mut(slot as usize) {
            stream.renew(wire, sending, receiving, terms);
        }
        self.open.insert(wire, slot);
        StreamId { slot, wire }
    }

    #[inline]
    pub(crate) fn get(&self, id: StreamId) -> Option<&Stream> {
        self.slots.get(id.slot()).filter(|stream| stream.id == id.wire)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.slots.get_mut(id.slot()).filter(|stream| stream.id == id.wire)
    }

    /// The stream with an id from the wire, if it is open.
    #[inline]
    pub(crate) fn find(&mut self, wire: u32) -> Option<(StreamId, &mut Stream)> {
        let slot = *self.open.get(&wire)?;
        let stream = self.slots.get_mut(slot as usize)?;
        Some((StreamId { slot, wire }, stream))
    }

    /// Takes what has ended out of the tables. When that closed the stream on the wire just now: what its window had
    /// grown by.
    #[inline]
    pub(crate) fn sweep(&mut self, id: StreamId) -> Option<usize> {
        let stream = self.slots.get_mut(id.slot()).filter(|stream| stream.id == id.wire)?;
        if !stream.is_closed() {
            return None;
        }
        let extra = stream.window.extra();
        if !stream.held {
            stream.id = 0;
            self.free.push(id.slot);
        }
        self.open.remove(&id.wire).map(|_| extra)
    }

    /// Of the streams that hold unread bodies, the one not read for longest, if not since `before`.
    pub(crate) fn stalest(&self, before: Instant) -> Option<StreamId> {
        let stale = self.slots.iter().zip(0..).filter_map(|(stream, slot)| {
            let since = stream.unread_since.filter(|since| *since <= before)?;
            stream.holds_body().then_some((since, StreamId { slot, wire: stream.id }))
        });
        stale.min_by_key(|(since, _)| *since).map(|(_, id)| id)
    }

    /// What has gone unread since `before` moves into memory of its own: as a slice of what was read from the carrier
    /// at once it keeps a block that is many times its size.
    pub(crate) fn unpin(&mut self, before: Instant) {
        for stream in self.slots.iter_mut().filter(|stream| stream.unread_since.is_some_and(|since| since <= before)) {
            stream.unpin();
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Gives memory back when there is no stream at all.
    pub(crate) fn shrink(&mut self) {
        if self.free.len() == self.slots.len() && !self.slots.is_empty() {
            *self = Self::default();
        }
    }
}

/// Ids count up by one, so a multiplication spreads them well enough; a hostile peer cannot choose them.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn slots_are_used_again_and_old_ids_find_nothing() {
        let mut streams = Streams::default();
        let a = streams.insert(1, Sending::Body, Receiving::Body, Terms::default());
        let b = streams.insert(2, Sending::Body, Receiving::Body, Terms::default());
        assert_ne!(a.slot(), b.slot());
        assert_eq!(streams.sweep(a), None);
        let stream = streams.get_mut(a).unwrap();
        (stream.sending, stream.receiving) = (Sending::Done, Receiving::Done);
        assert_eq!((streams.sweep(a), streams.sweep(a)), (Some(0), None));
        assert!(streams.find(1).is_none() && streams.get(a).is_some(), "held though closed");
        streams.get_mut(a).unwrap().held = false;
        assert_eq!(streams.sweep(a), None);
        assert!(streams.get(a).is_none());
        let c = streams.insert(3, Sending::Body, Receiving::Body, Terms::default());
        assert_eq!(c.slot(), a.slot());
        assert!(streams.get(a).is_none() && streams.get(c).is_some());
        assert_eq!(streams.open_len(), 2);
    }
}
