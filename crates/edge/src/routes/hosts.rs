//! The hosts of a table, shared between the tables of many generations.
//!
//! A change concerns few hosts, and old generations live as long as the requests that began in them. So hosts lie in
//! shards: a new table shares every shard that nothing has changed in, and every unchanged host of the others.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use mezu_model::Hostname;

use super::Host;

/// Enough that one of 100,000 hosts is changed by copying 400 pointers; few enough that an empty table costs nothing.
const SHARDS: usize = 256;

/// From names to hosts.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    shards: Box<[Arc<Shard>]>,
    hasher: DefaultHashBuilder,
}

type Shard = HashTable<(Hostname, Arc<Host>)>;

impl Default for Hosts {
    fn default() -> Self {
        let empty = Arc::new(Shard::new());
        Self { shards: vec![empty; SHARDS].into(), hasher: DefaultHashBuilder::default() }
    }
}

/// Which shard, by bits that a table uses for nothing.
fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

impl Hosts {
    #[inline]
    pub(super) fn get(&self, name: &str) -> Option<&Host> {
        let hash = self.hasher.hash_one(name);
        let found = self.shards.get(shard_of(hash))?.find(hash, |(host, _)| host.as_str() == name)?;
        Some(&*found.1)
    }

    /// Puts a host in the place of what the name had; `None` takes it away.
    pub(super) fn set(&mut self, name: &Hostname, host: Option<Host>) {
        let hash = self.hasher.hash_one(name.as_str());
        let Some(shard) = self.shards.get_mut(shard_of(hash)) else { return };
        let shard = Arc::make_mut(shard);
        if let Ok(old) = shard.find_entry(hash, |(host, _)| host == name) {
            old.remove();
        }
        if let Some(host) = host {
            let hasher = &self.hasher;
            shard.insert_unique(hash, (name.clone(), Arc::new(host)), |(name, _)| hasher.hash_one(name.as_str()));
        }
    }
}
