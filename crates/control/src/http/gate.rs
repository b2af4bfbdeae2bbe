//! What stands before every operation: who asks, may they, and have they asked the very same before?

use aws_lc_rs::digest;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use mezu_api::{Code, Least, Permission, Problem};
use mezu_model::OrgId;
use mezu_store::{Actor, Remembered};

use super::body;
use super::front::{RequestId, Source};
use super::render;
use crate::auth::{Again, Allowed, Caller, Denied, Door, Origin, Presented, authorise, identify, unproven};
use crate::{Control, Refused};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEY_MOST: usize = 128;

/// The gate of one operation.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) control: Control,
    pub(crate) door: Door,
    pub(crate) action: &'static str,
    pub(crate) permission: Permission,
}

/// Lets a request through to its operation, with its [`Caller`] or [`crate::auth::OrgScope`], or refuses it.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_string();
    let is_read = parts.method == Method::GET || gate.permission.only_reads();
    let allowed = match gate.open(&mut parts).await {
        Ok(allowed) => allowed,
        Err((refused, attempt)) => {
            if let Some(attempt) = attempt {
                gate.record(&attempt, &path, &refused).await;
            }
            return refused.into_response();
        }
    };
    let attempt = Attempt { asker: Caller::clone(&allowed), org: allowed.org() };
    let response = gate.once(allowed, parts, body, next).await;
    let extensions = response.extensions();
    if let Some(problem) = extensions.get::<Problem>().filter(|problem| is_worth_noting(problem, is_read)) {
        let about = extensions.get::<render::About>().and_then(|about| about.0.clone());
        let refused = Refused { problem: Box::new(problem.clone()), about };
        gate.record(&attempt, &path, &refused).await;
    }
    response
}

/// Who has tried something, and the org in whose log that belongs.
struct Attempt {
    asker: Caller,
    org: Option<OrgId>,
}

/// Whether a refusal by the operation itself belongs in the audit log: what may not be done, not what was mistyped.
fn is_worth_noting(problem: &Problem, is_read: bool) -> bool {
    match problem.status {
        401 | 403 | 429 => true,
        404 | 409 => !is_read,
        _ => false,
    }
}

impl Gate {
    /// Who asks, and whether they may. A refusal comes with whom to name in the audit log; someone who has shown
    /// nothing at all and asks for what takes a session is no attempt worth keeping.
    async fn open(&self, parts: &mut Parts) -> Result<Allowed, (Refused, Option<Attempt>)> {
        let origin = Origin {
            source: parts.extensions.get::<Source>().map_or_else(|| "unknown".into(), |source| source.0.clone()),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
            action: self.action,
        };
        let attempt = |actor, origin: &Origin, org| Attempt { asker: unproven(actor, origin.clone()), org };
        let mut presented = Presented::of(&parts.headers);
        if self.permission.least() == Least::Anyone {
            // Whoever comes in may still carry what is left of an older session.
            presented = Presented::Nothing;
        }
        let identity = match identify(&self.control, self.door, &presented).await {
            Ok(identity) => identity,
            Err(refused) => {
                let asker = refused.is(Code::Unauthenticated).then(|| attempt(Actor::Anonymous, &origin, None));
                return Err((refused, asker));
            }
        };
        let actor = identity.actor;
        let params = RawPathParams::from_request_parts(parts, &()).await.ok();
        let org = params.as_ref().and_then(|params| params.iter().find(|(name, _)| *name == "org"));
        let org = org.map(|(_, value)| value);
        let allowed = authorise(&self.control, identity, origin.clone(), self.permission, org).await;
        allowed.map_err(|Denied { refused, org }| {
            let is_told = actor != Actor::Anonymous && matches!(refused.problem.status, 401 | 403 | 404);
            (refused, is_told.then(|| attempt(actor, &origin, org)))
        })
    }

    /// Whether the same request again must not do the same again.
    fn is_repeatable(&self, method: &Method) -> bool {
        *method == Method::POST && !self.permission.only_reads()
    }

