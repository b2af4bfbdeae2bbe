//! What a person or program can ask of a running instance. Each change is stored, then published; the answer comes
//! once the edge has it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mezu_model::{Hostname, KeyId, Label, OrgId, PublicKey, RouteId, WorkloadId};
use mezu_policy::Pipeline;
use mezu_store::{Micros, Store, StoreError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;

use super::certificates::Certificates;
use super::clock;
use super::live::Live;
use super::publisher::{Publisher, StoreSlot};
use crate::api;

const STORE: Duration = Duration::from_secs(5);

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpError {
    #[error("the store is not open; see the log of the running instance")]
    NoStore,
    #[error("the store did not answer in time; nothing was changed that you were not told of")]
    Slow,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the pipeline is not valid: {0}")]
    Pipeline(String),
    #[error("the change is stored but not served yet: {0}")]
    NotPublished(Arc<str>),
}

/// The operations, and what they need to know of the instance.
pub(super) struct Ops {
    pub(super) store: StoreSlot,
    pub(super) publisher: Publisher,
    pub(super) live: Live,
    pub(super) certificates: Arc<Certificates>,
    pub(super) org: Option<OrgId>,
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
    pub(super) async fn status(&self) -> Result<api::Status, OpError> {
        let snapshot = self.publisher.current();
        let gates: Vec<usize> = snapshot.workloads.iter().map(|one| self.live.gates(one.id)).collect();
        Ok(api::Status {
            version: env!("CARGO_PKG_VERSION").to_string(),
            pid: std::process::id(),
            started_at: rfc3339(self.place.started_at),
            uptime_seconds: self.place.started.elapsed().as_secs(),
            base_domain: self.place.base.clone(),
            https: self.place.https.to_string(),
            http: self.place.http.map(|address| address.to_string()),
            admin: self.place.admin.to_string(),
            data: self.place.data.display().to_string(),
            generation: snapshot.generation,
            served_generation: self.live.edge().map_or(0, mezu_edge::EdgeHandle::generation),
            draining: self.draining.load(Ordering::Relaxed),
            certificate_not_after: rfc3339_of(self.certificates.not_after()),
            certificate_private: self.certificates.is_private(),
            workloads: snapshot.workloads.len(),
            workloads_online: gates.iter().filter(|gates| **gates > 0).count(),
            gates: gates.iter().sum(),
            warnings: self.warnings(),
        })
    }

    pub(super) async fn keys(&self) -> Result<Vec<api::Key>, OpError> {
        let keys = self.within(self.store()?.keys()).await?;
        Ok(keys.into_iter().map(key).collect())
    }

    pub(super) async fn create_key(&self, name: Label, public: PublicKey) -> Result<api::Key, OpError> {
        let new = mezu_store::NewKey { id: mezu_runtime::id::new(), org: self.org()?, name, public };
        let made = self.within(self.store()?.create_key(new, clock::now())).await?;
        tracing::info!(key = %made.id, name = %made.name, "key created");
        self.publish().await?;
        Ok(key(made))
    }

    pub(super) async fn revoke_key(&self, id: KeyId) -> Result<(), OpError> {
        self.within(self.store()?.revoke_key(id, clock::now())).await?;
        tracing::info!(key = %id, "key revoked");
        self.publish().await
    }

    pub(super) async fn workloads(&self) -> Result<Vec<api::Workload>, OpError> {
        let store = self.store()?;
        let (workloads, routes) = self.within(async { Ok((store.workloads().await?, store.routes().await?)) }).await?;
        let mut urls: HashMap<WorkloadId, Vec<String>> = HashMap::new();
        for route in &routes {
            urls.entry(route.workload).or_default().push(self.place.url(&route.host, route.path.path()));
        }
        let listed = workloads.into_iter().map(|one| api::Workload {
            gates: self.live.gates(one.id),
            urls: urls.remove(&one.id).unwrap_or_default(),
            id: one.id,
            name: one.name,
            created_at: rfc3339(one.created_at),
        });
        Ok(listed.collect())
    }

    pub(super) async fn routes(&self) -> Result<Vec<api::Route>, OpError> {
        let store = self.store()?;
        let (workloads, routes) = self.within(async { Ok((store.workloads().await?, store.routes().await?)) }).await?;
        let names: HashMap<WorkloadId, Label> = workloads.into_iter().map(|one| (one.id, one.name)).collect();
        let listed = routes.into_iter().filter_map(|route| {
            let workload = names.get(&route.workload)?.clone();
            Some(self.route(route, workload))
        });
        Ok(listed.collect())
    }

    pub(super) async fn add_route(&self, new: api::NewRoute) -> Result<api::Route, OpError> {
        Pipeline::compile(&new.pipeline).map_err(|invalid| OpError::Pipeline(invalid.to_string()))?;
        let workload = new.workload.clone();
        let new = mezu_store::NewRoute {
            id: mezu_runtime::id::new(),
            org: self.org()?,
            host: new.host,
            path: new.path,
            workload: new.workload,
            pipeline: new.pipeline,
        };
        let route = self.within(self.store()?.add_route(new, clock::now())).await?;
        tracing::info!(route = %route.id, host = %route.host, path = %route.path, %workload, "route added");
        self.publish().await?;
        Ok(self.route(route, workload))
    }

    pub(super) async fn remove_route(&self, id: RouteId) -> Result<(), OpError> {
        self.within(self.store()?.remove_route(id, clock::now())).await?;
        tracing::info!(route = %id, "route removed");
        self.publish().await
    }

    fn route(&self, route: mezu_store::Route, workload: Label) -> api::Route {
        let warning = (!self.certificates.covers(route.host.as_str())).then(|| {
            format!(
                "no certificate of this edge is for {}, so clients will refuse it; see --tls-cert of `up`",
                route.host
            )
        });
        api::Route {
            url: self.place.url(&route.host, route.path.path()),
            id: route.id,
            host: route.host,
            path: route.path,
            workload,
            pipeline: route.pipeline,
            created_at: rfc3339(route.created_at),
            warning,
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

    fn store(&self) -> Result<&Store, OpError> {
        self.store.get().ok_or(OpError::NoStore)
    }

    fn org(&self) -> Result<OrgId, OpError> {
        self.org.or_else(|| self.publisher.current().orgs.first().map(|org| org.id)).ok_or(OpError::NoStore)
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, OpError> {
        Ok(timeout(STORE, work).await.map_err(|_| OpError::Slow)??)
    }

    async fn publish(&self) -> Result<(), OpError> {
        self.publisher.publish().await.map_err(OpError::NotPublished)?;
        if self.live.serves(self.publisher.current().generation).await {
            Ok(())
        } else {
            Err(OpError::NotPublished("the edge still serves the snapshot before; see its log".into()))
        }
    }
}

fn key(key: mezu_store::Key) -> api::Key {
    api::Key {
        id: key.id,
        name: key.name,
        created_at: rfc3339(key.created_at),
        revoked_at: key.revoked_at.map(rfc3339),
    }
}

fn rfc3339(time: Micros) -> String {
    OffsetDateTime::from_unix_timestamp(time.0.div_euclid(1_000_000)).map(rfc3339_of).unwrap_or_default()
}

pub(super) fn rfc3339_of(time: OffsetDateTime) -> String {
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}
