//! Answers the edge when a Warpgate names its workloads.
//!
//! A gate that comes back is answered from the snapshot, without the store: thousands reconnect at once after a
//! restart, and they must also find their place while the store is away. Only a new name is written.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use mezu_edge::{Enrol, EnrolError, Enrolled, EnrolledWorkload, Enrolment};
use mezu_model::{Hostname, Label};
use mezu_store::EnrolRefusal;
use tokio::time::timeout;

use super::clock;
use super::live::Live;
use super::places::Places;
use super::publisher::{Publisher, StoreSlot};

const WRITE: Duration = Duration::from_secs(4);

/// The control side of enrolment.
pub(super) struct Enroller {
    pub(super) store: StoreSlot,
    pub(super) publisher: Publisher,
    pub(super) live: Live,
    pub(super) base: Hostname,
}

impl Enrol for Enroller {
    fn enrol(&self, enrolment: Enrolment) -> Pin<Box<dyn Future<Output = Enrolled> + Send>> {
        if let Some(known) = known(&self.publisher.places(), &enrolment) {
            return Box::pin(std::future::ready(Ok(known)));
        }
        let (store, publisher, live) = (self.store.clone(), self.publisher.clone(), self.live.clone());
        let base = self.base.clone();
        Box::pin(async move { write(&store, &publisher, &live, &base, enrolment).await })
    }
}

/// The answer, if the snapshot knows the key, every name and the default route of each.
fn known(places: &Places, enrolment: &Enrolment) -> Option<Vec<EnrolledWorkload>> {
    if !places.has_key(enrolment.key, enrolment.org) {
        return None;
    }
    let workload = |name: &Label| {
        let place = places.workload(enrolment.org, name)?;
        Some(EnrolledWorkload { name: name.clone(), id: place.id, hostname: place.default.clone()? })
    };
    enrolment.names.iter().map(workload).collect()
}

async fn write(
    store: &StoreSlot,
    publisher: &Publisher,
    live: &Live,
    base: &Hostname,
    enrolment: Enrolment,
) -> Enrolled {
    let store = store.get().ok_or_else(|| unavailable("the store is not open"))?;
    let Enrolment { key, org, names, .. } = enrolment;
    let enrolled = timeout(WRITE, store.enrol(key, org, &names, base, clock::now()))
        .await
        .map_err(|_| unavailable("the store did not answer in time"))?
        .map_err(refusal)?;
    // The gate hears of its hostname only once the edge can serve it.
    publisher.publish().await.map_err(|fault| unavailable(&fault))?;
    if !live.serves(publisher.current().generation).await {
        return Err(unavailable("the edge does not serve the new snapshot"));
    }
    let words: Vec<&str> = names.iter().map(Label::as_str).collect();
    tracing::info!(workloads = words.join(","), "enrolled");
    let workload = |one: mezu_store::Enrolled| EnrolledWorkload { name: one.name, id: one.id, hostname: one.hostname };
    Ok(enrolled.into_iter().map(workload).collect())
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
