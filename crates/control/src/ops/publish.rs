//! Publishes: changes of routes in one transaction, with what was before each, so that one call takes them back.

use mezu_api::draft::{Changed, RouteDelete, RouteOp, RoutePut};
use mezu_api::publish::Publish;
use mezu_api::route::RouteSpec;
use mezu_api::{Code, Page};
use mezu_model::{OrgId, PublishId, RouteId, WorkloadId};
use mezu_store::{Actor, Change, NewEvent, NewPublish, Slice, StoreError, View};
use serde::{Deserialize, Serialize};

use super::route::{resolve, said};
use super::{seen, time};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, Reply, names};

/// How many objects a refusal names.
const NAMED: usize = 10;

/// A route as it was or is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    route: RouteSpec,
    workload_id: WorkloadId,
}

/// A change as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) id: RouteId,
    pub(crate) before: Option<State>,
    pub(crate) after: Option<State>,
}

/// Changes of routes being made. Dropped, nothing of them stays.
pub(crate) struct Making {
    pub(crate) change: Change,
    org: OrgId,
    pub(crate) kept: Vec<Kept>,
}

impl Making {
    pub(crate) async fn begin(control: &Control, org: OrgId) -> Result<Self, Refused> {
        Ok(Self { change: control.change().await?, org, kept: Vec::new() })
    }

    /// Makes all of a draft's changes, in order.
    pub(crate) async fn make_all(&mut self, control: &Control, ops: &[RouteOp]) -> Result<(), Refused> {
        for (n, op) in ops.iter().enumerate() {
            let field = if op.put.is_some() { "put" } else { "delete" };
            self.make(control, op, &format!("/ops/{n}/{field}")).await?;
        }
        Ok(())
    }

    /// Makes one change. `at` is the pointer to what is asked; empty for an operation of its own, whose body is the
    /// route itself.
    pub(crate) async fn make(&mut self, control: &Control, op: &RouteOp, at: &str) -> Result<(), Refused> {
        match (&op.put, &op.delete) {
            (Some(put), None) => self.put(control, put, at).await,
            (None, Some(RouteDelete { id, version })) => {
                let before = state(&mut self.change, self.org, *id).await.map_err(|refused| placed(refused, at))?;
                let gone = self.change.delete_route(self.org, *id, *version).await;
                gone.map_err(|error| placed(error.into(), at))?;
                self.kept.push(Kept { id: *id, before: Some(before), after: None });
                Ok(())
            }
            _ => Err(neither(at)),
        }
    }

    async fn put(&mut self, control: &Control, put: &RoutePut, at: &str) -> Result<(), Refused> {
        let before = match put.id {
            Some(id) => Some(state(&mut self.change, self.org, id).await.map_err(|refused| placed(refused, at))?),
            None => None,
        };
        let spec_at = if at.is_empty() { String::new() } else { format!("{at}/route") };
        let spec = resolve(&mut self.change, self.org, &put.route, None, &spec_at).await?;
        // Names that are there already stay, even if they could not be had any more.
        if before.as_ref().is_none_or(|before| before.route.host != spec.host)
            && let Some(why) = names::refusal(&spec.host, control.edge().base_domain())
        {
            return Err(Refused::invalid(format!("{spec_at}/host"), why));
        }
        let id = put.id.unwrap_or_else(mezu_runtime::id::new);
        let stored = match before {
            Some(_) => self.change.update_route(self.org, id, spec, put.version).await,
            None => self.change.create_route(self.org, id, spec).await,
        };
        stored.map_err(|error| placed(error.into(), at))?;
        let after = Some(state(&mut self.change, self.org, id).await?);
        self.kept.push(Kept { id, before, after });
        Ok(())
    }

    /// Takes one change back.
    async fn take_back(&mut self, kept: &Kept) -> Result<(), Refused> {
        let (org, id) = (self.org, kept.id);
        match &kept.before {
            None => self.change.delete_route(org, id, None).await?,
            Some(State { route, workload_id }) => {
                let spec = resolve(&mut self.change, org, route, Some(*workload_id), "").await?;
                let stored = match kept.after {
                    Some(_) => self.change.update_route(org, id, spec, None).await,
                    None => self.change.create_route(org, id, spec).await,
                };
                stored.map_err(|error| match error {
                    StoreError::NotFound { .. } => {
                        let detail = format!("the workload {} of {}{} is gone", route.workload, route.host, route.path);
                        Refused::new(Code::Conflict, detail)
                    }
                    other => other.into(),
                })?;
            }
        }
        self.kept.push(Kept { id, before: kept.after.clone(), after: kept.before.clone() });
        Ok(())
    }

    /// Writes the publish down.
    pub(crate) async fn keep(
        &mut self,
        actor: Actor,
        summary: String,
        undo_of: Option<PublishId>,
    ) -> Result<mezu_store::Publish, Refused> {
        let lost = |_| Refused::new(Code::Internal, "the changes cannot be written down");
        let ops = serde_json::to_value(&self.kept).map_err(lost)?;
        let new = NewPublish { id: mezu_runtime::id::new(), actor, summary, ops, undo_of };
        Ok(self.change.create_publish(self.org, new).await?)
    }

    /// Puts each change into the audit log, as events like this one.
    pub(crate) async fn log(&mut self, like: &NewEvent) -> Result<(), Refused> {
        for kept in &self.kept {
            let action = match (&kept.before, &kept.after) {
                (None, _) => "route.create",
                (_, None) => "route.delete",
                _ => "route.update",
            };
            let (before, after) = (seen_if(kept.before.as_ref()), seen_if(kept.after.as_ref()));
            let event = NewEvent { action, object: kept.id.to_string(), before, after, ..like.clone() };
            self.change.log(&event).await?;
        }
        Ok(())
    }
}