    /// Runs the operation, or gives the answer that the very same request has had.
    async fn once(&self, allowed: Allowed, mut parts: Parts, body: Body, next: Next) -> Response {
        let key = match key(&parts) {
            Ok(key) => key.filter(|_| self.is_repeatable(&parts.method) && allowed.actor() != Actor::Anonymous),
            Err(refused) => return refused.into_response(),
        };
        let Some(key) = key else {
            put(&mut parts, allowed, None);
            return next.run(Request::from_parts(parts, body)).await;
        };
        let bytes = match body::whole(&parts, body).await {
            Ok(bytes) => bytes,
            Err(refused) => return refused.into_response(),
        };
        let again = Again { scope: scope(&allowed), key, request: fingerprint(&parts, &bytes) };
        match self.remembered(&again).await {
            Ok(None) => {}
            Ok(Some(response)) => return response,
            Err(refused) => return refused.into_response(),
        }
        put(&mut parts, allowed, Some(again.clone()));
        let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
        // The twin of this request may have been done meanwhile; then its answer is this one's.
        let lost = response.extensions().get::<Problem>().is_some_and(|problem| problem.status == 409);
        match self.remembered(&again).await {
            Ok(Some(twin)) if lost => twin,
            _ => response,
        }
    }

    /// The answer that was given to that key.
    ///
    /// # Errors
    /// When it was given to another request, or the store does not answer.
    async fn remembered(&self, again: &Again) -> Result<Option<Response>, Refused> {
        let mut view = self.control.view().await?;
        let Some(Remembered { request, status, body }) =
            view.remembered(&again.scope, &again.key, self.control.now()).await?
        else {
            return Ok(None);
        };
        if request != again.request {
            let detail = "this Idempotency-Key was sent with another request; use a new key for a new request";
            return Err(Refused::new(Code::IdempotencyMismatch, detail));
        }
        Ok(Some(render::again(status, body, self.control.edge().generation())))
    }

    /// Writes a refusal into the audit log; so many that they could fill the disk are told to the log file only.
    async fn record(&self, attempt: &Attempt, path: &str, refused: &Refused) {
        let Attempt { asker, org } = attempt;
        let who = format!("{} {}", asker.actor(), asker.source());
        tracing::info!(action = self.action, by = who, code = refused.problem.code, "refused");
        if self.control.doors().refusals.take(&who, std::time::Instant::now()).is_err() {
            return;
        }
        let Ok(store) = self.control.store() else { return };
        let object = refused.about.as_deref().unwrap_or(path);
        if let Err(error) = store.record(asker.refusal(*org, object, refused), self.control.now()).await {
            tracing::error!(error = %mezu_runtime::Chain(&error), "a refusal could not be recorded");
        }
    }
}

/// Gives the operation what it takes to act.
fn put(parts: &mut Parts, allowed: Allowed, again: Option<Again>) {
    match allowed {
        Allowed::Caller(caller) => _ = parts.extensions.insert(caller.repeatable(again)),
        Allowed::Org(scope) => _ = parts.extensions.insert(scope.repeatable(again)),
    }
}

fn key(parts: &Parts) -> Result<Option<String>, Refused> {
    let mut values = parts.headers.get_all(KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        let is_absent = !parts.headers.contains_key(KEY);
        let twice = || Refused::new(Code::Malformed, "there may be only one Idempotency-Key");
        return if is_absent { Ok(None) } else { Err(twice()) };
    };
    let text = value.to_str().ok().filter(|text| (1..=KEY_MOST).contains(&text.len()));
    let bad = || Refused::new(Code::Malformed, "an Idempotency-Key is 1 to 128 visible ASCII characters");
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())).map(|text| Some(text.into())).ok_or_else(bad)
}

/// Whose keys are told apart from others'.
fn scope(allowed: &Allowed) -> String {
    match allowed {
        Allowed::Org(scope) => format!("{}/{}", scope.actor(), scope.org()),
        Allowed::Caller(caller) => format!("{}/", caller.actor()),
    }
}

/// What makes a request the same: method, path and body.
fn fingerprint(parts: &Parts, body: &Bytes) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    for field in [parts.method.as_str().as_bytes(), target.as_bytes(), body] {
        hash.update(&field.len().to_be_bytes());
        hash.update(field);
    }
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}
