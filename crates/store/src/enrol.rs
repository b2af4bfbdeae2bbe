//! Enrolment: a Warpgate names its workloads and gets a public hostname for each.
//!
//! It happens at every connect, so the common case, in which all is known already, writes nothing and raises no
//! revision.

use mezu_model::{Hostname, KeyId, Label, OrgId, WorkloadId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::{PathPrefix, limits};

use crate::db::{self, Write};
use crate::routes::{self, Route};
use crate::workloads::{self, Workload};
use crate::{Micros, Store, StoreError};

/// One workload's place after enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    pub name: Label,
    pub id: WorkloadId,
    pub hostname: Hostname,
    /// It was made just now.
    pub is_new: bool,
    /// A route leads to it. Without, the hostname is only where its default route would be.
    pub is_routed: bool,
}

/// Why an enrolment was not done. Nothing of a refused one is kept.
#[derive(Debug, thiserror::Error)]
pub enum EnrolRefusal {
    #[error("this key is not valid any more")]
    KeyRevoked,
    #[error("the name {name:?} is taken: {host} belongs to another org; choose another name")]
    HostOfOtherOrg { name: Label, host: Hostname },
    #[error("the name {name:?} is taken: {host} already leads to another workload; choose another name")]
    HostInUse { name: Label, host: Hostname },
    #[error("the name {name:?} is too long under {base}")]
    TooLong { name: Label, base: Hostname },
    #[error("this key has made {most} workloads, as many as it may; use another key")]
    TooManyOfKey { most: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Makes sure that each name is a workload of the org with a route, all in one transaction.
    ///
    /// # Errors
    /// The refusal; then nothing has changed.
    pub async fn enrol(
        &self,
        key: KeyId,
        org: OrgId,
        names: &[Label],
        base: &Hostname,
        now: Micros,
    ) -> Result<Vec<Enrolled>, EnrolRefusal> {
        let mut write = self.db.write().await?;
        if !is_live(&mut write, key, org).await? {
            return Err(EnrolRefusal::KeyRevoked);
        }
        let mut enrolled = Vec::with_capacity(names.len());
        let mut changed = false;
        for name in names {
            let (one, new) = enrol_one(&mut write, key, org, name, base, now).await?;
            changed |= new;
            enrolled.push(one);
        }
        if changed {
            db::commit(write).await?;
        }
        Ok(enrolled)
    }
}

async fn is_live(write: &mut Write, key: KeyId, org: OrgId) -> Result<bool, StoreError> {
    let live: i64 =
        sqlx::query_scalar("SELECT count(*) FROM keys WHERE id = $1 AND org_id = $2 AND revoked_at IS NULL")
            .bind(key.to_string())
            .bind(org.to_string())
            .fetch_one(&mut **write)
            .await?;
    Ok(live == 1)
}

/// The workload's place, and whether anything had to be written for it.
async fn enrol_one(
    write: &mut Write,
    key: KeyId,
    org: OrgId,
    name: &Label,
    base: &Hostname,
    now: Micros,
) -> Result<(Enrolled, bool), EnrolRefusal> {
    let default =
        Hostname::join(name, base).map_err(|_| EnrolRefusal::TooLong { name: name.clone(), base: base.clone() })?;
    let known = workloads::by_name(write, org, name).await?;
    if let Some(workload) = &known
        && let Some(settled) = settled(write, org, workload, &default).await?
    {
        return Ok((settled, false));
    }
    let is_new = known.is_none();
    let id = match known {
        Some(workload) => {
            workloads::set_default_host(write, workload.id, &default).await?;
            workload.id
        }
        None => new_workload(write, key, org, name, &default, now).await?,
    };
    new_default_route(write, org, name, id, &default, now).await?;
    Ok((Enrolled { name: name.clone(), id, hostname: default, is_new, is_routed: true }, true))
}

/// The place of a workload that has had its default route. One that a person has taken away stays away, else a removal
/// would last until the next reconnect.
async fn settled(
    write: &mut Write,
    org: OrgId,
    workload: &Workload,
    default: &Hostname,
) -> Result<Option<Enrolled>, EnrolRefusal> {
    let hosts = routes::hosts_of(write, workload.id).await?;
    if workload.default_host.as_ref() != Some(default) && !hosts.contains(default) {
        return Ok(None);
    }
    let (id, name, is_routed) = (workload.id, workload.name.clone(), !hosts.is_empty());
    let hostname = match hosts.into_iter().min_by_key(|host| host != default) {
        Some(host) => host,
        // A name that is another org's by now must not be shown as this workload's.
        None if routes::holder_of(write, default).await?.is_some_and(|holder| holder != org) => {
            return Err(EnrolRefusal::HostOfOtherOrg { name, host: default.clone() });
        }
        None => default.clone(),
    };
    Ok(Some(Enrolled { name, id, hostname, is_new: false, is_routed }))
}

async fn new_workload(
    write: &mut Write,
    key: KeyId,
    org: OrgId,
    name: &Label,
    default: &Hostname,
    now: Micros,
) -> Result<WorkloadId, EnrolRefusal> {
    let (all, of_key) = workloads::count(write, key).await?;
    if of_key >= limits::WORKLOADS_PER_KEY {
        return Err(EnrolRefusal::TooManyOfKey { most: limits::WORKLOADS_PER_KEY });
    }
    if all >= limits::WORKLOADS {
        return Err(StoreError::TooMany { what: "workloads", most: limits::WORKLOADS }.into());
    }
    let id = mezu_runtime::id::new();
    let new = Workload { id, org, name: name.clone(), default_host: Some(default.clone()), created_at: now };
    workloads::insert(write, &new, key).await?;
    Ok(id)
}

async fn new_default_route(
    write: &mut Write,
    org: OrgId,
    name: &Label,
    workload: WorkloadId,
    host: &Hostname,
    now: Micros,
) -> Result<(), EnrolRefusal> {
    let route = Route {
        id: mezu_runtime::id::new(),
        host: host.clone(),
        path: PathPrefix::root(),
        workload,
        pipeline: PipelineSpec::default(),
        created_at: now,
    };
    routes::insert(write, org, &route).await.map_err(|error| match error {
        StoreError::HostTaken { host } => EnrolRefusal::HostOfOtherOrg { name: name.clone(), host },
        StoreError::RouteTaken { host, .. } => EnrolRefusal::HostInUse { name: name.clone(), host },
        other => other.into(),
    })
}
