//! Routes: what leads where.

mod list;

use mezu_model::{Hostname, OrgId, RouteId, WorkloadId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::{Matcher, PathRule, RouteEntry, Shared, limits};

use crate::change::{Change, RouteCount, View, check_version};
use crate::db::{Row, Tx};
use crate::error::OrTaken as _;
use crate::hostname::{self, HostState};
use crate::page::{Page, Slice};
use crate::value::{Value, args, to_json};
use crate::{Micros, StoreError};

/// What a route says.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSpec {
    pub host: Hostname,
    pub path: PathRule,
    /// What else a request must have.
    pub matcher: Matcher,
    /// The place in the order given by hand; without, the most specific is asked first.
    pub rank: Option<i64>,
    /// A route that is not enabled is kept but not served.
    pub enabled: bool,
    pub workload: WorkloadId,
    pub pipeline: PipelineSpec,
}

/// A route as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub id: RouteId,
    pub org: OrgId,
    pub host: Hostname,
    pub path: PathRule,
    pub matcher: Matcher,
    pub rank: Option<i64>,
    pub enabled: bool,
    pub workload: WorkloadId,
    pub pipeline: PipelineSpec,
    pub created_at: Micros,
    pub version: i64,
}

/// Which routes are wanted. Nothing set means all of the org.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteFilter {
    pub host: Option<Hostname>,
    pub workload: Option<WorkloadId>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, org_id, host, path, matcher, rank, enabled, workload_id, pipeline, created_at, version \
             FROM routes ",
            $rest
        )
    };
}
pub(crate) use select as select_route;

macro_rules! select_entry {
    ($rest:literal) => {
        concat!("SELECT id, host, path, matcher, rank, enabled, workload_id, pipeline FROM routes ", $rest)
    };
}

impl RouteSpec {
    /// A route that takes every request that the path takes.
    #[must_use]
    pub fn new(host: Hostname, path: PathRule, workload: WorkloadId, pipeline: PipelineSpec) -> Self {
        Self { host, path, matcher: Matcher::default(), rank: None, enabled: true, workload, pipeline }
    }
}

impl Route {
    /// What the route says.
    #[must_use]
    pub fn spec(&self) -> RouteSpec {
        let Self { host, path, matcher, rank, enabled, workload, pipeline, .. } = self.clone();
        RouteSpec { host, path, matcher, rank, enabled, workload, pipeline }
    }
}

impl View {
    /// The route.
    ///
    /// # Errors
    /// [`StoreError::NoRoute`], or the database's.
    pub async fn route(&mut self, org: OrgId, id: RouteId) -> Result<Route, StoreError> {
        let row = self.tx.row(select!("WHERE org_id = $1 AND id = $2"), args![org, id]).await?;
        route(&row.ok_or(StoreError::NoRoute { id })?)
    }

    /// An org's routes, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn routes(&mut self, org: OrgId, filter: &RouteFilter, slice: &Slice) -> Result<Page<Route>, StoreError> {
        let sql = select!(
            "WHERE org_id = $1 AND ($2 IS NULL OR host = $2) AND ($3 IS NULL OR workload_id = $3) AND id > $4 \
             ORDER BY id LIMIT $5"
        );
        let args = args![org, filter.host.as_ref(), filter.workload, slice.start(), slice.rows()];
        let rows = self.tx.rows(sql, args).await?;
        slice.page(&rows, route, |one| one.id.to_string())
    }
}

impl Change {
    /// Makes a route. A hostname that nobody owns becomes the org's.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the workload is not the org's, [`StoreError::HostTaken`],
    /// [`StoreError::HostQuarantined`], [`StoreError::RouteTaken`], [`StoreError::TooMany`], or the database's.
    pub async fn create_route(&mut self, org: OrgId, id: RouteId, spec: RouteSpec) -> Result<Route, StoreError> {
        self.workload(org, spec.workload).await?;
        insert(self, org, id, &spec).await?;
        self.route(org, id).await
    }

    /// Makes a route say something else. The name that it leaves is released if nothing else holds it.
    ///
    /// # Errors
    /// [`StoreError::NoRoute`], [`StoreError::Stale`], and those of [`Change::create_route`].
    pub async fn update_route(
        &mut self,
        org: OrgId,
        id: RouteId,
        spec: RouteSpec,
        expected: Option<i64>,
    ) -> Result<Route, StoreError> {
        const SQL: &str = "UPDATE routes SET host = $3, path = $4, matcher = $5, rank = $6, enabled = $7, \
            workload_id = $8, pipeline = $9, version = version + 1 WHERE org_id = $1 AND id = $2";
        let at = self.at();
        let before = self.route(org, id).await?;
        check_version("route", before.version, expected)?;
        self.workload(org, spec.workload).await?;
        let tx = self.heard_of(id);
        hostname::claim(tx, org, &spec.host, HostState::Used, at).await?;
        write(tx, SQL, args![org, id].into(), &spec).await?;
        if before.host != spec.host {
            hostname::release_unused(tx, &before.host, at).await?;
        }
        self.route(org, id).await
    }

