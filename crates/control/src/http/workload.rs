//! Workloads over HTTP.

use axum::extract::State;
use mezu_api::workload::{NewWorkload, Workload, WorkloadPatch};
use mezu_api::{Code, Page, Permission};
use mezu_model::{Label, WorkloadId};
use serde::Deserialize;
use utoipa_axum::routes;

use super::described::{IdPath, IdempotencyHeader, IfMatchHeader, OrgPath};
use super::params::slice;
use super::{Body, Filter, Id, IfMatch, Operations};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("workload.list", Permission::WorkloadRead, routes!(list))
        .add("workload.create", Permission::WorkloadWrite, routes!(create))
        .add("workload.read", Permission::WorkloadRead, routes!(read))
        .add("workload.update", Permission::WorkloadWrite, routes!(update))
        .add("workload.delete", Permission::WorkloadWrite, routes!(delete))
}

/// Characters of a filter by labels; the document says the same.
const LABELS_MOST: usize = 512;

/// Which workloads.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WorkloadQuery {
    /// Labels that they must have, such as `tier=front,team=shop`.
    #[param(max_length = 512)]
    labels: Option<String>,
    /// How many at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// The `next` of the part before.
    #[param(max_length = 300, pattern = "^[!-~]*$")]
    cursor: Option<String>,
}

/// Whether the routes go with it.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WithRoutes {
    /// Delete its routes too; without, a workload that has routes is not deleted.
    #[serde(default)]
    with_routes: bool,
}

/// The workloads of the org
#[utoipa::path(get, path = "/orgs/{org}/workloads", params(OrgPath, WorkloadQuery),
    responses((status = 200, body = Page<Workload>)))]
async fn list(
    State(control): State<Control>,
    scope: OrgScope,
    Filter(query): Filter<WorkloadQuery>,
) -> Answer<Page<Workload>> {
    let slice = slice(query.limit, query.cursor)?;
    ops::workload::list(&control, &scope, &labels(query.labels.as_deref().unwrap_or_default())?, &slice).await
}

/// Make a workload before its first Warpgate comes
#[utoipa::path(post, path = "/orgs/{org}/workloads", params(OrgPath, IdempotencyHeader), request_body = NewWorkload,
    responses((status = 201, body = Workload)))]
async fn create(State(control): State<Control>, scope: OrgScope, Body(new): Body<NewWorkload>) -> Answer<Workload> {
    ops::workload::create(&control, &scope, new).await
}

/// Read a workload
#[utoipa::path(get, path = "/orgs/{org}/workloads/{id}", params(OrgPath, IdPath),
    responses((status = 200, body = Workload)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(id): Id<WorkloadId>) -> Answer<Workload> {
    ops::workload::read(&control, &scope, id).await
}

/// Rename a workload or set its labels
#[utoipa::path(patch, path = "/orgs/{org}/workloads/{id}", params(OrgPath, IdPath, IfMatchHeader),
    request_body = WorkloadPatch, responses((status = 200, body = Workload)))]
async fn update(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<WorkloadId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<WorkloadPatch>,
) -> Answer<Workload> {
    ops::workload::update(&control, &scope, id, patch, expected).await
}

/// Delete a workload
#[utoipa::path(delete, path = "/orgs/{org}/workloads/{id}", params(OrgPath, IdPath, WithRoutes, IfMatchHeader),
    responses((status = 204)))]
async fn delete(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<WorkloadId>,
    Filter(WithRoutes { with_routes }): Filter<WithRoutes>,
    IfMatch(expected): IfMatch,
) -> Answer<()> {
    ops::workload::delete(&control, &scope, id, with_routes, expected).await
}

/// Reads `a=b,c=d`.
fn labels(text: &str) -> Result<Vec<(Label, String)>, Refused> {
    let odd = || Refused::new(Code::Invalid, "labels must be NAME=VALUE, several with commas between");
    let label = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.parse().ok()?, value.to_string()))
    };
    if text.chars().count() > LABELS_MOST {
        return Err(Refused::new(Code::Invalid, format!("labels are at most {LABELS_MOST} characters")));
    }
    text.split(',').filter(|pair| !pair.is_empty()).map(|pair| label(pair).ok_or_else(odd)).collect()
}
