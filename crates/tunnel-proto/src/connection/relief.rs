//! The carrier's credit: given back as bodies are read, and given anew when those who do not read have used it up.
//!
//! Whether one stream's bytes may come must never depend on another's reader. So a carrier that is low is granted more
//! as long as the process has memory to spare; after that, what has gone unread the longest is given up, and not what
//! has just come.

use std::time::Duration;

use super::{Connection, Kind, Reason, StreamId, alarm, tuning};

/// Under pressure a stream that has gone unread this long may be given up. Longer than a request is parked.
const STALE: Duration = Duration::from_secs(2);
/// A stream that is read goes unread for less.
const UNREAD: Duration = Duration::from_millis(100);

impl Connection {
    /// Body bytes were read or dropped: returns credit of the carrier.
    #[inline]
    pub(super) fn consumed(&mut self, n: usize) {
        self.share.give(n);
        match self.window.consume(n, || tuning(self.now, &self.live, &self.config, true)) {
            Some(grant) => self.out.frame(Kind::Credit, false, 0, &grant.to_be_bytes()),
            None if self.window.is_low() => _ = self.refill(),
            None => {}
        }
    }

    /// Grants the carrier more when slow readers have used it up.
    pub(super) fn relieve(&mut self) {
        while self.window.is_low() && !self.refill() {
            if !self.window.is_spent() || !self.give_up_stalest() {
                return;
            }
        }
    }

    /// What is not read shall not hold more memory than it counts for.
    pub(super) fn unpin_stale(&mut self) {
        if self.share.held() > 0
            && let Some(before) = self.now.checked_sub(UNREAD)
        {
            self.streams.unpin(before);
        }
    }

    fn refill(&mut self) -> bool {
        let tuning = tuning(self.now, &self.live, &self.config, true);
        let Some(grant) = self.window.relieve(&tuning) else { return false };
        self.out.frame(Kind::Credit, false, 0, &grant.to_be_bytes());
        true
    }

    /// Drops what has gone unread the longest, if that is long enough. Its reader is told.
    fn give_up_stalest(&mut self) -> bool {
        let Some(before) = self.now.checked_sub(STALE) else { return false };
        let Some(id) = self.streams.stalest(before) else { return false };
        self.reset(id, Reason::Overloaded);
        // One that has ended on the wire is past a reset, but not past its reader.
        if let Some(stream) = self.streams.get_mut(id)
            && stream.reset_by_us.is_none()
        {
            (stream.reset_by_us, stream.cut) = (Some(Reason::Overloaded), true);
            alarm(&mut self.events, id, stream);
            self.discard(id);
        }
        true
    }

    /// Empties a stream's queue, and counts what its reader has no more: that is little, and the reader will let go.
    pub(super) fn discard(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let (mut bodies, mut heads) = (std::mem::take(&mut stream.taken), 0);
        stream.unread_since = None;
        for item in stream.queue.drain(..) {
            let (body, head) = item.sizes();
            bodies += body;
            heads += head;
        }
        self.retained = self.retained.saturating_sub(heads);
        if bodies > 0 {
            self.consumed(bodies);
        }
    }
}