    /// Takes a route away, and with the last route of a name the name itself, unless a person has claimed it.
    ///
    /// # Errors
    /// [`StoreError::NoRoute`], [`StoreError::Stale`], or the database's.
    pub async fn delete_route(&mut self, org: OrgId, id: RouteId, expected: Option<i64>) -> Result<(), StoreError> {
        let at = self.at();
        let before = self.route(org, id).await?;
        check_version("route", before.version, expected)?;
        // To be counted again.
        self.routes = None;
        let tx = self.heard_of(id);
        tx.run("DELETE FROM routes WHERE org_id = $1 AND id = $2", args![org, id]).await?;
        hostname::release_unused(tx, &before.host, at).await
    }
}

/// What edges are told: those that are not enabled too, which they serve as little as an unknown path, but can name.
pub(crate) async fn entries(tx: &mut Tx) -> Result<Vec<Shared<RouteEntry>>, StoreError> {
    let rows = tx.rows(select_entry!("ORDER BY id"), []).await?;
    rows.iter().map(|row| to_entry(row).map(Shared::new)).collect()
}

/// The same of one route.
pub(crate) async fn entry(tx: &mut Tx, id: RouteId) -> Result<Option<RouteEntry>, StoreError> {
    tx.row(select_entry!("WHERE id = $1"), args![id]).await?.as_ref().map(to_entry).transpose()
}

fn to_entry(row: &Row) -> Result<RouteEntry, StoreError> {
    entry_with(row, row.json("pipeline")?)
}

/// An entry with this pipeline, whatever the row's is: not every query reads that.
fn entry_with(row: &Row, pipeline: PipelineSpec) -> Result<RouteEntry, StoreError> {
    Ok(RouteEntry {
        id: row.typed("id")?,
        host: row.typed("host")?,
        path: row.typed("path")?,
        matcher: row.json("matcher")?,
        rank: row.int_if_any("rank")?,
        enabled: row.flag("enabled")?,
        workload: row.typed("workload_id")?,
        pipeline,
    })
}

/// Claims the hostname for the org, then stores the route.
pub(crate) async fn insert(change: &mut Change, org: OrgId, id: RouteId, spec: &RouteSpec) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO routes (org_id, id, created_at, host, path, matcher, rank, enabled, workload_id, \
        pipeline) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let now = change.at();
    let count = within_limits(change, org).await?;
    let tx = change.heard_of(id);
    hostname::claim(tx, org, &spec.host, HostState::Used, now).await?;
    write(tx, SQL, args![org, id, now].into(), spec).await?;
    change.routes = Some(count);
    Ok(())
}

/// Runs a statement whose last arguments are what a route says.
async fn write(tx: &mut Tx, sql: &'static str, mut all: Vec<Value>, spec: &RouteSpec) -> Result<(), StoreError> {
    let RouteSpec { host, path, matcher, rank, enabled, workload, pipeline } = spec;
    let (matcher, pipeline) = (to_json("matcher", matcher)?, to_json("pipeline", pipeline)?);
    all.extend(args![host, path, matcher, *rank, *enabled, *workload, pipeline]);
    tx.run(sql, all).await.or_taken(|| taken(spec))?;
    Ok(())
}

/// The hosts that lead to a workload, by name.
pub(crate) async fn hosts_of(tx: &mut Tx, workload: WorkloadId) -> Result<Vec<Hostname>, StoreError> {
    let sql = "SELECT DISTINCT host FROM routes WHERE workload_id = $1 ORDER BY host";
    tx.rows(sql, args![workload]).await?.iter().map(|row| row.typed("host")).collect()
}

/// The count with one route more, if there is room for it.
async fn within_limits(change: &mut Change, org: OrgId) -> Result<RouteCount, StoreError> {
    let count = match change.routes {
        Some(count) if count.org == org => count,
        _ => RouteCount {
            org,
            of_org: change.tx.count("SELECT count(*) AS n FROM routes WHERE org_id = $1", args![org]).await?,
            all: change.tx.count("SELECT count(*) AS n FROM routes", []).await?,
        },
    };
    for (count, most, what) in
        [(count.all, limits::ROUTES, "routes"), (count.of_org, limits::ROUTES_PER_ORG, "routes of an org")]
    {
        if count >= most {
            return Err(StoreError::TooMany { what, most });
        }
    }
    Ok(RouteCount { of_org: count.of_org + 1, all: count.all + 1, ..count })
}

fn taken(spec: &RouteSpec) -> StoreError {
    StoreError::RouteTaken { host: spec.host.clone(), path: spec.path.clone() }
}

pub(crate) fn route(row: &Row) -> Result<Route, StoreError> {
    Ok(Route {
        id: row.typed("id")?,
        org: row.typed("org_id")?,
        host: row.typed("host")?,
        path: row.typed("path")?,
        matcher: row.json("matcher")?,
        rank: row.int_if_any("rank")?,
        enabled: row.flag("enabled")?,
        workload: row.typed("workload_id")?,
        pipeline: row.json("pipeline")?,
        created_at: row.time("created_at")?,
        version: row.int("version")?,
    })
}
