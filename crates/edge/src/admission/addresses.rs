//! Connections per client address: how many are open, and how fast new ones come.
//!
//! An IPv6 client is its /64, for any one of them can make up the rest. The table is bounded: an address without open
//! connections is forgotten once its allowance is full again, and when the table is full of busy addresses a new one
//! is counted by the process-wide limit alone.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mezu_model::Limits;

use super::{Client, Refused};

/// Shards of the table, so that workers seldom meet at one lock. It is taken once per connection, never per request.
const SHARDS: usize = 32;
/// Addresses per shard.
const PER_SHARD: usize = 4096;

pub(super) struct Addresses {
    shards: Vec<Mutex<HashMap<u64, Address>>>,
    hasher: RandomState,
    open: usize,
    per_second: f32,
    burst: f32,
}

struct Address {
    open: usize,
    /// New connections allowed now.
    allowance: f32,
    at: Instant,
}

impl Addresses {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            open: limits.connections_per_address,
            per_second: limits.connects_per_second as f32,
            burst: limits.connect_burst as f32,
        }
    }

    /// Counts a new connection, or says why it may not be. A refused one needs no [`Self::leave`]. When few places are
    /// `free` for all, an address may hold as many as it leaves.
    pub(super) fn enter(&self, client: IpAddr, free: usize) -> Result<(), Refused> {
        self.enter_at(client, free, Instant::now())
    }

    fn enter_at(&self, client: IpAddr, free: usize, now: Instant) -> Result<(), Refused> {
        let key = self.key(client);
        let Some(shard) = self.shard(key) else { return Ok(()) };
        let mut table = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= PER_SHARD && !table.contains_key(&key) {
            table.retain(|_, address| address.open > 0 || self.allowance(address, now) < self.burst);
            if table.len() >= PER_SHARD {
                return Ok(());
            }
        }
        let address = table.entry(key).or_insert(Address { open: 0, allowance: self.burst, at: now });
        address.allowance = self.allowance(address, now);
        address.at = now;
        if address.open >= self.open.min(free) {
            return Err(Refused::AddressFull);
        }
        if address.allowance < 1.0 {
            return Err(Refused::AddressRate);
        }
        address.allowance -= 1.0;
        address.open += 1;
        Ok(())
    }

    /// Takes a connection out of the count and forgets that it came.
    pub(super) fn excuse(&self, client: IpAddr) {
        let key = self.key(client);
        let Some(shard) = self.shard(key) else { return };
        if let Some(address) = shard.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&key) {
            address.open = address.open.saturating_sub(1);
            address.allowance = (address.allowance + 1.0).min(self.burst);
        }
    }

    pub(super) fn leave(&self, client: IpAddr) {
        let key = self.key(client);
        let Some(shard) = self.shard(key) else { return };
        if let Some(address) = shard.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&key) {
            address.open = address.open.saturating_sub(1);
        }
    }

    fn allowance(&self, address: &Address, now: Instant) -> f32 {
        let passed = now.saturating_duration_since(address.at).as_secs_f32();
        (address.allowance + passed * self.per_second).min(self.burst)
    }

    /// A keyed hash of what counts as one client. Two clients share a count by accident once in 2^64.
    fn key(&self, client: IpAddr) -> u64 {
        self.hasher.hash_one(Client::of(client))
    }

    fn shard(&self, key: u64) -> Option<&Mutex<HashMap<u64, Address>>> {
        self.shards.get(usize::try_from(key).unwrap_or(0) % SHARDS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    fn addresses() -> Addresses {
        Addresses::new(&Limits {
            connections_per_address: 300,
            connects_per_second: 50,
            connect_burst: 200,
            ..Limits::default()
        })
    }

    #[test]
    fn a_burst_is_followed_by_the_rate() {
        let all = addresses();
        let client = "192.0.2.7".parse().unwrap();
        let start = Instant::now();
        for _ in 0..200 {
            all.enter_at(client, 1000, start).unwrap();
        }
        assert_eq!(all.enter_at(client, 1000, start), Err(Refused::AddressRate));
        let later = start + Duration::from_millis(100);
        let admitted = (0..10).filter(|_| all.enter_at(client, 1000, later).is_ok()).count();
        assert_eq!(admitted, 5);
    }

    #[test]
    fn where_places_are_few_those_who_have_many_get_no_more() {
        let all = addresses();
        let (greedy, modest) = ("192.0.2.7".parse().unwrap(), "192.0.2.8".parse().unwrap());
        let start = Instant::now();
        for held in 0..100 {
            all.enter_at(greedy, 200 - held, start).unwrap();
        }
        assert_eq!(all.enter_at(greedy, 100, start), Err(Refused::AddressFull));
        assert_eq!(all.enter_at(modest, 100, start), Ok(()));
    }

    #[test]
    fn a_slash_64_is_one_client_and_a_mapped_address_its_v4_self() {
        let all = addresses();
        assert_eq!(all.key("2001:db8::1".parse().unwrap()), all.key("2001:db8::ffff:2".parse().unwrap()));
        assert_ne!(all.key("2001:db8::1".parse().unwrap()), all.key("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(all.key("::ffff:192.0.2.7".parse().unwrap()), all.key("192.0.2.7".parse().unwrap()));
    }
}
