//! Routes in parts, however many an org has: each question reads what its answer needs. An order within a host is not the
//! database's to know, so hosts come whole, but without the capabilities of their routes.

use mezu_model::{Hostname, Label, OrgId, RouteId, WorkloadId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::{PathRule, RouteEntry};
use sqlx::AssertSqlSafe;

use super::{Route, RouteFilter, route, select_route};
use crate::StoreError;
use crate::change::View;
use crate::db::Row;
use crate::value::{Value, args};

macro_rules! select_order {
    ($rest:literal) => {
        concat!("SELECT id, host, path, matcher, rank, enabled, workload_id FROM routes ", $rest)
    };
}

impl View {
    /// The hosts of an org's routes in their order, from one on, each with the number of those of its routes that are
    /// wanted; at most so many hosts.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn route_hosts(
        &mut self,
        org: OrgId,
        filter: &RouteFilter,
        from: Option<&Hostname>,
        most: u16,
    ) -> Result<Vec<(Hostname, usize)>, StoreError> {
        const ALL: &str = "SELECT host, count(*) AS n FROM routes WHERE org_id = $1 AND host >= $2 \
            AND ($3 IS NULL OR workload_id = $3) GROUP BY host ORDER BY host LIMIT $4";
        const ONE: &str = "SELECT host, count(*) AS n FROM routes WHERE org_id = $1 AND host = $2 \
            AND ($3 IS NULL OR workload_id = $3) GROUP BY host ORDER BY host LIMIT $4";
        let (sql, host) = match (&filter.host, from) {
            (Some(host), Some(from)) if host < from => return Ok(Vec::new()),
            (Some(host), _) => (ONE, host.as_str()),
            (None, from) => (ALL, from.map_or("", Hostname::as_str)),
        };
        let rows = self.tx.rows(sql, args![org, host, filter.workload, i64::from(most)]).await?;
        rows.iter().map(|row| Ok((row.typed("host")?, row.number("n")?))).collect()
    }

    /// The routes of the hosts from `first` to `last`, all of each host, without what they do to requests; with a
    /// workload, of those hosts alone that lead to it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn route_order(
        &mut self,
        org: OrgId,
        workload: Option<WorkloadId>,
        first: &Hostname,
        last: &Hostname,
    ) -> Result<Vec<RouteEntry>, StoreError> {
        let sql = select_order!(
            "WHERE org_id = $1 AND host >= $2 AND host <= $3 AND ($4 IS NULL OR host IN \
             (SELECT host FROM routes WHERE org_id = $1 AND workload_id = $4)) ORDER BY host, id"
        );
        self.tx.rows(sql, args![org, first, last, workload]).await?.iter().map(order).collect()
    }

    /// Of a host's routes those that may take requests before one whose path begins like this: those that have a rank,
    /// and those whose paths begin likewise. Without what they do to requests.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn route_rivals(
        &mut self,
        org: OrgId,
        host: &Hostname,
        beginning: &str,
    ) -> Result<Vec<RouteEntry>, StoreError> {
        let sql = concat!(
            select_order!("WHERE org_id = $1 AND host = $2 AND rank IS NOT NULL UNION ALL "),
            select_order!("WHERE org_id = $1 AND host = $2 AND rank IS NULL AND path >= $3 AND path <= $4 UNION ALL "),
            select_order!("WHERE org_id = $1 AND host = $2 AND rank IS NULL AND path >= $5 AND path <= $6")
        );
        let end = |from: &str| format!("{from}{}", char::MAX);
        let exact = format!("={beginning}");
        let args = args![org, host, beginning, end(beginning), &exact, end(&exact)];
        let mut found: Vec<RouteEntry> = self.tx.rows(sql, args).await?.iter().map(order).collect::<Result<_, _>>()?;
        // Everything begins with nothing, and then stands in both.
        found.sort_by_key(|one| one.id);
        found.dedup_by_key(|one| one.id);
        Ok(found)
    }

    /// Those routes of the org that are named, with the names of their workloads, in any order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn routes_named(&mut self, org: OrgId, ids: &[RouteId]) -> Result<Vec<(Route, Label)>, StoreError> {
        const SELECT: &str = "SELECT routes.id AS id, routes.org_id AS org_id, host, path, matcher, rank, enabled, \
            workload_id, pipeline, routes.created_at AS created_at, routes.version AS version, \
            workloads.name AS workload_name FROM routes JOIN workloads ON workloads.id = workload_id \
            WHERE routes.org_id = $1 AND routes.id IN ";
        let rows = self.rows_in(SELECT, "", org, ids).await?;
        rows.iter().map(|row| Ok((route(row)?, row.typed("workload_name")?))).collect()
    }

    /// Where those workloads of the org are reached, by workload, the oldest route first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn places_of(
        &mut self,
        org: OrgId,
        workloads: &[WorkloadId],
    ) -> Result<Vec<(WorkloadId, Hostname, PathRule)>, StoreError> {
        const SELECT: &str = "SELECT workload_id, host, path FROM routes WHERE org_id = $1 AND workload_id IN ";
        let rows = self.rows_in(SELECT, " ORDER BY workload_id, id", org, workloads).await?;
        rows.iter().map(|row| Ok((row.typed("workload_id")?, row.typed("host")?, row.typed("path")?))).collect()
    }

    /// The org's routes to other workloads whose capabilities name this one, such as in a split.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn routes_naming(&mut self, org: OrgId, workload: WorkloadId) -> Result<Vec<Route>, StoreError> {
        let sql =
            select_route!("WHERE org_id = $1 AND workload_id <> $2 AND pipeline LIKE '%' || $2 || '%' ORDER BY id");
        let found = self.tx.rows(sql, args![org, workload]).await?;
        let mut found = found.iter().map(route).collect::<Result<Vec<_>, _>>()?;
        // The text may stand there for something else.
        found.retain(|one| one.pipeline.workloads().any(|one| one == workload));
        Ok(found)
    }

    /// Rows of what is named, for at most as many as a part of a list holds at a time.
    async fn rows_in<T: Copy + Into<Value>>(
        &mut self,
        select: &'static str,
        rest: &'static str,
        org: OrgId,
        ids: &[T],
    ) -> Result<Vec<Row>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        for part in ids.chunks(usize::from(crate::MOST)) {
            let places: Vec<String> = (2..part.len() + 2).map(|n| format!("${n}")).collect();
            // Nothing but numbers of places goes into it.
            let sql = AssertSqlSafe(format!("{select}({}){rest}", places.join(", ")));
            let args = std::iter::once(Value::from(org)).chain(part.iter().map(|id| (*id).into()));
            all.extend(self.tx.rows(sql, args).await?);
        }
        Ok(all)
    }
}

fn order(row: &Row) -> Result<RouteEntry, StoreError> {
    super::entry_with(row, PipelineSpec::default())
}
