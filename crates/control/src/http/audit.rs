//! The audit log over HTTP.

use axum::extract::State;
use mezu_api::audit::{AuditReport, Event};
use mezu_api::{Code, Page, Permission, Time};
use mezu_model::OrgId;
use mezu_store::{EventFilter, Micros, Outcome, Slice};
use serde::Deserialize;
use utoipa_axum::routes;

use super::described::OrgPath;
use super::params::slice;
use super::{Filter, Operations};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, ops};

const TEXT_MOST: usize = 512;
const ACTION_MOST: usize = 128;
/// Digits of a cursor: more than there will ever be events.
const CURSOR_MOST: usize = 18;

pub(crate) fn add(all: Operations) -> Operations {
    all.add("audit.list", Permission::AuditRead, routes!(list))
        .add("audit.list_all", Permission::Operate, routes!(list_all))
        .add("audit.verify", Permission::Operate, routes!(verify))
}

/// Which events.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// `operator`, `system`, `anonymous`, `member:ID`, `token:ID:MEMBER` or `key:ID`.
    #[param(value_type = Option<String>, pattern = "^(operator|system|anonymous|member:[0-9a-f-]{36})$")]
    actor: Option<String>,
    /// Noun and verb, such as `route.create`.
    #[param(max_length = 128)]
    action: Option<String>,
    /// The id or name of what it was done to.
    #[param(max_length = 512)]
    object: Option<String>,
    /// `done` or `refused`.
    #[param(pattern = "^(done|refused)$")]
    outcome: Option<String>,
    /// From then on.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
    /// Before then.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// How many at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// The `next` of the part before.
    #[param(max_length = 18, pattern = "^[0-9]+$")]
    cursor: Option<String>,
}

/// The audit log of an org, the newest first
#[utoipa::path(get, path = "/orgs/{org}/audit", params(OrgPath, AuditQuery),
    responses((status = 200, body = Page<Event>)))]
async fn list(
    State(control): State<Control>,
    scope: OrgScope,
    Filter(query): Filter<AuditQuery>,
) -> Answer<Page<Event>> {
    let (filter, slice) = query.read(Some(scope.org()))?;
    ops::audit::list(&control, &filter, &slice).await
}

/// The whole audit log, the newest first
#[utoipa::path(get, path = "/audit", params(AuditQuery), responses((status = 200, body = Page<Event>)))]
async fn list_all(State(control): State<Control>, Filter(query): Filter<AuditQuery>) -> Answer<Page<Event>> {
    let (filter, slice) = query.read(None)?;
    ops::audit::list(&control, &filter, &slice).await
}

/// Prove that the audit log is whole
#[utoipa::path(get, path = "/audit/verify", responses((status = 200, body = AuditReport)))]
async fn verify(State(control): State<Control>) -> Answer<AuditReport> {
    ops::audit::verify(&control).await
}

impl AuditQuery {
    fn read(self, org: Option<OrgId>) -> Result<(EventFilter, Slice), Refused> {
        let slice = slice(self.limit, self.cursor)?;
        let is_number = |cursor: &String| cursor.len() <= CURSOR_MOST && cursor.parse::<u64>().is_ok();
        if !slice.after.as_ref().is_none_or(is_number) {
            return Err(odd("cursor must be the next of the part before"));
        }
        for (text, most) in [(&self.action, ACTION_MOST), (&self.object, TEXT_MOST)] {
            let is_odd = |text: &String| text.chars().count() > most || text.chars().any(char::is_control);
            if text.as_ref().is_some_and(is_odd) {
                return Err(odd("action and object are short texts without control characters"));
            }
        }
        let actor = self.actor.map(|actor| actor.parse().map_err(|error| odd(&format!("actor: {error}"))));
        let outcome = |text: String| text.parse::<Outcome>().map_err(|()| odd("outcome must be done or refused"));
        let filter = EventFilter {
            org,
            actor: actor.transpose()?,
            action: self.action,
            object: self.object,
            outcome: self.outcome.map(outcome).transpose()?,
            since: self.since.map(|time| Micros(time.0)),
            until: self.until.map(|time| Micros(time.0)),
        };
        Ok((filter, slice))
    }
}

fn odd(detail: &str) -> Refused {
    Refused::new(Code::Invalid, detail)
}
