//! On which worker a new tunnel lives: on one that has none from that gate yet.
//!
//! The kernel hands a tunnel's connection to any worker; it is moved before it begins to work, so that a gate with as
//! many tunnels as there are workers has exactly one on each.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use mezu_model::{GateId, KeyId, OrgId};
use mezu_snapshot::limits;
use mezu_tunnel::proto::ByteBudget;

/// A key may have as many tunnels as so many gates at their bound: a fleet, whatever the number of workers.
const FULL_GATES_PER_KEY: usize = 16;

pub(crate) struct Placement {
    workers: usize,
    /// Tunnels that one gate may have.
    most: usize,
    /// Memory of all tunnels together.
    memory: ByteBudget,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    orgs: HashMap<OrgId, Org>,
    /// Keys whose last tunnel has ended since it was last asked which are used: as many as a snapshot holds at most.
    ended: HashSet<KeyId>,
}

/// Which keys are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysUsed {
    /// Those with tunnels.
    pub open: Vec<KeyId>,
    /// Those whose last tunnel has ended since this was asked before.
    pub ended: Vec<KeyId>,
}

/// What an org has here. Gone with its last tunnel.
struct Org {
    memory: ByteBudget,
    keys: HashMap<KeyId, Key>,
}

#[derive(Default)]
struct Key {
    tunnels: usize,
    gates: HashMap<GateId, Vec<u16>>,
}

/// There are as many tunnels as there may be, of the gate or of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

/// A tunnel's place on a worker; dropping it gives it back.
pub(crate) struct Seat {
    all: Arc<Placement>,
    org: OrgId,
    key: KeyId,
    gate: GateId,
    pub(crate) worker: usize,
    /// Its org's part of the memory.
    pub(crate) memory: ByteBudget,
}

impl Placement {
    pub(crate) fn new(workers: usize, most: usize, memory: ByteBudget) -> Self {
        // A gate needs a tunnel per worker, and a second set while it replaces a broken one.
        Self { workers, most: most.max(2 * workers), memory, all: Mutex::default() }
    }

    /// Takes a place for a tunnel that arrived at worker `here`: there if that one has none from this gate, else on
    /// the worker that has fewest.
    pub(crate) fn take(self: &Arc<Self>, org: OrgId, key: KeyId, gate: GateId, here: usize) -> Result<Seat, TooMany> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let of_org = all.orgs.entry(org).or_insert_with(|| Org { memory: self.memory.part(), keys: HashMap::new() });
        let of_key = of_org.keys.entry(key).or_default();
        // Neither can be true of what was made just now, so a refusal leaves nothing behind.
        let tunnels =
            of_key.gates.get(&gate).map_or(0, |tunnels| tunnels.iter().map(|count| usize::from(*count)).sum());
        if of_key.tunnels >= FULL_GATES_PER_KEY * self.most || tunnels >= self.most {
            return Err(TooMany);
        }
        let of_gate = of_key.gates.entry(gate).or_insert_with(|| vec![0; self.workers]);
        let distance = |worker: usize| (worker + self.workers - here) % self.workers;
        let chosen = of_gate.iter_mut().enumerate().min_by_key(|(worker, count)| (**count, distance(*worker)));
        let Some((worker, count)) = chosen else { return Err(TooMany) };
        *count += 1;
        of_key.tunnels += 1;
        let memory = of_org.memory.clone();
        Ok(Seat { all: Arc::clone(self), org, key, gate, worker, memory })
    }

    /// Which keys are used, and were since this was asked before.
    pub(crate) fn keys_used(&self) -> KeysUsed {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.orgs.values().flat_map(|org| org.keys.keys().copied()).collect();
        KeysUsed { open, ended: all.ended.drain().collect() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut all = self.all.all.lock().unwrap_or_else(PoisonError::into_inner);
        let All { orgs, ended } = &mut *all;
        let Some(of_org) = orgs.get_mut(&self.org) else { return };
        if let Some(of_key) = of_org.keys.get_mut(&self.key) {
            of_key.give_back(self.gate, self.worker);
            if of_key.tunnels == 0 {
                of_org.keys.remove(&self.key);
                if ended.len() < limits::KEYS {
                    ended.insert(self.key);
                }
            }
        }
        if of_org.keys.is_empty() {
            orgs.remove(&self.org);
        }
    }
}

