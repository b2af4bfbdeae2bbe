//! From what is asked of a route to what is stored, and back. A fault is told with its place in the body.

use mezu_api::route::{HeaderMatch, Matcher, RouteSpec};
use mezu_model::{Label, Method, OrgId, WorkloadId};
use mezu_policy::Pipeline;
use mezu_snapshot::{HeaderCondition, PathRule};
use mezu_store::{StoreError, View};

use crate::Refused;

/// What a route is to say, if it can. `at` is the pointer to the spec; `workload` is set where the name is not to be
/// looked up.
pub(crate) async fn resolve(
    view: &mut View,
    org: OrgId,
    spec: &RouteSpec,
    workload: Option<WorkloadId>,
    at: &str,
) -> Result<mezu_store::RouteSpec, Refused> {
    let path: PathRule =
        spec.path.parse().map_err(|error| Refused::invalid(format!("{at}/path"), format!("{error}")))?;
    let matcher = matcher(&spec.matcher, &format!("{at}/matcher"))?;
    Pipeline::compile(&spec.pipeline)
        .map_err(|invalid| Refused::invalid(format!("{at}/pipeline{}", pointer(&invalid.at)), invalid.problem))?;
    for id in spec.pipeline.workloads() {
        match view.workload(org, id).await {
            Ok(_) => {}
            Err(StoreError::NotFound { .. }) => {
                return Err(Refused::invalid(format!("{at}/pipeline"), format!("there is no workload {id}")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let workload = match workload {
        Some(workload) => workload,
        None => {
            let none = || {
                let detail =
                    format!("there is no workload {:?}; make it first, or let a Warpgate bring it", spec.workload);
                Refused::invalid(format!("{at}/workload"), detail)
            };
            view.workload_by_name(org, &spec.workload).await?.ok_or_else(none)?.id
        }
    };
    Ok(mezu_store::RouteSpec {
        host: spec.host.clone(),
        path,
        matcher,
        rank: spec.rank,
        enabled: spec.enabled,
        workload,
        pipeline: spec.pipeline.clone(),
    })
}

/// What a stored route says.
pub(crate) fn said(route: &mezu_store::Route, workload: Label) -> RouteSpec {
    let header = |one: &HeaderCondition| HeaderMatch {
        name: one.name().to_string(),
        values: one.values().map(str::to_string).collect(),
    };
    RouteSpec {
        host: route.host.clone(),
        path: route.path.as_str().to_string(),
        matcher: Matcher {
            methods: route.matcher.methods().iter().map(ToString::to_string).collect(),
            headers: route.matcher.headers().iter().map(header).collect(),
        },
        rank: route.rank,
        enabled: route.enabled,
        workload,
        pipeline: route.pipeline.clone(),
    }
}

fn matcher(asked: &Matcher, at: &str) -> Result<mezu_snapshot::Matcher, Refused> {
    let mut methods = Vec::new();
    for (n, name) in asked.methods.iter().enumerate() {
        let none = || Refused::invalid(format!("{at}/methods/{n}"), "this is no method");
        methods.push(Method::from_bytes(name.as_bytes()).ok_or_else(none)?);
    }
    let mut headers = Vec::new();
    for (n, HeaderMatch { name, values }) in asked.headers.iter().enumerate() {
        let odd = |error| Refused::invalid(format!("{at}/headers/{n}"), format!("{error}"));
        headers.push(HeaderCondition::new(name, values.clone()).map_err(odd)?);
    }
    mezu_snapshot::Matcher::new(methods, headers).map_err(|error| Refused::invalid(at, error.to_string()))
}

/// `headers.set[2].name` as a JSON pointer.
fn pointer(place: &str) -> String {
    let mut text = String::new();
    for part in place.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty()) {
        text.push('/');
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_become_pointers() {
        for (place, pointer) in
            [("", ""), ("body_limit", "/body_limit"), ("headers.set[2].name", "/headers/set/2/name")]
        {
            assert_eq!(super::pointer(place), pointer);
        }
    }
}
