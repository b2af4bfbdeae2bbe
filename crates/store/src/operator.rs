//! What whoever may use the machine itself does in one call: each a change with its event.

use mezu_model::{AccountId, Hostname, KeyId, Label, OrgId, PublicKey, RouteId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::PathRule;
use serde_json::json;

use crate::account::AccountSpec;
use crate::audit::NewEvent;
use crate::key::{self, Key, KeySpec};
use crate::org::Org;
use crate::route::{self, Route, RouteSpec, select_route};
use crate::value::args;
use crate::workload::{self, Workload, select_workload};
use crate::{Micros, Store, StoreError};

/// A key to be stored, on the service account of the same name.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub id: KeyId,
    pub org: OrgId,
    pub name: Label,
    pub public: PublicKey,
}

/// A route to be stored, to a workload by its name.
#[derive(Clone, Debug)]
pub struct NewRoute {
    pub id: RouteId,
    pub org: OrgId,
    pub host: Hostname,
    pub path: PathRule,
    pub workload: Label,
    pub pipeline: PipelineSpec,
}

impl Store {
    /// The org of that name, made with `id` if there is none. Doing it twice changes nothing.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn ensure_org(&self, id: OrgId, name: &Label, now: Micros) -> Result<Org, StoreError> {
        let mut change = self.change(now).await?;
        if let Some(org) = change.org_by_name(name).await? {
            return Ok(org);
        }
        let org = change.create_org(id, name).await?;
        change.commit(NewEvent::done("org.create", id).of(id).with(None, Some(json!({ "name": name })))).await?;
        Ok(org)
    }

    /// Stores a key, on the service account of its name, which is made if there is none.
    ///
    /// # Errors
    /// [`StoreError::KeyNameTaken`], [`StoreError::TooMany`], or the database's.
    pub async fn create_key(&self, new: NewKey, now: Micros) -> Result<Key, StoreError> {
        let NewKey { id, org, name, public } = new;
        let mut change = self.change(now).await?;
        let account = match change.account_by_name(org, &name).await? {
            Some(account) => account.id,
            None => {
                let account: AccountId = mezu_runtime::id::new();
                let spec = AccountSpec { name: name.clone(), workloads: None, cidrs: None };
                change.create_account(org, account, &spec).await?;
                change.log(&NewEvent::done("account.create", account).of(org)).await?;
                account
            }
        };
        let key = change.create_key(org, account, KeySpec { id, name, public, expires_at: None }).await?;
        let after = json!({ "name": key.name, "account": account });
        change.commit(NewEvent::done("key.create", id).of(org).with(None, Some(after))).await?;
        Ok(key)
    }

    /// All keys of all orgs, the newest last; revoked ones too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        const SQL: &str = "SELECT id, org_id, account_id, name, created_at, expires_at, used_at, revoked_at FROM keys \
            ORDER BY id";
        self.view().await?.tx.rows(SQL, []).await?.iter().map(key::key).collect()
    }

    /// Takes a key's power away, whichever org's it is. Revoking a revoked key changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], or the database's.
    pub async fn revoke_key(&self, id: KeyId, now: Micros) -> Result<(), StoreError> {
        let mut change = self.change(now).await?;
        let row = change.tx.row("SELECT org_id FROM keys WHERE id = $1", args![id]).await?;
        let org = row.ok_or(StoreError::NoKey { id })?.typed("org_id")?;
        change.revoke_key(org, id).await?;
        change.commit(NewEvent::done("key.revoke", id).of(org)).await?;
        Ok(())
    }

    /// All workloads of all orgs, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn workloads(&self) -> Result<Vec<Workload>, StoreError> {
        let mut view = self.view().await?;
        view.tx.rows(select_workload!("ORDER BY name, id"), []).await?.iter().map(workload::workload).collect()
    }

    /// All routes of all orgs, by host and path.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn routes(&self) -> Result<Vec<Route>, StoreError> {
        let mut view = self.view().await?;
        view.tx.rows(select_route!("ORDER BY host, path, id"), []).await?.iter().map(route::route).collect()
    }

    /// Leads requests for a host and path to one of the org's workloads. A hostname that nobody owns becomes the
    /// org's.
    ///
    /// # Errors
    /// [`StoreError::NoWorkload`], [`StoreError::HostTaken`], [`StoreError::HostQuarantined`],
    /// [`StoreError::RouteTaken`], [`StoreError::TooMany`], or the database's.
    pub async fn add_route(&self, new: NewRoute, now: Micros) -> Result<Route, StoreError> {
        let NewRoute { id, org, host, path, workload, pipeline } = new;
        let mut change = self.change(now).await?;
        let Some(workload) = change.workload_by_name(org, &workload).await? else {
            return Err(StoreError::NoWorkload { name: workload });
        };
        let route = change.create_route(org, id, RouteSpec::new(host, path, workload.id, pipeline)).await?;
        change.commit(NewEvent::done("route.create", id).of(org).with(None, Some(shown(&route)))).await?;
        Ok(route)
    }

    /// Takes a route away, whichever org's it is, and with the last route of a name the name itself, unless a person has
    /// claimed it.
    ///
    /// # Errors
    /// [`StoreError::NoRoute`], or the database's.
    pub async fn remove_route(&self, id: RouteId, now: Micros) -> Result<(), StoreError> {
        let mut change = self.change(now).await?;
        let row = change.tx.row("SELECT org_id FROM routes WHERE id = $1", args![id]).await?;
        let org = row.ok_or(StoreError::NoRoute { id })?.typed("org_id")?;
        let before = shown(&change.route(org, id).await?);
        change.delete_route(org, id, None).await?;
        change.commit(NewEvent::done("route.delete", id).of(org).with(Some(before), None)).await?;
        Ok(())
    }
}

fn shown(route: &Route) -> serde_json::Value {
    let path = route.path.as_str();
    json!({ "host": route.host, "path": path, "workload": route.workload, "pipeline": route.pipeline })
}
