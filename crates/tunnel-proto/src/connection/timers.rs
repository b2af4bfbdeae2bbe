//! What time alone brings about.

use std::time::Instant;

use super::{Connection, StreamId};
use crate::error::{Death, Reason};
use crate::frames::Kind;
use crate::liveness::Due;
use crate::stream::Park;
use crate::turns::QUANTUM;

impl Connection {
    /// When to call [`Self::handle_timeout`]; may have passed already. `None` when dead.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.dead.is_none().then_some(self.wake)
    }

    /// Time has passed: pings, notices death, drops parked requests, and gives memory back when idle.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.dead.is_some() {
            return;
        }
        self.expire_parked();
        let busy = self.streams.open_len() > 0;
        match self.live.due(busy, self.now) {
            Due::Death => return self.die(Death::Silent),
            Due::Ping(bytes) => self.out.frame(Kind::Ping, false, 0, &bytes),
            Due::Nothing => {}
        }
        if busy {
            self.measure_output();
            self.turns.forget();
            self.relieve();
            self.unpin_stale();
            self.give_turns();
        } else {
            self.out.shrink();
            self.streams.shrink();
            self.share.settle();
            self.events.shrink_to(4);
        }
        self.set_wake();
    }

    pub(super) fn set_wake(&mut self) {
        let wake = self.live.wake(self.now);
        self.wake = self.parked.front().map_or(wake, |(at, _)| wake.min(*at));
    }

    /// GO did not come in time: the workload shall not see the request.
    fn expire_parked(&mut self) {
        while let Some((at, id)) = self.parked.front().copied() {
            let pending = self.is_parked(id);
            if pending && at > self.now {
                return;
            }
            self.parked.pop_front();
            if pending {
                self.reset(id, Reason::ParkExpired);
            }
        }
    }

    /// No more output than the carrier takes in 100 ms, when it is what holds us back.
    fn measure_output(&mut self) {
        let elapsed = self.now.saturating_duration_since(self.measured);
        if elapsed < self.config.timers.ping_busy / 4 {
            return;
        }
        let per_second = self.drained as u128 * 1000 / elapsed.as_millis().max(1);
        let fits = usize::try_from(per_second / 10).unwrap_or(usize::MAX).max(QUANTUM);
        self.out_limit = if self.out.is_empty() { self.config.output } else { self.config.output.min(fits) };
        self.drained = 0;
        self.measured = self.now;
    }

    fn is_parked(&self, id: StreamId) -> bool {
        let waits = |park| matches!(park, Park::Parked | Park::Ready);
        self.streams.get(id).is_some_and(|stream| waits(stream.park) && stream.reset_reason().is_none())
    }

    /// A parked request has come: its time runs from now. Those that wait no longer are cleared away in time.
    pub(super) fn park(&mut self, id: StreamId) {
        if self.parked.len() >= 2 * self.config.agreed.max_streams as usize {
            let mut parked = std::mem::take(&mut self.parked);
            parked.retain(|(_, id)| self.is_parked(*id));
            self.parked = parked;
        }
        self.parked.push_back((self.now + self.config.timers.park, id));
        self.set_wake();
    }

    /// The first stream was opened by the peer.
    #[inline]
    pub(super) fn became_busy(&mut self) {
        self.live.became_busy(self.now);
        self.wake = self.wake.min(self.now + self.config.timers.ping_busy);
    }
}
