//! What a running instance is made of, and how it says that it is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mezu_model::Hostname;
use mezu_store::Micros;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::certificates::Certificates;
use super::live::Live;
use super::publisher::{Publisher, StoreSlot};
use crate::api;

/// The parts of the instance.
pub(super) struct Ops {
    pub(super) store: StoreSlot,
    pub(super) publisher: Publisher,
    pub(super) live: Live,
    pub(super) certificates: Arc<Certificates>,
    pub(super) place: Place,
    pub(super) draining: Arc<AtomicBool>,
}

/// Where the instance listens and lives.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub base: Hostname,
    pub https: SocketAddr,
    /// What clients put behind the host.
    pub public_port: u16,
    pub http: Option<SocketAddr>,
    pub admin: SocketAddr,
    pub data: PathBuf,
    /// Without the password.
    pub store: String,
    pub started: Instant,
    pub started_at: Micros,
}

impl Place {
    /// The public URL of a host and path.
    #[must_use]
    pub(super) fn url(&self, host: &Hostname, path: &str) -> String {
        let path = if path == "/" { "" } else { path };
        match self.public_port {
            443 => format!("https://{host}{path}"),
            port => format!("https://{host}:{port}{path}"),
        }
    }
}

impl Ops {
    pub(super) fn status(&self) -> api::Status {
        let snapshot = self.publisher.current();
        let gates: Vec<usize> = snapshot.workloads.iter().map(|one| self.live.gates(one.id)).collect();
        api::Status {
            version: env!("CARGO_PKG_VERSION").to_string(),
            pid: std::process::id(),
            started_at: rfc3339(self.place.started_at),
            uptime_seconds: self.place.started.elapsed().as_secs(),
            base_domain: self.place.base.clone(),
            https: self.place.https.to_string(),
            http: self.place.http.map(|address| address.to_string()),
            admin: self.place.admin.to_string(),
            data: self.place.data.display().to_string(),
            store: self.place.store.clone(),
            generation: snapshot.generation,
            served_generation: self.live.edge().map_or(0, mezu_edge::EdgeHandle::generation),
            draining: self.draining.load(Ordering::Relaxed),
            certificate_not_after: rfc3339_of(self.certificates.not_after()),
            certificate_private: self.certificates.is_private(),
            workloads: snapshot.workloads.len(),
            workloads_online: gates.iter().filter(|gates| **gates > 0).count(),
            gates: gates.iter().sum(),
            warnings: self.warnings(),
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.store.get().is_none() {
            warnings.push("the store cannot be opened; serving the last good snapshot, changes are refused".into());
        }
        if let Some(fault) = self.publisher.fault() {
            warnings.push(format!("changes are not published: {fault}"));
        }
        if let Some(refusal) = self.live.edge().and_then(mezu_edge::EdgeHandle::refusal) {
            warnings.push(format!("the edge does not serve from the newest snapshot: {refusal}"));
        }
        if let Some(error) = self.publisher.unsaved() {
            warnings.push(format!(
                "the newest snapshot is not on disk ({error}): after a restart without the store, revoked keys would \
                 work again"
            ));
        }
        warnings.extend(self.certificates.warning());
        warnings
    }
}

fn rfc3339(time: Micros) -> String {
    OffsetDateTime::from_unix_timestamp(time.0.div_euclid(1_000_000)).map(rfc3339_of).unwrap_or_default()
}

pub(super) fn rfc3339_of(time: OffsetDateTime) -> String {
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}
