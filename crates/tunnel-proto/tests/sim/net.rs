//! One direction of a carrier: bytes in order, with bandwidth, delay, jitter, segments, stalls and a bounded buffer.
//! A carrier is TCP, so loss and reordering show as stalls. `cut` swallows everything from then on; `damage` flips
//! a byte now and then, which TLS would never let through.

use std::collections::VecDeque;
use std::time::Duration;

use crate::rng::Rng;

#[derive(Debug, Clone)]
pub(crate) struct Quality {
    pub latency: Duration,
    pub jitter: Duration,
    /// Bytes per millisecond.
    pub bandwidth: usize,
    /// Bytes that the sender's and receiver's buffers hold.
    pub buffer: usize,
    pub segment: usize,
    /// Chance in percent that a segment is held up, and for how long at most.
    pub stall_chance: u64,
    pub stall: Duration,
}

impl Quality {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let bandwidth = rng.pick(&[200, 1_000, 10_000, 100_000]);
        Self {
            latency: Duration::from_micros(rng.pick(&[20, 200, 2_000, 40_000, 120_000])),
            jitter: Duration::from_micros(rng.pick(&[0, 100, 20_000])),
            bandwidth,
            buffer: rng.pick(&[4_000, 16_000, 200_000, 2_000_000]).min(bandwidth * 200),
            segment: rng.pick(&[700, 1_460, 16_000, 64_000]).min(bandwidth * 50),
            stall_chance: rng.pick(&[0, 0, 1, 5]),
            stall: Duration::from_millis(rng.pick(&[10, 300, 700])),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Link {
    quality: Quality,
    queue: VecDeque<(Duration, Vec<u8>)>,
    held: usize,
    /// When the wire is free again, and when the last byte arrives.
    free: Duration,
    last: Duration,
    stalled: Duration,
    pub cut: Option<Duration>,
    /// Chance in 1000 that a segment is damaged.
    pub damage: u64,
}

impl Link {
    pub(crate) fn new(quality: Quality) -> Self {
        let zero = Duration::ZERO;
        Self { quality, queue: VecDeque::new(), held: 0, free: zero, last: zero, stalled: zero, cut: None, damage: 0 }
    }

    /// Takes what fits; the number of bytes taken.
    pub(crate) fn send(&mut self, now: Duration, bytes: &[u8], rng: &mut Rng) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            let room = self.quality.buffer.saturating_sub(self.held);
            let n = rng.size(1, self.quality.segment).min(room).min(bytes.len() - taken);
            if n == 0 {
                break;
            }
            self.put(now, bytes[taken..taken + n].to_vec(), rng);
            taken += n;
        }
        taken
    }

    fn put(&mut self, now: Duration, mut segment: Vec<u8>, rng: &mut Rng) {
        let q = &self.quality;
        let time = Duration::from_micros((segment.len() * 1000 / q.bandwidth) as u64);
        self.free = self.free.max(now) + time;
        let jitter = q.jitter * u32::try_from(rng.between(0, 100)).unwrap() / 100;
        self.last = self.last.max(self.free + q.latency + jitter);
        // A longer silence, or one stall upon another, would rightly be taken for death.
        if self.last >= self.stalled + Duration::from_secs(2) && rng.percent(q.stall_chance) {
            self.last += q.stall;
            self.stalled = self.last;
        }
        self.held += segment.len();
        if self.damage > 0 && rng.between(0, 999) < self.damage {
            let at = rng.size(0, segment.len() - 1);
            segment[at] ^= 1 << rng.size(0, 7);
            if rng.percent(20) {
                segment.truncate(at);
            }
        }
        self.queue.push_back((self.last, segment));
    }

    /// When the next bytes arrive. Those that the cut swallows still occupy the buffer: the sender hears nothing.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.queue.front().map(|(at, _)| *at).filter(|at| self.cut.is_none_or(|cut| *at < cut))
    }

    /// What has arrived.
    pub(crate) fn receive(&mut self, now: Duration, mut into: impl FnMut(&[u8])) -> bool {
        let mut any = false;
        while self.next().is_some_and(|at| at <= now) {
            let Some((_, segment)) = self.queue.pop_front() else { break };
            self.held = self.held.saturating_sub(segment.len());
            into(&segment);
            any = true;
        }
        any
    }
}