/// The publishes of the org, the newest first.
pub(crate) async fn list(control: &Control, scope: &OrgScope, slice: &Slice) -> Answer<Page<Publish>> {
    let page = control.view().await?.publishes(scope.org(), slice).await?;
    let items = page.items.into_iter().map(show).collect::<Result<_, _>>()?;
    Ok(Reply::ok(Page { items, next: page.next }))
}

/// A publish.
pub(crate) async fn read(control: &Control, scope: &OrgScope, id: PublishId) -> Answer<Publish> {
    Ok(Reply::ok(show(control.view().await?.publish(scope.org(), id).await?)?))
}

/// Takes a publish back, all of it, if nothing of it has changed since.
pub(crate) async fn undo(control: &Control, scope: &OrgScope, id: PublishId) -> Answer<Publish> {
    let mut making = Making::begin(control, scope.org()).await?;
    let undone = making.change.publish(scope.org(), id).await?;
    if undone.undone_by.is_some() {
        return Err(Refused::new(Code::Conflict, "this publish was taken back already"));
    }
    let kept = kept(&undone)?;
    let mut changed = Vec::new();
    for one in kept.iter().rev() {
        let now = match state(&mut making.change, scope.org(), one.id).await {
            Ok(now) => Some(now),
            Err(refused) if refused.is(Code::NotFound) => None,
            Err(refused) => return Err(refused),
        };
        // Of several changes of one route the last decides.
        let is_last = kept.iter().rev().find(|other| other.id == one.id).is_some_and(|last| std::ptr::eq(last, one));
        if is_last && !is_same(now.as_ref(), one.after.as_ref()) {
            changed.push(named(one));
        }
    }
    if !changed.is_empty() {
        let more = changed.len().saturating_sub(NAMED);
        changed.truncate(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let detail = format!("changed since, and so not taken back: {}{more}", changed.join(", "));
        return Err(Refused::new(Code::Conflict, detail));
    }
    for one in kept.iter().rev() {
        making.take_back(one).await?;
    }
    let publish = making.keep(scope.actor(), format!("undo: {}", undone.summary), Some(id)).await?;
    let event = scope.event(publish.id);
    making.log(&event).await?;
    let publish = show(publish)?;
    let event = event.with(seen(&id), seen(&publish.summary));
    control.commit(making.change, scope, event, Reply::created(publish)).await
}

/// What a publish of these changes is called.
pub(crate) fn summary(kept: &[Kept]) -> String {
    match kept {
        [one] => {
            let verb = match (&one.before, &one.after) {
                (None, _) => "new route",
                (_, None) => "no more route",
                _ => "route",
            };
            format!("{verb} {}", place(one))
        }
        all => format!("{} routes", all.len()),
    }
}

/// The changes as they are shown.
pub(crate) fn changes(kept: &[Kept]) -> Vec<Changed> {
    let spec = |state: &Option<State>| state.as_ref().map(|state| state.route.clone());
    let changed = |one: &Kept| Changed { id: Some(one.id), before: spec(&one.before), after: spec(&one.after) };
    kept.iter().map(changed).collect()
}

pub(crate) fn show(one: mezu_store::Publish) -> Result<Publish, Refused> {
    Ok(Publish {
        changes: changes(&kept(&one)?),
        id: one.id,
        at: time(one.at),
        actor: one.actor.to_string(),
        summary: one.summary,
        undo_of: one.undo_of,
        undone_by: one.undone_by,
        generation: one.generation,
    })
}

/// One of put and delete must be there.
pub(crate) fn neither(at: &str) -> Refused {
    let at = at.trim_end_matches("/put").trim_end_matches("/delete");
    Refused::invalid(at, "exactly one of put and delete must be there")
}

fn kept(publish: &mezu_store::Publish) -> Result<Vec<Kept>, Refused> {
    let old = |_| Refused::new(Code::Conflict, "this publish was written by another version, which cannot be read");
    Vec::deserialize(&publish.ops).map_err(old)
}

async fn state(view: &mut View, org: OrgId, id: RouteId) -> Result<State, Refused> {
    let route = view.route(org, id).await?;
    let workload_id = route.workload;
    let name = view.workload(org, workload_id).await?.name;
    Ok(State { route: said(&route, name), workload_id })
}

/// Whether both say the same. What the workload was called then does not matter.
fn is_same(a: Option<&State>, b: Option<&State>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let route = RouteSpec { workload: b.route.workload.clone(), ..a.route.clone() };
            a.workload_id == b.workload_id && route == b.route
        }
        _ => false,
    }
}

fn place(one: &Kept) -> String {
    let state = one.after.as_ref().or(one.before.as_ref());
    state.map_or_else(|| one.id.to_string(), |State { route, .. }| format!("{}{}", route.host, route.path))
}

fn named(one: &Kept) -> String {
    format!("route {} ({})", place(one), one.id)
}

fn seen_if(state: Option<&State>) -> Option<serde_json::Value> {
    state.and_then(seen)
}

/// The refusal with its place, if it has none.
fn placed(mut refused: Refused, at: &str) -> Refused {
    if !at.is_empty() && refused.problem.pointer.is_none() {
        refused.problem.pointer = Some(at.to_string());
    }
    refused
}
