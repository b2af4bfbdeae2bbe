//! Machines that ask to be let in, while somebody decides.
//!
//! They are kept in memory: a request lives as long as the connection that brought it, ten minutes at most, and is gone
//! with whoever asked. It is found by its code alone; nobody can list what waits. All is bounded, and so is how often may
//! be asked and how often a code may be missed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mezu_model::{Label, MachineCode, PublicKey};
use mezu_store::Micros;
use tokio::sync::oneshot;

use crate::auth::sign_in::network;
use crate::auth::{Attempts, Rate};

/// How long a code is good.
const LASTS: Duration = Duration::from_secs(600);
/// Requests that wait at once, of all machines and of one network.
const MOST: usize = 1000;
const MOST_OF_NETWORK: usize = 10;
/// When to try again where there is no room.
const LATER: Duration = Duration::from_secs(30);

/// A machine that asks. That it holds the key was shown; what it says of itself was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub key: PublicKey,
    /// Where its connection comes from.
    pub address: IpAddr,
    /// The only org that may let it in.
    pub org: Option<Label>,
    pub host: String,
    pub user: String,
    pub agent: String,
}

/// What a key was let in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub org: Label,
    /// The service account.
    pub account: Label,
    pub expires_at: Option<Micros>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    LetIn(Grant),
    Refused,
    Expired,
}

/// What a machine that asks is told at once.
#[derive(Debug)]
pub enum Told {
    /// Its key has just been let in: it only did not hear of it.
    Known(Grant),
    Waits(Waiting),
}

/// A request that waits. Dropping it withdraws the request.
#[derive(Debug)]
pub struct Waiting {
    pub code: MachineCode,
    /// How long the code is good.
    pub lasts: Duration,
    id: u64,
    verdict: oneshot::Receiver<Verdict>,
    machines: Machines,
}

/// All requests. Clones share them.
#[derive(Clone, Debug)]
pub struct Machines(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    waiting: Mutex<Requests>,
    /// Requests, by network.
    asks: Attempts,
    /// Codes that led to nothing, by who tried them.
    misses: Attempts,
}

#[derive(Debug, Default)]
struct Requests {
    by_code: HashMap<MachineCode, Entry>,
    /// Keys that were let in, for as long as their requests would have waited.
    let_in: HashMap<PublicKey, (Grant, Instant)>,
    last_id: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    claim: Claim,
    until: Instant,
    asked_at: Micros,
    expires_at: Micros,
    /// `None` while somebody's decision is being done.
    tell: Option<oneshot::Sender<Verdict>>,
}

/// A request as whoever decides sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) code: MachineCode,
    pub(crate) claim: Claim,
    pub(crate) asked_at: Micros,
    pub(crate) expires_at: Micros,
}

/// A request that is being decided: by nobody else meanwhile. Dropping it leaves the request to wait on.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) shown: Shown,
    id: u64,
    tell: Option<oneshot::Sender<Verdict>>,
    machines: Machines,
}

/// Why there is nothing to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// No machine waits with that code for that org.
    None,
    /// Somebody else decides just now.
    Taken,
    /// Too many codes have led to nothing.
    Wait(Duration),
}

impl Default for Machines {
    fn default() -> Self {
        Self(Arc::new(Inner {
            waiting: Mutex::default(),
            asks: Attempts::new(Rate { burst: 10, seconds: 30 }),
            misses: Attempts::new(Rate { burst: 10, seconds: 60 }),
        }))
    }
}

impl Machines {
    /// A machine asks. `at` is the wall clock.
    ///
    /// # Errors
    /// How long to wait, when there is no room.
    pub fn ask(&self, claim: Claim, now: Instant, at: Micros) -> Result<Told, Duration> {
        let network = network(&claim.address.to_string());
        let mut requests = self.requests();
        requests.sweep(now);
        if let Some((grant, _)) = requests.let_in.get(&claim.key) {
            return Ok(Told::Known(grant.clone()));
        }
        self.0.asks.take(&network, now)?;
        // A machine that dials again has one request, the new one; its old connection hears that it has expired.
        requests.by_code.retain(|_, entry| entry.claim.key != claim.key || entry.tell.is_none());
        let of_network = requests.by_code.values().filter(|entry| is_of(entry, &network)).count();
        if requests.by_code.len() >= MOST || of_network >= MOST_OF_NETWORK {
            return Err(LATER);
        }
        let code = requests.free_code();
        requests.last_id += 1;
        let id = requests.last_id;
        let (tell, verdict) = oneshot::channel();
        let expires_at = Micros(at.0.saturating_add(i64::try_from(LASTS.as_micros()).unwrap_or(i64::MAX)));
        let entry = Entry { id, claim, until: now + LASTS, asked_at: at, expires_at, tell: Some(tell) };
        requests.by_code.insert(code, entry);
        Ok(Told::Waits(Waiting { code, lasts: LASTS, id, verdict, machines: self.clone() }))
    }

