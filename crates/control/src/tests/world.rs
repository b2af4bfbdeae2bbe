//! A control plane with a store of its own, and clients of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use mezu_api::paths::{BASE, COOKIE};
use mezu_api::request::{Candidate, Forwarded, Outcome, Recorded, Tried};
use mezu_model::{Hostname, MemberId, OrgId, RayId, Role, WorkloadId};
use mezu_runtime::Scope;
use mezu_store::{NewEvent, NewMember, NewSession, Store};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::auth::secret::{SESSION, TOKEN};
use crate::http::Source;
use crate::{Control, EdgeView, Parts, Pending, Publication, Question, Told, Untold, Wanted};

/// An edge that serves whatever it is given, unless it is told to be late.
pub(super) struct Edge {
    pub(super) base: Hostname,
    pub(super) gates: std::sync::Mutex<Vec<WorkloadId>>,
    pub(super) generation: AtomicU64,
    pub(super) late: std::sync::atomic::AtomicBool,
    /// The one host that it knows, and whose it is.
    pub(super) host: std::sync::Mutex<Option<(&'static str, OrgId)>>,
    /// The requests that have come, the newest last.
    pub(super) past: std::sync::Mutex<Vec<(OrgId, Recorded)>>,
}

impl Default for Edge {
    fn default() -> Self {
        let (generation, late, gates, host, past) = Default::default();
        Self { base: "edge.test".parse().unwrap(), gates, generation, late, host, past }
    }
}

impl EdgeView for Edge {
    fn publish(&self) -> Pending<'_, Publication> {
        let late = self.late.load(Ordering::Relaxed).then(|| "the edge compiles".into());
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        Box::pin(async move { Publication { generation, late } })
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    fn gates(&self, workload: WorkloadId) -> usize {
        self.gates.lock().unwrap().iter().filter(|one| **one == workload).count()
    }

    fn unwell_gates(&self, _: WorkloadId) -> usize {
        0
    }

    fn base_domain(&self) -> &Hostname {
        &self.base
    }

    fn url(&self, host: &Hostname, path: &str) -> String {
        format!("https://{host}{path}")
    }

    /// Says that the first of the routes takes any request.
    fn explain(
        &self,
        question: Question,
        supposing: Option<mezu_snapshot::Parts>,
    ) -> Pending<'_, Result<Told, Untold>> {
        let Question { method, url, client, .. } = question;
        let (host, path) = url.split_at(url.find('/').unwrap_or(url.len()));
        let known = *self.host.lock().unwrap();
        let org = known.filter(|(name, _)| *name == host).map(|(_, org)| org);
        let workload_id = supposing.as_ref().map_or(WorkloadId::from_bytes([0; 16]), |parts| parts.routes[0].workload);
        let candidates = supposing.into_iter().flat_map(|parts| parts.routes).map(|route| Candidate {
            route: route.id,
            path: route.path.to_string(),
            rank: route.rank,
            workload_id: route.workload,
            workload: None,
            captures: Vec::new(),
            unmatched: None,
            shadowed_by: None,
        });
        let told = Told {
            org,
            tried: Tried {
                generation: self.generation(),
                draft: None,
                method: method.clone(),
                host: host.to_string(),
                path: format!("{path} from {client}"),
                host_known: org.is_some(),
                candidates: candidates.collect(),
                others: 0,
                route: None,
                stages: Vec::new(),
                outcome: Outcome::Forwarded(Forwarded { workload_id, workload: None, label: None, gates: Vec::new() }),
            },
        };
        let odd = || Untold::NoRequest { pointer: "/method", why: "no method".into() };
        Box::pin(async move { if method == "odd" { Err(odd()) } else { Ok(told) } })
    }

    fn why(&self, org: OrgId, ray: RayId) -> Pending<'_, Option<Recorded>> {
        let past = self.past.lock().unwrap().clone();
        let found = past.into_iter().find(|(of, one)| *of == org && one.ray == ray.to_string()).map(|(_, one)| one);
        Box::pin(async { found })
    }

    fn recent(&self, wanted: Wanted) -> Pending<'_, Option<Vec<Recorded>>> {
        let past = self.past.lock().unwrap().clone();
        let mut own: Vec<Recorded> =
            past.into_iter().rev().filter(|(org, _)| *org == wanted.org).map(|(_, one)| one).collect();
        let found = match wanted.before {
            None => Some(0),
            Some(ray) => own.iter().position(|one| one.ray == ray.to_string()).map(|at| at + 1),
        };
        let found = found.map(|from| {
            own.retain(|one| wanted.statuses.contains(&one.status));
            own.into_iter().skip(from).take(wanted.most).collect()
        });
        Box::pin(async { found })
    }

    fn warning(&self, host: &Hostname) -> Option<String> {
        (!host.is_under(&self.base)).then(|| format!("no certificate is for {host}"))
    }
}

/// A control plane.
pub(super) struct World {
    pub(super) control: Control,
    pub(super) store: Store,
    pub(super) edge: Arc<Edge>,
    pub(super) scope: Scope,
    _dir: TempDir,
    _postgres: Option<mezu_testkit::postgres::Database>,
}

