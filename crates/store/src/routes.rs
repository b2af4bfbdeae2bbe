//! Routes, and who owns their hostnames.

use mezu_model::{Hostname, Label, OrgId, RouteId, WorkloadId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::{PathPrefix, RouteEntry, limits};

use crate::db::{self, Row, Write};
use crate::read::{json, time, typed};
use crate::{Micros, Store, StoreError, workloads};

/// A route to be stored.
#[derive(Clone, Debug)]
pub struct NewRoute {
    pub id: RouteId,
    pub org: OrgId,
    pub host: Hostname,
    pub path: PathPrefix,
    pub workload: Label,
    pub pipeline: PipelineSpec,
}

/// A route as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub id: RouteId,
    pub host: Hostname,
    pub path: PathPrefix,
    pub workload: WorkloadId,
    pub pipeline: PipelineSpec,
    pub created_at: Micros,
}

impl Store {
    /// Leads requests for a host and path to one of the org's workloads. A hostname that nobody owns becomes the
    /// org's.
    ///
    /// # Errors
    /// [`StoreError::NoWorkload`], [`StoreError::HostTaken`], [`StoreError::RouteTaken`], [`StoreError::TooMany`], or
    /// the database's.
    pub async fn add_route(&self, new: NewRoute, now: Micros) -> Result<Route, StoreError> {
        let mut write = self.db.write().await?;
        let Some(workload) = workloads::by_name(&mut write, new.org, &new.workload).await? else {
            return Err(StoreError::NoWorkload { name: new.workload });
        };
        let NewRoute { id, org, host, path, pipeline, .. } = new;
        let route = Route { id, host, path, workload: workload.id, pipeline, created_at: now };
        insert(&mut write, org, &route).await?;
        db::commit(write).await?;
        Ok(route)
    }

    /// All routes, by host and path.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn routes(&self) -> Result<Vec<Route>, StoreError> {
        let mut read = self.db.read().await?;
        let rows =
            sqlx::query("SELECT id, host, path, workload_id, pipeline, created_at FROM routes ORDER BY host, path, id")
                .fetch_all(&mut *read)
                .await?;
        rows.iter().map(route).collect()
    }

    /// Takes a route away, and the ownership of its hostname with the last route of that name.
    ///
    /// # Errors
    /// [`StoreError::NoRoute`], or the database's.
    pub async fn remove_route(&self, id: RouteId) -> Result<(), StoreError> {
        let mut write = self.db.write().await?;
        let gone = sqlx::query("DELETE FROM routes WHERE id = $1").bind(id.to_string()).execute(&mut *write).await?;
        if gone.rows_affected() == 0 {
            return Err(StoreError::NoRoute { id });
        }
        sqlx::query("DELETE FROM hostnames WHERE NOT EXISTS (SELECT 1 FROM routes WHERE routes.host = hostnames.name)")
            .execute(&mut *write)
            .await?;
        db::commit(write).await
    }
}

pub(crate) async fn entries(read: &mut Write) -> Result<Vec<RouteEntry>, StoreError> {
    let rows = sqlx::query("SELECT id, host, path, workload_id, pipeline FROM routes ORDER BY id")
        .fetch_all(&mut **read)
        .await?;
    let entry = |row| {
        Ok(RouteEntry {
            id: typed(row, "id")?,
            host: typed(row, "host")?,
            path: typed(row, "path")?,
            workload: typed(row, "workload_id")?,
            pipeline: json(row, "pipeline")?,
        })
    };
    rows.iter().map(entry).collect()
}

/// Claims the hostname for the org, then stores the route.
pub(crate) async fn insert(write: &mut Write, org: OrgId, route: &Route) -> Result<(), StoreError> {
    within_limits(write, org).await?;
    claim(write, org, &route.host, route.created_at).await?;
    let pipeline = serde_json::to_string(&route.pipeline)
        .map_err(|error| StoreError::Corrupt { what: "pipeline", text: error.to_string() })?;
    sqlx::query(
        "INSERT INTO routes (id, host, path, workload_id, pipeline, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(route.id.to_string())
    .bind(route.host.as_str())
    .bind(route.path.as_str())
    .bind(route.workload.to_string())
    .bind(pipeline)
    .bind(route.created_at.0)
    .execute(&mut **write)
    .await
    .map_err(|error| match db::is_taken(&error) {
        true => StoreError::RouteTaken { host: route.host.clone(), path: route.path.clone() },
        false => error.into(),
    })?;
    Ok(())
}

/// The hosts that lead to a workload, by name.
pub(crate) async fn hosts_of(write: &mut Write, workload: WorkloadId) -> Result<Vec<Hostname>, StoreError> {
    let rows = sqlx::query("SELECT DISTINCT host FROM routes WHERE workload_id = $1 ORDER BY host")
        .bind(workload.to_string())
        .fetch_all(&mut **write)
        .await?;
    rows.iter().map(|row| typed(row, "host")).collect()
}

/// The org that a hostname belongs to. Names belong to nobody once their last route is gone.
pub(crate) async fn holder_of(write: &mut Write, host: &Hostname) -> Result<Option<OrgId>, StoreError> {
    let row = sqlx::query("SELECT org_id FROM hostnames WHERE name = $1")
        .bind(host.as_str())
        .fetch_optional(&mut **write)
        .await?;
    row.map(|row| typed(&row, "org_id")).transpose()
}

async fn within_limits(write: &mut Write, org: OrgId) -> Result<(), StoreError> {
    let all: i64 = sqlx::query_scalar("SELECT count(*) FROM routes").fetch_one(&mut **write).await?;
    let of_org: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM routes JOIN workloads ON workloads.id = routes.workload_id WHERE workloads.org_id = $1",
    )
    .bind(org.to_string())
    .fetch_one(&mut **write)
    .await?;
    for (count, most, what) in [(all, limits::ROUTES, "routes"), (of_org, limits::ROUTES_PER_ORG, "routes of an org")] {
        if usize::try_from(count).is_ok_and(|count| count >= most) {
            return Err(StoreError::TooMany { what, most });
        }
    }
    Ok(())
}

async fn claim(write: &mut Write, org: OrgId, host: &Hostname, now: Micros) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO hostnames (name, org_id, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING")
        .bind(host.as_str())
        .bind(org.to_string())
        .bind(now.0)
        .execute(&mut **write)
        .await?;
    if holder_of(write, host).await? == Some(org) { Ok(()) } else { Err(StoreError::HostTaken { host: host.clone() }) }
}

fn route(row: &Row) -> Result<Route, StoreError> {
    Ok(Route {
        id: typed(row, "id")?,
        host: typed(row, "host")?,
        path: typed(row, "path")?,
        workload: typed(row, "workload_id")?,
        pipeline: json(row, "pipeline")?,
        created_at: time(row, "created_at")?,
    })
}
