//! Handshakes under way on one worker: how many at once, and how many may begin per second.
//!
//! A handshake is the dearest thing a stranger can ask for, so beginnings are paced: a burst passes, what comes
//! faster waits its turn within the handshake's own deadline, and what finds all places taken is closed.
//!
//! A storm from a few addresses must not stand before everybody else. So one client may have as many places as it
//! leaves free, and whoever has no other handshake under way does not queue behind those who have. All beginnings
//! together keep the pace.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use mezu_model::Limits;

use super::{Client, Refused};

/// One client may have one in so many of the places, whatever is free.
const SHARE: usize = 8;

pub(crate) struct Handshakes {
    open: Cell<usize>,
    most: usize,
    /// Under way per client; none is kept at zero.
    per_client: RefCell<HashMap<Client, usize>>,
    /// Time that one beginning costs.
    gap: Duration,
    /// How far a schedule may lie behind: one second's worth may come at once.
    slack: Duration,
    /// When the next may begin; all beginnings count.
    next: Cell<Instant>,
    /// When the next may begin of clients that have no other under way; only theirs count.
    next_first: Cell<Instant>,
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
            next_first: Cell::new(Instant::now()),
        }
    }

    /// Takes a place, and tells how long to wait before beginning.
    pub(crate) fn begin(&self, now: Instant, client: IpAddr) -> Result<(Handshake<'_>, Duration), Refused> {
        let free = self.most.saturating_sub(self.open.get());
        let client = Client::of(client);
        let mut per_client = self.per_client.borrow_mut();
        let mine = per_client.get(&client).copied().unwrap_or(0);
        if mine >= free.min((self.most / SHARE).max(1)) {
            return Err(Refused::Handshakes);
        }
        per_client.insert(client, mine + 1);
        self.open.set(self.open.get() + 1);
        let (at, at_first) = (self.slot(&self.next, now), (mine == 0).then(|| self.slot(&self.next_first, now)));
        let begin = at_first.map_or(at, |first| first.min(at));
        Ok((Handshake { all: self, client }, begin.saturating_duration_since(now)))
    }

    /// The next slot of a schedule.
    fn slot(&self, next: &Cell<Instant>, now: Instant) -> Instant {
        let earliest = now.checked_sub(self.slack).unwrap_or(now);
        let slot = next.get().max(earliest);
        next.set(slot + self.gap);
        slot
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
    fn a_storm_of_a_few_does_not_stand_before_the_others() {
        let all = Handshakes::new(&Limits { handshakes_open: 500, handshakes_per_second: 100, ..Limits::default() });
        let now = Instant::now() + Duration::from_secs(10);
        let storm = |last: u8| IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, last));
        let mut held = Vec::new();
        for round in 0..100 {
            let before = held.len();
            held.extend((0..40).filter_map(|last| all.begin(now, storm(last)).ok()));
            assert!(round < 63 || held.len() == before, "places are left over");
        }
        assert!(held.len() > 450 && held.iter().any(|(_, wait)| *wait > Duration::from_secs(3)));
        let (_place, wait) = all.begin(now, OTHER).unwrap();
        assert_eq!(wait, Duration::ZERO);
    }

    #[test]
    fn those_who_come_first_keep_the_pace_too() {
        let all = Handshakes::new(&Limits { handshakes_open: 500, handshakes_per_second: 10, ..Limits::default() });
        let now = Instant::now() + Duration::from_secs(10);
        let waits: Vec<_> = (0..31)
            .map(|last| all.begin(now, IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, last))).unwrap())
            .map(|(_place, wait)| wait)
            .collect();
        assert_eq!(waits.last(), Some(&Duration::from_secs(2)));
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