/// Whose request it is.
#[derive(Clone, Debug)]
pub(super) enum As {
    Nobody,
    Operator,
    Session(String),
    Token(String),
}

/// What came back.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// Runs a test on SQLite and on PostgreSQL.
pub(super) async fn on_both<F: Future<Output = ()>>(test: impl Fn(World) -> F) {
    test(World::sqlite().await).await;
    test(World::postgres().await).await;
}

impl World {
    pub(super) async fn sqlite() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("store.db")).await.unwrap();
        Self::over(store, dir, None)
    }

    pub(super) async fn postgres() -> Self {
        let database = mezu_testkit::postgres::database().unwrap();
        let url: mezu_store::StoreUrl = database.url.parse().unwrap();
        Self::over(Store::open(&url).await.unwrap(), TempDir::new().unwrap(), Some(database))
    }

    fn over(store: Store, dir: TempDir, postgres: Option<mezu_testkit::postgres::Database>) -> Self {
        let (edge, scope) = (Arc::new(Edge::default()), Scope::new());
        let slot = Arc::new(std::sync::OnceLock::from(store.clone()));
        let control = Control::new(Parts {
            store: slot,
            edge: edge.clone(),
            names: Vec::new(),
            machines: crate::Machines::default(),
            scope: scope.clone(),
            seal: [7; 32],
        });
        Self { control, store, edge, scope, _dir: dir, _postgres: postgres }
    }

    /// An org.
    pub(super) async fn org(&self, name: &str) -> OrgId {
        let mut change = self.store.change(self.control.now()).await.unwrap();
        let id = mezu_runtime::id::new();
        change.create_org(id, &name.parse().unwrap()).await.unwrap();
        change.commit(NewEvent::done("test.org", id)).await.unwrap();
        id
    }

    /// A member of an org, named by the role, who is signed in. There is no password.
    pub(super) async fn member(&self, org: OrgId, email: &str, role: Role) -> (MemberId, As) {
        let mut change = self.store.change(self.control.now()).await.unwrap();
        let email = email.parse().unwrap();
        let member = match change.member_by_email(&email).await.unwrap() {
            Some(member) => member.id,
            None => {
                let new = NewMember { id: mezu_runtime::id::new(), email, name: "Test".into(), password: None };
                change.create_member(new).await.unwrap().id
            }
        };
        change.add_membership(org, member, role).await.unwrap();
        let secret = SESSION.make();
        let hash = SESSION.hash(&secret).unwrap();
        let expires_at = mezu_store::Micros(change.at().0 + 3_600_000_000);
        let new = NewSession { hash, member, expires_at, source: "test".into(), agent: "test".into() };
        change.create_session(new).await.unwrap();
        change.commit(NewEvent::done("test.member", member)).await.unwrap();
        (member, As::Session(secret))
    }

    /// A token of a member.
    pub(super) async fn token(&self, org: OrgId, member: MemberId, role: Role) -> As {
        let mut change = self.store.change(self.control.now()).await.unwrap();
        let secret = TOKEN.make();
        let new = mezu_store::NewToken {
            id: mezu_runtime::id::new(),
            member,
            name: "test".into(),
            role,
            hash: TOKEN.hash(&secret).unwrap(),
            hint: "test".into(),
            expires_at: None,
        };
        change.create_token(org, new).await.unwrap();
        change.commit(NewEvent::done("test.token", member)).await.unwrap();
        As::Token(secret)
    }

    /// Asks. The path is what follows `/api/v1`.
    pub(super) async fn ask(&self, who: &As, method: &str, path: &str, body: Option<Value>) -> Got {
        self.ask_with(who, method, path, body, &[]).await
    }

    /// Asks with further headers.
    pub(super) async fn ask_with(
        &self,
        who: &As,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Got {
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder().method(&method).uri(format!("{BASE}{path}"));
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:9901");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match who {
            As::Nobody | As::Operator => {}
            As::Session(secret) => {
                request = request.header("cookie", format!("{COOKIE}={secret}"));
                if !headers.iter().any(|(name, _)| *name == "origin") {
                    request = request.header("origin", "http://localhost:9901");
                }
            }
            As::Token(secret) => request = request.header("authorization", format!("Bearer {secret}")),
        }
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(matches!(who, As::Operator), request.body(body).unwrap()).await
    }

    /// Sends a request as it is, at the socket or at the listener.
    pub(super) async fn send(&self, at_socket: bool, mut request: Request<Body>) -> Got {
        let router = if at_socket {
            request.extensions_mut().insert(Source("socket".into()));
            crate::http::operator_router(&self.control)
        } else {
            request.extensions_mut().insert(Source("192.0.2.7".into()));
            crate::http::router(&self.control)
        };
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 4 << 20).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Got { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// The newest events, as action, outcome and actor.
    pub(super) async fn events(&self, limit: u16) -> Vec<mezu_store::Event> {
        let mut view = self.store.view().await.unwrap();
        view.events(&mezu_store::EventFilter::of(None), &mezu_store::Slice::first(limit)).await.unwrap().items
    }
}

impl Got {
    /// The problem's code.
    pub(super) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