impl Key {
    fn give_back(&mut self, gate: GateId, worker: usize) {
        self.tunnels = self.tunnels.saturating_sub(1);
        let Some(of_gate) = self.gates.get_mut(&gate) else { return };
        if let Some(count) = of_gate.get_mut(worker) {
            *count = count.saturating_sub(1);
        }
        if of_gate.iter().all(|count| *count == 0) {
            self.gates.remove(&gate);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ORG: OrgId = OrgId::from_bytes([7; 16]);
    const KEY: KeyId = KeyId::from_bytes([1; 16]);
    const GATE: GateId = GateId::from_bytes([2; 16]);

    fn placement(workers: usize, most: usize) -> Arc<Placement> {
        Arc::new(Placement::new(workers, most, ByteBudget::new(1 << 20)))
    }

    #[test]
    fn every_worker_gets_one_wherever_they_arrive() {
        let all = placement(4, 16);
        let seats: Vec<Seat> = (0..4).map(|_| all.take(ORG, KEY, GATE, 2).unwrap()).collect();
        let mut workers: Vec<usize> = seats.iter().map(|seat| seat.worker).collect();
        assert_eq!(workers.first(), Some(&2), "the first one stays where it arrived");
        workers.sort_unstable();
        assert_eq!(workers, [0, 1, 2, 3]);
    }

    #[test]
    fn a_place_given_back_is_the_next_one_taken() {
        let all = placement(3, 16);
        let mut seats: Vec<Seat> = (0..3).map(|_| all.take(ORG, KEY, GATE, 0).unwrap()).collect();
        let freed = seats.remove(1).worker;
        assert_eq!(all.take(ORG, KEY, GATE, 0).unwrap().worker, freed);
    }

    #[test]
    fn tunnels_are_bounded_and_nothing_is_left_behind() {
        let all = placement(1, 2);
        let seats = [all.take(ORG, KEY, GATE, 0).unwrap(), all.take(ORG, KEY, GATE, 0).unwrap()];
        assert_eq!(all.take(ORG, KEY, GATE, 0).err(), Some(TooMany));
        drop(seats);
        assert!(all.all.lock().unwrap().orgs.is_empty());
    }

    #[test]
    fn a_key_has_no_more_tunnels_however_many_gates_it_claims_to_be() {
        let all = placement(1, 2);
        let gate = |n: usize| GateId::from_bytes([u8::try_from(n).unwrap(); 16]);
        let mut seats: Vec<Seat> = (0..32).map(|n| all.take(ORG, KEY, gate(n), 0).unwrap()).collect();
        assert_eq!(all.take(ORG, KEY, gate(32), 0).err(), Some(TooMany));
        assert_eq!(all.take(ORG, KEY, gate(0), 0).err(), Some(TooMany));
        let other = KeyId::from_bytes([9; 16]);
        seats.push(all.take(ORG, other, gate(32), 0).unwrap());
        seats.remove(0);
        seats.push(all.take(ORG, KEY, gate(32), 0).unwrap());
        drop(seats);
        assert!(all.all.lock().unwrap().orgs.is_empty());
    }

    #[test]
    fn orgs_have_memory_apart_and_the_keys_of_one_together() {
        let all = placement(1, 16);
        let (other_org, other_key) = (OrgId::from_bytes([8; 16]), KeyId::from_bytes([9; 16]));
        let [a, b, c] =
            [(ORG, KEY), (ORG, other_key), (other_org, KEY)].map(|(org, key)| all.take(org, key, GATE, 0).unwrap());
        assert!(a.memory == b.memory && a.memory != c.memory && a.memory != all.memory);
    }

    #[test]
    fn a_key_is_used_while_it_has_tunnels_and_told_once_more_when_the_last_is_gone() {
        let all = placement(1, 16);
        let other = KeyId::from_bytes([9; 16]);
        let used = |open: &[KeyId], ended: &[KeyId]| KeysUsed { open: open.to_vec(), ended: ended.to_vec() };
        let [a, b] = [(), ()].map(|()| all.take(ORG, KEY, GATE, 0).unwrap());
        // Between two questions, but not unseen.
        drop(all.take(ORG, other, GATE, 0).unwrap());
        assert_eq!(all.keys_used(), used(&[KEY], &[other]));
        drop(a);
        assert_eq!(all.keys_used(), used(&[KEY], &[]));
        drop(b);
        assert_eq!(all.keys_used(), used(&[], &[KEY]));
        assert_eq!(all.keys_used(), used(&[], &[]));
    }
}
