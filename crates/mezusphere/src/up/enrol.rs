//! Answers the edge when a Warpgate names its workloads.
//!
//! A gate that comes back is answered from the snapshot, without the store: thousands reconnect at once after a
//! restart, and they must also find their place while the store is away. Only a new name is written.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mezu_edge::{Enrol, EnrolError, Enrolled, EnrolledWorkload, Enrolment};
use mezu_model::{Hostname, Label, OrgId};
use mezu_store::EnrolRefusal;
use tokio::time::timeout;

use super::clock;
use super::live::Live;
use super::new_names::NewNames;
use super::places::Places;
use super::publisher::{Publisher, StoreSlot};

const WRITE: Duration = Duration::from_secs(4);

/// The control side of enrolment.
pub(super) struct Enroller {
    publisher: Publisher,
    writer: Arc<Writer>,
}

impl Enroller {
    pub(super) fn new(store: StoreSlot, publisher: Publisher, live: Live, base: Hostname) -> Self {
        let writer = Writer { store, publisher: publisher.clone(), live, base, new_names: NewNames::default() };
        Self { publisher, writer: Arc::new(writer) }
    }
}

impl Enrol for Enroller {
    fn enrol(&self, enrolment: Enrolment) -> Pin<Box<dyn Future<Output = Enrolled> + Send>> {
        let places = self.publisher.places();
        if let Some(known) = known(&places, &enrolment) {
            return Box::pin(std::future::ready(Ok(known)));
        }
        let (key, org) = (enrolment.key, enrolment.org);
        let fresh = enrolment.names.iter().filter(|name| places.workload(org, name).is_none()).count();
        if !self.writer.new_names.take(key, fresh, Instant::now()) {
            tracing::warn!(%key, fresh, "the key brings new workloads too fast; its gate is told to try again");
            return Box::pin(std::future::ready(Err(EnrolError::Unavailable)));
        }
        let writer = Arc::clone(&self.writer);
        Box::pin(async move {
            let enrolled = writer.write(enrolment).await;
            let made = enrolled.as_ref().map_or(1, |all| all.iter().filter(|one| one.is_new).count());
            writer.new_names.give_back(key, fresh.saturating_sub(made));
            let workload = |one: mezu_store::Enrolled| {
                let mezu_store::Enrolled { name, id, hostname, .. } = one;
                EnrolledWorkload { name, id, hostname }
            };
            Ok(enrolled?.into_iter().map(workload).collect())
        })
    }
}

/// The answer, if the snapshot knows the key, every name and the default route of each.
fn known(places: &Places, enrolment: &Enrolment) -> Option<Vec<EnrolledWorkload>> {
    if !places.has_key(enrolment.key, enrolment.org) {
        return None;
    }
    let workload = |name: &Label| {
        let place = places.workload(enrolment.org, name)?;
        Some(EnrolledWorkload { name: name.clone(), id: place.id, hostname: place.default? })
    };
    enrolment.names.iter().map(workload).collect()
}

/// Enrols through the store.
struct Writer {
    store: StoreSlot,
    publisher: Publisher,
    live: Live,
    base: Hostname,
    new_names: NewNames,
}

impl Writer {
    /// New names must be ones that anybody may have. Those that are known already stay.
    fn check_names(&self, org: OrgId, names: &[Label]) -> Result<(), EnrolError> {
        let places = self.publisher.places();
        let fresh = names.iter().filter(|name| places.workload(org, name).is_none());
        for host in fresh.filter_map(|name| Hostname::join(name, &self.base).ok()) {
            if let Some(why) = mezu_control::names::refusal(&host, &self.base) {
                return Err(EnrolError::Refused(why));
            }
        }
        Ok(())
    }

    async fn write(&self, enrolment: Enrolment) -> Result<Vec<mezu_store::Enrolled>, EnrolError> {
        let store = self.store.get().ok_or_else(|| unavailable("the store is not open"))?;
        let Enrolment { key, org, names, .. } = enrolment;
        self.check_names(org, &names)?;
        let enrolled = timeout(WRITE, store.enrol(key, org, &names, &self.base, clock::now()))
            .await
            .map_err(|_| unavailable("the store did not answer in time"))?
            .map_err(refusal)?;
        // The gate hears of its hostname only once the edge can serve it.
        self.publisher.publish().await.map_err(|fault| unavailable(&fault))?;
        if !self.live.serves(self.publisher.current().generation).await {
            return Err(unavailable("the edge does not serve the new snapshot"));
        }
        for mezu_store::Enrolled { name, hostname, .. } in enrolled.iter().filter(|one| !one.is_routed) {
            tracing::warn!(
                workload = %name,
                "no route leads to the workload: its last was removed; `mezusphere route add {hostname} --workload {name}` brings it back"
            );
        }
        let words: Vec<&str> = names.iter().map(Label::as_str).collect();
        tracing::info!(workloads = words.join(","), "enrolled");
        Ok(enrolled)
    }
}

fn refusal(refusal: EnrolRefusal) -> EnrolError {
    match refusal {
        EnrolRefusal::Store(error) => unavailable(&error.to_string()),
        refused => EnrolError::Refused(refused.to_string()),
    }
}

/// The gate only hears that it should try again; the operator hears why.
fn unavailable(reason: &str) -> EnrolError {
    tracing::error!(reason, "cannot enrol");
    EnrolError::Unavailable
}
