//! The list of operations. The one way in is [`Operations::add`], which wants to know what permission an operation
//! needs: without one there is no operation.

use axum::Router;
use axum::middleware::from_fn_with_state;
use mezu_api::{Least, Permission, paths};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, PathItem, Ref, RefOr};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::gate::{self, Gate};
use crate::Control;
use crate::auth::Door;

/// Operations, each with its permission.
#[derive(Default)]
pub struct Operations(Vec<Entry>);

struct Entry {
    action: &'static str,
    permission: Permission,
    routes: UtoipaMethodRouter<Control>,
}

impl Operations {
    /// Adds one operation, made by `routes!(handler)`. `action` is its name, noun and verb, in the document and in the
    /// audit log.
    #[must_use]
    pub fn add(
        mut self,
        action: &'static str,
        permission: Permission,
        mut routes: UtoipaMethodRouter<Control>,
    ) -> Self {
        for (is_get, operation) in routes.1.paths.values_mut().flat_map(of) {
            describe(operation, action, permission, is_get || permission.only_reads());
        }
        self.0.push(Entry { action, permission, routes });
        self
    }

    /// The router, each operation behind its gate.
    pub(crate) fn into_router(self, control: &Control, door: Door) -> Router {
        let mut router = OpenApiRouter::new();
        for Entry { action, permission, routes: (schemas, paths, methods) } in self.0 {
            let gate = Gate { control: control.clone(), door, action, permission };
            let methods = methods.route_layer(from_fn_with_state(gate, gate::pass));
            router = router.routes((schemas, paths, methods));
        }
        let (router, _) = OpenApiRouter::new().nest(paths::BASE, router).split_for_parts();
        router.with_state(control.clone())
    }

    /// The name and form of each type that some operation speaks of.
    #[cfg(test)]
    pub(crate) fn schemas(&self) -> impl Iterator<Item = &(String, RefOr<utoipa::openapi::Schema>)> {
        self.0.iter().flat_map(|entry| &entry.routes.0)
    }

    /// What the operations say of themselves.
    pub(crate) fn describe(self, about: OpenApi) -> OpenApi {
        let router = self.0.into_iter().fold(OpenApiRouter::new(), |router, entry| router.routes(entry.routes));
        OpenApiRouter::with_openapi(about).nest(paths::BASE, router).into_openapi()
    }
}

/// The operations of a path, and whether each only reads.
fn of(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let changes = [put, post, delete, patch].into_iter().flatten().map(|operation| (false, operation));
    get.iter_mut().map(|operation| (true, operation)).chain(changes)
}

/// Adds what is true of every operation of that permission.
fn describe(operation: &mut Operation, action: &'static str, permission: Permission, is_read: bool) {
    operation.operation_id = Some(action.to_string());
    operation.tags = action.split('.').next().map(|noun| vec![noun.to_string()]);
    let extension = Extensions::from_iter([("x-permission", permission.as_str())]);
    operation.extensions.get_or_insert_default().merge(extension);
    let responses = &mut operation.responses.responses;
    for response in responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = if is_read { "What was asked for." } else { "Done, and served." }.to_string();
        }
    }
    let is_served = !is_read && matches!(permission.least(), Least::Of(_) | Least::Operator);
    if let Some(RefOr::T(mut late)) = responses.values().next().cloned().filter(|_| is_served) {
        late.description = "Done, and not served yet; `Mezu-Late` says why.".to_string();
        responses.insert("202".to_string(), late.into());
    }
    for status in ["4XX", "5XX"] {
        let problem = Ref::from_response_name("Problem");
        responses.entry(status.to_string()).or_insert_with(|| problem.into());
    }
    let by = |name: &str| SecurityRequirement::new::<_, _, String>(name, []);
    operation.security = match permission.least() {
        Least::Anyone | Least::Operator => None,
        Least::Session => Some(vec![by("session")]),
        Least::Known | Least::Of(_) => Some(vec![by("session"), by("token")]),
    };
}
