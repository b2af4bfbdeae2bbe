//! Places at one gate, dealt among the clients that want them.
//!
//! A client may have twice as many as it leaves free. Alone that is two thirds of all; forty that take what they can
//! leave some for a forty-first, so slow clients of a few addresses cannot shut out the others. Requests take places of
//! their own kind: what rests for hours (a WebSocket, an event stream) moves to a count apart, as far as there is room,
//! and stands in nobody's way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hashbrown::HashMap;
use mezu_model::Limits;

use crate::admission::Client;

/// How many a client may have for each one that it leaves free.
const PER_FREE: usize = 2;

/// The places of one tunnel.
pub(crate) struct Places {
    working: Pool,
    resting: Pool,
}

impl Places {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { working: Pool::new(limits.in_flight_per_gate), resting: Pool::new(limits.resting_per_gate) }
    }

    /// Requests that do not rest.
    #[inline]
    pub(crate) fn working(&self) -> usize {
        self.working.taken.get()
    }

    /// Whether there is one for this client.
    #[inline]
    pub(crate) fn is_free_for(&self, client: Client) -> bool {
        self.working.is_free_for(client)
    }

    /// Takes a place. Whether it is free is for the caller to ask before.
    #[inline]
    pub(crate) fn take(self: &Rc<Self>, client: Client) -> Place {
        self.working.add(client);
        Place { places: Rc::clone(self), client, rests: false }
    }
}

/// The place of one request; dropping it gives it back.
pub(crate) struct Place {
    places: Rc<Places>,
    client: Client,
    rests: bool,
}

impl Place {
    /// From here on the request rests most of the time. Where too many do it keeps the place that it has.
    pub(crate) fn rest(&mut self) {
        if !self.rests && self.places.resting.is_free_for(self.client) {
            self.places.working.remove(self.client);
            self.places.resting.add(self.client);
            self.rests = true;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let pool = if self.rests { &self.places.resting } else { &self.places.working };
        pool.remove(self.client);
    }
}

/// Places of one kind.
struct Pool {
    most: usize,
    taken: Cell<usize>,
    /// Who has how many; none is kept at zero.
    of: RefCell<HashMap<Client, usize>>,
}

impl Pool {
    fn new(most: usize) -> Self {
        Self { most, taken: Cell::new(0), of: RefCell::default() }
    }

    fn is_free_for(&self, client: Client) -> bool {
        let free = self.most.saturating_sub(self.taken.get());
        // Most of the time next to none are taken, by whomever.
        if self.taken.get() < PER_FREE * free {
            return true;
        }
        let mine = self.of.borrow().get(&client).copied().unwrap_or(0);
        mine < PER_FREE * free
    }

    fn add(&self, client: Client) {
        self.taken.set(self.taken.get() + 1);
        *self.of.borrow_mut().entry(client).or_insert(0) += 1;
    }

    fn remove(&self, client: Client) {
        self.taken.set(self.taken.get().saturating_sub(1));
        let mut of = self.of.borrow_mut();
        if let Some(mine) = of.get_mut(&client) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                of.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn places(in_flight_per_gate: usize, resting_per_gate: usize) -> Rc<Places> {
        Rc::new(Places::new(&Limits { in_flight_per_gate, resting_per_gate, ..Limits::default() }))
    }

    fn client(last: u8) -> Client {
        Client::of(Ipv4Addr::new(192, 0, 2, last).into())
    }

    /// Takes as many as there are for this client.
    fn fill(places: &Rc<Places>, client: Client, held: &mut Vec<Place>) -> usize {
        let before = held.len();
        while places.is_free_for(client) {
            held.push(places.take(client));
        }
        held.len() - before
    }

    #[test]
    fn alone_a_client_has_two_thirds_and_leaves_the_rest() {
        let places = places(900, 0);
        let mut held = Vec::new();
        assert_eq!(fill(&places, client(1), &mut held), 600);
        assert_eq!(fill(&places, client(2), &mut held), 200);
        assert_eq!(fill(&places, client(1), &mut held), 0);
        held.clear();
        assert_eq!(places.working(), 0);
        assert!(places.working.of.borrow().is_empty());
    }

    #[test]
    fn forty_greedy_clients_leave_room_for_another_in_whatever_order_they_come() {
        let places = places(1000, 0);
        let mut held = Vec::new();
        for round in 0..1000 {
            for greedy in 1..=40 {
                if (round + greedy) % 3 != 0 && places.is_free_for(client(greedy as u8)) {
                    held.push(places.take(client(greedy as u8)));
                }
            }
        }
        let mut honest = Vec::new();
        assert!(fill(&places, client(99), &mut honest) >= 8, "{}", places.working());
    }

    #[test]
    fn what_rests_takes_no_place_from_the_others_and_gives_its_own_back() {
        let places = places(3, 6);
        let mut resting = Vec::new();
        for _ in 0..4 {
            assert!(places.is_free_for(client(1)));
            let mut place = places.take(client(1));
            place.rest();
            place.rest();
            resting.push(place);
        }
        assert_eq!((places.working(), places.resting.taken.get()), (0, 4));
        // There is no room for more of this client: its next keeps the place that it has.
        let mut fifth = places.take(client(1));
        fifth.rest();
        assert_eq!((places.working(), places.resting.taken.get()), (1, 4));
        drop((resting, fifth));
        assert_eq!((places.working(), places.resting.taken.get()), (0, 0));
        assert!(places.resting.of.borrow().is_empty());
    }
}
