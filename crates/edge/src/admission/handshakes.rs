//! Handshakes under way on one worker: how many at once, and how many may begin per second.
//!
//! A handshake is the dearest thing a stranger can ask for, so beginnings are paced: a burst passes, what comes
//! faster waits its turn within the handshake's own deadline, and what finds all places taken is closed. One client
//! gets a share of the places only.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use mezu_model::Limits;

use super::{Client, Refused};

/// One client may have one in so many of the places.
const SHARE: usize = 8;

pub(crate) struct Handshakes {
    open: Cell<usize>,
    most: usize,
    /// Under way per client; none is kept at zero.
    per_client: RefCell<HashMap<Client, usize>>,
    /// Time that one beginning costs.
    gap: Duration,
    /// How far the schedule may lie behind: one second's worth may come at once.
    slack: Duration,
    /// When the next may begin.
    next: Cell<Instant>,
}

impl Handshakes {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            open: Cell::new(0),
            most: limits.handshakes_open,
            per_client: RefCell::default(),
            gap: Duration::from_secs(1) / limits.handshakes_per_second.max(1),
            slack: Duration::from_secs(1),
            next: Cell::new(Instant::now()),
        }
    }

    /// Takes a place, and tells how long to wait before beginning.
    pub(crate) fn begin(&self, now: Instant, client: IpAddr) -> Result<(Handshake<'_>, Duration), Refused> {
        if self.open.get() >= self.most {
            return Err(Refused::Handshakes);
        }
        let client = Client::of(client);
        let mut per_client = self.per_client.borrow_mut();
        let mine = per_client.entry(client).or_insert(0);
        if *mine >= (self.most / SHARE).max(1) {
            return Err(Refused::Handshakes);
        }
        *mine += 1;
        self.open.set(self.open.get() + 1);
        let earliest = now.checked_sub(self.slack).unwrap_or(now);
        let mine = self.next.get().max(earliest);
        self.next.set(mine + self.gap);
        Ok((Handshake { all: self, client }, mine.saturating_duration_since(now)))
    }
}

/// One place among the handshakes of a worker.
pub(crate) struct Handshake<'a> {
    all: &'a Handshakes,
    client: Client,
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        self.all.open.set(self.all.open.get().saturating_sub(1));
        let mut per_client = self.all.per_client.borrow_mut();
        if let Some(mine) = per_client.get_mut(&self.client) {
            *mine -= 1;
            if *mine == 0 {
                per_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn a_second_of_them_begins_at_once_and_the_next_waits() {
        let limits = Limits { handshakes_per_second: 10, handshakes_open: 100, ..Limits::default() };
        let all = Handshakes::new(&limits);
        let now = Instant::now() + Duration::from_secs(10);
        let mut held = Vec::new();
        for _ in 0..11 {
            let (place, wait) = all.begin(now, OTHER).unwrap();
            assert_eq!(wait, Duration::ZERO);
            held.push(place);
        }
        assert_eq!(all.begin(now, OTHER).unwrap().1, Duration::from_millis(100));
    }

    #[test]
    fn one_address_gets_its_share_only() {
        let all = Handshakes::new(&Limits { handshakes_open: 80, handshakes_per_second: 1000, ..Limits::default() });
        let now = Instant::now();
        let one = "2001:db8::1".parse().unwrap();
        let neighbour = "2001:db8::2".parse().unwrap();
        let mut held: Vec<_> = (0..10).map(|_| all.begin(now, one).unwrap()).collect();
        assert_eq!(all.begin(now, neighbour).err(), Some(Refused::Handshakes));
        assert!(all.begin(now, OTHER).is_ok());
        held.pop();
        assert!(all.begin(now, neighbour).is_ok());
        held.clear();
        assert!(all.per_client.borrow().is_empty());
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let all = Handshakes::new(&Limits { handshakes_open: 1, ..Limits::default() });
        let now = Instant::now();
        let held = all.begin(now, OTHER).unwrap();
        assert_eq!(all.begin(now, OTHER).err(), Some(Refused::Handshakes));
        drop(held);
        assert!(all.begin(now, OTHER).is_ok());
    }
}
