//! Enrolment: a Warpgate names its workloads and gets a public hostname for each.
//!
//! It happens at every connect, so the common case, in which all is known already, writes nothing and raises no
//! revision.

use mezu_model::{Hostname, KeyId, Label, OrgId, WorkloadId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::{PathRule, limits};

use crate::audit::{Actor, NewEvent};
use crate::change::Change;
use crate::db::Tx;
use crate::route::{self, RouteSpec};
use crate::value::args;
use crate::workload::{self, Workload};
use crate::{Micros, Store, StoreError, hostname};

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
    #[error(
        "the name {name:?} is taken: another org has given {host} up lately, and it is kept for that one; choose another name"
    )]
    HostQuarantined { name: Label, host: Hostname },
    #[error("this key may not serve {name:?}; the names that it may are set on its service account")]
    NotAllowed { name: Label },
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
        let mut change = self.change(now).await?;
        let scope = scope(&mut change.tx, key, org, now).await?.ok_or(EnrolRefusal::KeyRevoked)?;
        let mut enrolled = Vec::with_capacity(names.len());
        let mut last = None;
        for name in names {
            if scope.as_ref().is_some_and(|allowed| !allowed.contains(name)) {
                return Err(EnrolRefusal::NotAllowed { name: name.clone() });
            }
            let (one, is_new) = enrol_one(&mut change, key, org, name, base, now).await?;
            if is_new && let Some(before) = last.replace(event(&one, key, org)) {
                change.log(&before).await?;
            }
            enrolled.push(one);
        }
        if let Some(event) = last {
            change.commit(event).await?;
        }
        Ok(enrolled)
    }
}

fn event(one: &Enrolled, key: KeyId, org: OrgId) -> NewEvent {
    let after = serde_json::json!({ "name": one.name, "hostname": one.hostname });
    NewEvent { source: "tunnel".into(), ..NewEvent::done("workload.enrol", one.id) }
        .of(org)
        .by(Actor::Key(key))
        .with(None, Some(after))
}

/// The names that a live key may serve; all of them when there is no list. `None`: the key is not live.
async fn scope(tx: &mut Tx, key: KeyId, org: OrgId, now: Micros) -> Result<Option<Option<Vec<Label>>>, StoreError> {
    const SQL: &str = "SELECT workloads FROM keys JOIN accounts ON accounts.id = account_id WHERE keys.id = $1 \
        AND keys.org_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)";
    tx.row(SQL, args![key, org, now]).await?.map(|row| row.json_if_any("workloads")).transpose()
}

/// The workload's place, and whether anything had to be written for it.
async fn enrol_one(
    change: &mut Change,
    key: KeyId,
    org: OrgId,
    name: &Label,
    base: &Hostname,
    now: Micros,
) -> Result<(Enrolled, bool), EnrolRefusal> {
    let default =
        Hostname::join(name, base).map_err(|_| EnrolRefusal::TooLong { name: name.clone(), base: base.clone() })?;
    let known = workload::by_name(&mut change.tx, org, name).await?;
    if let Some(workload) = &known
        && let Some(settled) = settled(&mut change.tx, org, workload, &default).await?
    {
        return Ok((settled, false));
    }
    let is_new = known.is_none();
    let id = match known {
        Some(workload) => {
            workload::set_default_host(change.heard(), workload.id, &default).await?;
            workload.id
        }
        None => new_workload(change.heard(), key, org, name, &default, now).await?,
    };
    new_default_route(change, org, name, id, &default).await?;
    Ok((Enrolled { name: name.clone(), id, hostname: default, is_new, is_routed: true }, true))
}

/// The place of a workload that has had its default route. One that a person has taken away stays away, else a removal
/// would last until the next reconnect.
async fn settled(
    write: &mut Tx,
    org: OrgId,
    workload: &Workload,
    default: &Hostname,
) -> Result<Option<Enrolled>, EnrolRefusal> {
    let hosts = route::hosts_of(write, workload.id).await?;
    if workload.default_host.as_ref() != Some(default) && !hosts.contains(default) {
        return Ok(None);
    }
    let (id, name, is_routed) = (workload.id, workload.name.clone(), !hosts.is_empty());
    let hostname = match hosts.into_iter().min_by_key(|host| host != default) {
        Some(host) => host,
        // A name that is another org's by now must not be shown as this workload's.
        None if hostname::holder_of(write, default).await?.is_some_and(|holder| holder != org) => {
            return Err(EnrolRefusal::HostOfOtherOrg { name, host: default.clone() });
        }
        None => default.clone(),
    };
    Ok(Some(Enrolled { name, id, hostname, is_new: false, is_routed }))
}

async fn new_workload(
    write: &mut Tx,
    key: KeyId,
    org: OrgId,
    name: &Label,
    default: &Hostname,
    now: Micros,
) -> Result<WorkloadId, EnrolRefusal> {
    let (all, of_key) = workload::count(write, key).await?;
    if of_key >= limits::WORKLOADS_PER_KEY {
        return Err(EnrolRefusal::TooManyOfKey { most: limits::WORKLOADS_PER_KEY });
    }
    if all >= limits::WORKLOADS {
        return Err(StoreError::TooMany { what: "workloads", most: limits::WORKLOADS }.into());
    }
    let id = mezu_runtime::id::new();
    let new = Workload {
        id,
        org,
        name: name.clone(),
        default_host: Some(default.clone()),
        labels: workload::Labels::new(),
        created_at: now,
        version: 1,
    };
    workload::insert(write, &new, key).await?;
    Ok(id)
}

async fn new_default_route(
    change: &mut Change,
    org: OrgId,
    name: &Label,
    workload: WorkloadId,
    host: &Hostname,
) -> Result<(), EnrolRefusal> {
    let spec = RouteSpec::new(host.clone(), PathRule::root(), workload, PipelineSpec::default());
    route::insert(change, org, mezu_runtime::id::new(), &spec).await.map_err(|error| match error {
        StoreError::HostQuarantined { host, .. } => EnrolRefusal::HostQuarantined { name: name.clone(), host },
        StoreError::HostTaken { host } => EnrolRefusal::HostOfOtherOrg { name: name.clone(), host },
        StoreError::RouteTaken { host, .. } => EnrolRefusal::HostInUse { name: name.clone(), host },
        other => other.into(),
    })
}
