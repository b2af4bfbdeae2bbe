//! On which worker a new tunnel lives: on one that has none from that gate yet.
//!
//! The kernel hands a tunnel's connection to any worker; it is moved before it begins to work, so that a gate with as
//! many tunnels as there are workers has exactly one on each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mezu_model::{GateId, KeyId};

/// Gates that one key may have connected at once.
const GATES_PER_KEY: usize = 256;

pub(crate) struct Placement {
    workers: usize,
    /// Tunnels that one gate may have.
    most: usize,
    seats: Mutex<HashMap<KeyId, HashMap<GateId, Vec<u16>>>>,
}

/// There are as many tunnels, or as many gates, as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

/// A tunnel's place on a worker; dropping it gives it back.
pub(crate) struct Seat {
    all: Arc<Placement>,
    key: KeyId,
    gate: GateId,
    pub(crate) worker: usize,
}

impl Placement {
    pub(crate) fn new(workers: usize, most: usize) -> Self {
        // A gate needs a tunnel per worker, and a second set while it replaces a broken one.
        Self { workers, most: most.max(2 * workers), seats: Mutex::default() }
    }

    /// Takes a place for a tunnel that arrived at worker `here`: there if that one has none from this gate, else on
    /// the worker that has fewest.
    pub(crate) fn take(self: &Arc<Self>, key: KeyId, gate: GateId, here: usize) -> Result<Seat, TooMany> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let gates = seats.entry(key).or_default();
        if gates.len() >= GATES_PER_KEY && !gates.contains_key(&gate) {
            return Err(TooMany);
        }
        let tunnels = gates.entry(gate).or_insert_with(|| vec![0; self.workers]);
        if tunnels.iter().map(|count| usize::from(*count)).sum::<usize>() >= self.most {
            return Err(TooMany);
        }
        let distance = |worker: usize| (worker + self.workers - here) % self.workers;
        let chosen = tunnels.iter_mut().enumerate().min_by_key(|(worker, count)| (**count, distance(*worker)));
        let Some((worker, count)) = chosen else { return Err(TooMany) };
        *count += 1;
        Ok(Seat { all: Arc::clone(self), key, gate, worker })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.all.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gates) = seats.get_mut(&self.key) else { return };
        if let Some(tunnels) = gates.get_mut(&self.gate) {
            if let Some(count) = tunnels.get_mut(self.worker) {
                *count = count.saturating_sub(1);
            }
            if tunnels.iter().all(|count| *count == 0) {
                gates.remove(&self.gate);
            }
        }
        if gates.is_empty() {
            seats.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: KeyId = KeyId::from_bytes([1; 16]);
    const GATE: GateId = GateId::from_bytes([2; 16]);

    #[test]
    fn every_worker_gets_one_wherever_they_arrive() {
        let all = Arc::new(Placement::new(4, 16));
        let seats: Vec<Seat> = (0..4).map(|_| all.take(KEY, GATE, 2).unwrap()).collect();
        let mut workers: Vec<usize> = seats.iter().map(|seat| seat.worker).collect();
        assert_eq!(workers.first(), Some(&2), "the first one stays where it arrived");
        workers.sort_unstable();
        assert_eq!(workers, [0, 1, 2, 3]);
    }

    #[test]
    fn a_place_given_back_is_the_next_one_taken() {
        let all = Arc::new(Placement::new(3, 16));
        let mut seats: Vec<Seat> = (0..3).map(|_| all.take(KEY, GATE, 0).unwrap()).collect();
        let freed = seats.remove(1).worker;
        assert_eq!(all.take(KEY, GATE, 0).unwrap().worker, freed);
    }

    #[test]
    fn tunnels_are_bounded_and_nothing_is_left_behind() {
        let all = Arc::new(Placement::new(1, 2));
        let seats = [all.take(KEY, GATE, 0).unwrap(), all.take(KEY, GATE, 0).unwrap()];
        assert_eq!(all.take(KEY, GATE, 0).err(), Some(TooMany));
        drop(seats);
        assert!(all.seats.lock().unwrap().is_empty());
    }
}