    /// The request with that code, if an org may decide it.
    pub(crate) fn look(&self, asker: &str, org: &Label, code: MachineCode, now: Instant) -> Result<Shown, Missed> {
        self.find(asker, org, code, now, |entry| shown(code, entry))
    }

    /// The same, to be decided.
    pub(crate) fn take(&self, asker: &str, org: &Label, code: MachineCode, now: Instant) -> Result<Taken, Missed> {
        let (shown, id, tell) =
            self.find(asker, org, code, now, |entry| (shown(code, entry), entry.id, entry.tell.take()))?;
        let tell = Some(tell.ok_or(Missed::Taken)?);
        Ok(Taken { shown, id, tell, machines: self.clone() })
    }

    fn find<T>(
        &self,
        asker: &str,
        org: &Label,
        code: MachineCode,
        now: Instant,
        seen: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, Missed> {
        // Counted before it is looked for, so that many at once gain nothing.
        self.0.misses.take(asker, now).map_err(Missed::Wait)?;
        let mut requests = self.requests();
        let found = requests.by_code.get_mut(&code).filter(|entry| entry.until > now);
        let entry =
            found.filter(|entry| entry.claim.org.as_ref().is_none_or(|only| only == org)).ok_or(Missed::None)?;
        self.0.misses.give_back(asker);
        Ok(seen(entry))
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.requests().by_code.len()
    }
}

impl Requests {
    fn sweep(&mut self, now: Instant) {
        self.by_code.retain(|_, entry| entry.until > now);
        self.let_in.retain(|_, (_, until)| *until > now);
    }

    fn free_code(&self) -> MachineCode {
        loop {
            let code = MachineCode::draw(|| {
                let mut byte = [0];
                mezu_runtime::random::fill(&mut byte);
                byte[0]
            });
            if !self.by_code.contains_key(&code) {
                return code;
            }
        }
    }

    /// The entry of that code, unless it is another's by now.
    fn own(&mut self, code: MachineCode, id: u64) -> Option<&mut Entry> {
        self.by_code.get_mut(&code).filter(|entry| entry.id == id)
    }
}

impl Waiting {
    /// Waits for the verdict.
    pub async fn verdict(mut self) -> Verdict {
        match tokio::time::timeout(self.lasts, &mut self.verdict).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) | Err(_) => Verdict::Expired,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut requests = self.machines.requests();
        if requests.own(self.code, self.id).is_some() {
            requests.by_code.remove(&self.code);
        }
    }
}

impl Taken {
    /// Tells the machine. Its code is used up.
    pub(crate) fn decide(mut self, verdict: Verdict) {
        let mut requests = self.machines.requests();
        if let Verdict::LetIn(grant) = &verdict
            && requests.let_in.len() < MOST
        {
            // Should its connection be lost just now, it hears this when it asks again.
            requests.let_in.insert(self.shown.claim.key, (grant.clone(), Instant::now() + LASTS));
        }
        // The machine may have dialled again meanwhile: then that request is decided as well.
        let key = self.shown.claim.key;
        let decided =
            requests.by_code.extract_if(|_, entry| entry.claim.key == key).filter_map(|(_, entry)| entry.tell);
        let decided: Vec<_> = decided.chain(self.tell.take()).collect();
        drop(requests);
        for tell in decided {
            // Whoever has gone asks again.
            let _ = tell.send(verdict.clone());
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take()
            && let Some(entry) = self.machines.requests().own(self.shown.code, self.id)
        {
            entry.tell = Some(tell);
        }
    }
}

fn shown(code: MachineCode, entry: &Entry) -> Shown {
    Shown { code, claim: entry.claim.clone(), asked_at: entry.asked_at, expires_at: entry.expires_at }
}

fn is_of(entry: &Entry, other: &str) -> bool {
    network(&entry.claim.address.to_string()) == other
}

#[cfg(test)]
mod tests;
