//! Reading from a stream, and letting go of it.

use super::{Bytes, Connection, Item, Reason, StreamId, alarm, tuning};
use crate::Role;
use crate::credit::Tuning;
use crate::error::StreamError;
use crate::frames::Kind;
use crate::incoming::{Incoming, Request, Response, Trailers};
use crate::stream::{Park, Receiving, Sending, Stream};

impl Connection {
    /// The next thing received; `None` when there is nothing yet ([`super::Event::Readable`] will tell). Asking says
    /// that the body bytes given before have been passed on, and returns credit for them.
    ///
    /// # Errors
    /// The stream was reset, the connection is dead, or the stream was released.
    #[inline]
    pub fn recv(&mut self, id: StreamId) -> Result<Option<Incoming>, StreamError> {
        let dead = self.dead.is_some();
        self.settle(id);
        let stream = self.streams.get_mut(id).ok_or(StreamError::State)?;
        if stream.park != Park::No
            && let Some(step) = take_step(stream)
        {
            return Ok(Some(step));
        }
        if stream.cut
            && let Some(reason) = stream.reset_reason()
        {
            return Err(StreamError::Reset(reason));
        }
        if is_held_back(self.role, stream) {
            return if dead { Err(StreamError::Dead) } else { Ok(None) };
        }
        match stream.queue.pop_front() {
            Some(item) => {
                let (body, head) = item.sizes();
                stream.taken = body;
                stream.unread_since = (body > 0 || !stream.queue.is_empty()).then_some(self.now);
                self.retained = self.retained.saturating_sub(head);
                Ok(Some(self.shown(item)))
            }
            None if stream.receiving == Receiving::Done => Ok(Some(Incoming::End)),
            None if dead => Err(StreamError::Dead),
            None => Ok(None),
        }
    }

    /// Whether either side has reset the stream. [`Self::recv`] does not tell once all that was to come has come: then a
    /// reset takes nothing away from the reader, but whoever still works on the answer must hear of it.
    pub fn reset_reason(&mut self, id: StreamId) -> Option<Reason> {
        self.streams.get_mut(id)?.reset_reason()
    }

    /// Whether what [`Self::recv`] would give next is body bytes. A reader whose own reader takes none for now leaves
    /// them where they count, and still hears of an end.
    pub fn is_data_next(&self, id: StreamId) -> bool {
        let front = self.streams.get(id).filter(|stream| !stream.cut).and_then(|stream| stream.queue.front());
        matches!(front, Some(Item::Data(_) | Item::Small(_)))
    }

    /// The reader is done with what it took last.
    #[inline]
    fn settle(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| stream.taken > 0) else { return };
        let taken = std::mem::take(&mut stream.taken);
        if stream.queue.is_empty() {
            stream.unread_since = None;
        }
        self.return_credit(id, taken);
        self.consumed(taken);
    }

    fn shown(&self, item: Item) -> Incoming {
        let limits = self.heads;
        match item {
            Item::Data(data) => Incoming::Data(data),
            Item::Small(data) => Incoming::Data(Bytes::from(data)),
            Item::Request(payload, prefix, end) => Incoming::Request(Request { payload, prefix, end, limits }),
            Item::Response(payload, prefix, end) => Incoming::Response(Response { payload, prefix, end, limits }),
            Item::Trailers(payload) => Incoming::Trailers(Trailers { payload, limits }),
        }
    }

    /// Returns credit of the stream, as long as the peer can use it.
    #[inline]
    fn return_credit(&mut self, id: StreamId, n: usize) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.receiving == Receiving::Done || self.dead.is_some() {
            return;
        }
        let before = stream.window.extra();
        let room = self.config.carrier_window as usize / 2 - self.grown.min(self.config.carrier_window as usize / 2);
        let grant = stream.window.consume(n, || {
            let tuning = tuning(self.now, &self.live, &self.config, false);
            Tuning { may_grow: tuning.may_grow && room > before, ..tuning }
        });
        self.grown = self.grown + stream.window.extra() - before;
        if let Some(grant) = grant {
            self.out.frame(Kind::Credit, false, id.wire(), &grant.to_be_bytes());
        }
    }

    /// Ends both directions at once. Does nothing to a stream that has ended already.
    pub fn reset(&mut self, id: StreamId, reason: Reason) {
        let dead = self.dead.is_some();
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.is_closed() || stream.reset_by_us.is_some() || dead {
            return;
        }
        stream.reset_by_us = Some(reason);
        stream.cut = true;
        // Answering the peer's RESET closes our direction; else it also asks the peer to close its own.
        if stream.reset_by_peer.is_none() || stream.sending != Sending::Done {
            self.out.frame(Kind::Reset, false, id.wire(), &[reason.code()]);
        }
        stream.sending = Sending::Done;
        self.turns.leave(id, stream);
        alarm(&mut self.events, id, stream);
        self.discard(id);
        self.sweep(id);
        self.give_turns();
    }

    /// The holder lets go of the stream. What has not ended is reset: with [`Reason::Closed`] if the peer did so
    /// first, else with [`Reason::Cancelled`].
    pub fn release(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.held = false;
        if !stream.is_closed() {
            let reason = if stream.reset_by_peer.is_some() { Reason::Closed } else { Reason::Cancelled };
            self.reset(id, reason);
        }
        self.discard(id);
        if self.dead.is_some()
            && let Some(stream) = self.streams.get_mut(id)
        {
            (stream.sending, stream.receiving) = (Sending::Done, Receiving::Done);
        }
        self.sweep(id);
    }
}

/// READY or GO that was not told yet.
fn take_step(stream: &mut Stream) -> Option<Incoming> {
    if stream.cut {
        return None;
    }
    let (step, park) = match stream.park {
        Park::ReadyUntold => (Incoming::Ready, Park::Ready),
        Park::GoUntold if !heads_queue(stream) => (Incoming::Go, Park::Go),
        _ => return None,
    };
    stream.park = park;
    Some(step)
}

/// A gate's reader sees nothing between the REQUEST and GO.
fn is_held_back(role: Role, stream: &Stream) -> bool {
    role == Role::Gate && matches!(stream.park, Park::Parked | Park::Ready) && !heads_queue(stream)
}

/// Whether the REQUEST has yet to be read.
fn heads_queue(stream: &Stream) -> bool {
    matches!(stream.queue.front(), Some(Item::Request(..)))
}
