//! When keys were last used: asked of the edge now and then, and noted in the store.
//!
//! The edge is only asked; no request and no tunnel waits for it. It is no change of configuration: there is no event in
//! the audit log and no new generation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mezu_edge::KeysUsed;
use mezu_model::KeyId;
use mezu_runtime::Scope;
use mezu_store::Micros;
use tokio::time::timeout;

use super::clock;
use super::live::Live;
use super::publisher::StoreSlot;

/// How often the edge is asked.
const EVERY: Duration = Duration::from_secs(10);
/// A key whose tunnels stay is noted this often, or a large fleet would have the store write all the time.
const FRESH: Duration = Duration::from_secs(60);
/// How long the end of the process waits for the store.
const LAST: Duration = Duration::from_secs(2);

/// Notes which keys are used.
#[derive(Clone)]
pub(super) struct KeyUses {
    live: Live,
    store: StoreSlot,
    uses: Arc<Mutex<Uses>>,
}

impl KeyUses {
    pub(super) fn start(scope: &Scope, live: Live, store: StoreSlot) -> Self {
        let all = Self { live, store, uses: Arc::default() };
        let (task, noting) = (scope.clone(), all.clone());
        mezu_runtime::spawn(scope, "key-uses", async move {
            tokio::select! {
                () = task.stopping() => {}
                () = noting.run() => {}
            }
        });
        all
    }

    /// Notes what was not noted yet, at the end.
    pub(super) async fn finish(&self) {
        if timeout(LAST, self.note()).await.is_err() {
            tracing::warn!("the store does not answer; when keys were last used is not noted");
        }
    }

    async fn run(&self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.note().await;
        }
    }

    async fn note(&self) {
        let (Some(edge), Some(store)) = (self.live.edge(), self.store.get()) else { return };
        let due = self.uses().due(edge.keys_used(), clock::now());
        if due.is_empty() {
            return;
        }
        match store.touch_keys(&due).await {
            Ok(()) => self.uses().noted(&due),
            Err(error) => tracing::debug!(%error, "when keys were last used is noted later"),
        }
    }

    fn uses(&self) -> std::sync::MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the use of keys: at most of as many as the edge tells of.
#[derive(Debug, Default)]
struct Uses {
    /// Ended, and not in the store yet.
    ended: HashMap<KeyId, Micros>,
    /// When those that have tunnels were noted.
    noted: HashMap<KeyId, Micros>,
}

impl Uses {
    /// What should be noted now. Keys that have ended stay due until they are.
    fn due(&mut self, used: KeysUsed, now: Micros) -> Vec<(KeyId, Micros)> {
        let open: std::collections::HashSet<KeyId> = used.open.into_iter().collect();
        self.noted.retain(|key, _| open.contains(key));
        self.ended.extend(used.ended.into_iter().map(|key| (key, now)));
        self.ended.retain(|key, _| !open.contains(key));
        let fresh = i64::try_from(FRESH.as_micros()).unwrap_or(i64::MAX);
        let is_due = |key: &KeyId| self.noted.get(key).is_none_or(|noted| now.0.saturating_sub(noted.0) >= fresh);
        let mut due: Vec<(KeyId, Micros)> = open.into_iter().filter(is_due).map(|key| (key, now)).collect();
        due.extend(self.ended.iter().map(|(key, at)| (*key, *at)));
        due
    }

    fn noted(&mut self, due: &[(KeyId, Micros)]) {
        for (key, at) in due {
            if self.ended.remove(key).is_none() {
                self.noted.insert(*key, *at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: KeyId = KeyId::from_bytes([1; 16]);
    const B: KeyId = KeyId::from_bytes([2; 16]);

    fn used(open: &[KeyId], ended: &[KeyId]) -> KeysUsed {
        KeysUsed { open: open.to_vec(), ended: ended.to_vec() }
    }

    fn seconds(seconds: i64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    #[test]
    fn a_key_is_noted_when_it_comes_once_a_minute_and_when_it_goes() {
        let mut uses = Uses::default();
        let mut step = |at: i64, now: KeysUsed| {
            let due = uses.due(now, seconds(at));
            uses.noted(&due);
            due
        };
        assert_eq!(step(0, used(&[A], &[])), [(A, seconds(0))]);
        assert_eq!(step(10, used(&[A], &[])), []);
        assert_eq!(step(60, used(&[A], &[B])), [(A, seconds(60)), (B, seconds(60))]);
        assert_eq!(step(70, used(&[], &[A])), [(A, seconds(70))]);
        assert_eq!(step(80, used(&[], &[])), []);
        assert_eq!(step(90, used(&[A], &[])), [(A, seconds(90))]);
    }

    #[test]
    fn what_the_store_did_not_take_is_due_again_with_its_own_time() {
        let mut uses = Uses::default();
        assert_eq!(uses.due(used(&[A], &[B]), seconds(0)).len(), 2);
        assert_eq!(uses.due(used(&[A], &[]), seconds(10)), [(A, seconds(10)), (B, seconds(0))]);
        // Back with a tunnel: that is later, and enough.
        let due = uses.due(used(&[B], &[]), seconds(20));
        assert_eq!(due, [(B, seconds(20))]);
        uses.noted(&due);
        assert_eq!(uses.due(used(&[B], &[]), seconds(30)), []);
    }
}
