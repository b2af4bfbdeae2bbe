//! Drafts: changes of routes that are written down, looked at, and made together: when told to, or at a time set.

use mezu_api::draft::{Diff, Draft, DraftSpec, RouteOp};
use mezu_api::publish::Publish;
use mezu_api::{Code, Page, Permission};
use mezu_model::{DraftId, OrgId};
use mezu_store::{Actor, Committed, Micros, NewEvent, Outcome, Slice, StoreError, View};
use serde::Deserialize as _;
use serde_json::json;

use super::publish::{self, Making};
use super::{route, seen, time};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, Reply};

const NAME_MOST: usize = 100;
/// Changes that a draft may hold.
const OPS_MOST: usize = 2_000;

/// The drafts of the org.
pub(crate) async fn list(control: &Control, scope: &OrgScope, slice: &Slice) -> Answer<Page<Draft>> {
    let page = control.view().await?.drafts(scope.org(), slice).await?;
    let items = page.items.into_iter().map(show).collect::<Result<_, _>>()?;
    Ok(Reply::ok(Page { items, next: page.next }))
}

/// A draft.
pub(crate) async fn read(control: &Control, scope: &OrgScope, id: DraftId) -> Answer<Draft> {
    let draft = show(control.view().await?.draft(scope.org(), id).await?)?;
    let version = draft.version;
    Ok(Reply::ok(draft).version(version))
}

/// Writes a draft down.
pub(crate) async fn create(control: &Control, scope: &OrgScope, spec: DraftSpec) -> Answer<Draft> {
    let mut change = control.change().await?;
    let spec = checked(&mut change, scope.org(), spec).await?;
    let draft = show(change.create_draft(scope.org(), mezu_runtime::id::new(), &spec, scope.actor()).await?)?;
    let event = scope.event(draft.id).with(None, seen(&draft));
    let version = draft.version;
    control.commit(change, scope, event, Reply::created(draft).version(version)).await
}

/// Makes a draft say something else.
pub(crate) async fn update(
    control: &Control,
    scope: &OrgScope,
    id: DraftId,
    spec: DraftSpec,
    expected: Option<i64>,
) -> Answer<Draft> {
    let mut change = control.change().await?;
    let before = show(change.draft(scope.org(), id).await?)?;
    let spec = checked(&mut change, scope.org(), spec).await?;
    let after = show(change.update_draft(scope.org(), id, &spec, expected).await?)?;
    let event = scope.event(id).with(seen(&before), seen(&after));
    let version = after.version;
    control.commit(change, scope, event, Reply::ok(after).version(version)).await
}

/// Throws a draft away.
pub(crate) async fn delete(control: &Control, scope: &OrgScope, id: DraftId, expected: Option<i64>) -> Answer<()> {
    let mut change = control.change().await?;
    let before = show(change.draft(scope.org(), id).await?)?;
    change.delete_draft(scope.org(), id, expected).await?;
    let event = scope.event(id).with(seen(&before), None);
    control.commit(change, scope, event, Reply::done()).await
}

/// What publishing the draft would change as things are: it is done, looked at, and not kept.
pub(crate) async fn diff(control: &Control, scope: &OrgScope, id: DraftId) -> Answer<Diff> {
    let mut making = Making::begin(control, scope.org()).await?;
    let draft = show(making.change.draft(scope.org(), id).await?)?;
    making.make_all(control, &draft.ops).await?;
    let mut changes = publish::changes(&making.kept);
    for (op, changed) in draft.ops.iter().zip(&mut changes) {
        // The id of a route that is made for show alone leads nowhere.
        if op.put.as_ref().is_some_and(|put| put.id.is_none()) {
            changed.id = None;
        }
    }
    Ok(Reply::ok(Diff { changes }))
}

/// Makes the draft's changes, all or none. The draft is gone then.
pub(crate) async fn publish(
    control: &Control,
    scope: &OrgScope,
    id: DraftId,
    expected: Option<i64>,
) -> Answer<Publish> {
    let mut making = Making::begin(control, scope.org()).await?;
    let draft = making.change.draft(scope.org(), id).await?;
    making.change.delete_draft(scope.org(), id, expected).await?;
    let draft = show(draft)?;
    making.make_all(control, &draft.ops).await?;
    let publish = making.keep(scope.actor(), draft.name, None).await?;
    let event = scope.event(publish.id);
    making.log(&event).await?;
    let event = event.with(seen(&id), seen(&publish.summary));
    let publish = publish::show(publish)?;
    control.commit(making.change, scope, event, Reply::created(publish)).await
}

/// Publishes the drafts whose time has come. One that cannot be published keeps its changes and loses its time, and the
/// audit log says why. Says how many were published.
///
/// # Errors
/// When the store does not answer; the next call does what this one has not.
pub async fn publish_due(control: &Control) -> Result<usize, Refused> {
    let due = control.view().await?.due_drafts(control.now()).await?;
    let mut published = Vec::new();
    for draft in due {
        let (org, id) = (draft.org, draft.id);
        match publish_one(control, org, id).await {
            Ok(committed) => published.extend(committed),
            Err(refused)
                if [Code::Busy, Code::StoreUnavailable, Code::Internal].iter().any(|code| refused.is(*code)) =>
            {
                return Err(refused);
            }
            Err(refused) => give_up(control, org, id, &refused).await?,
        }
    }
    if !published.is_empty() {
        control.publish(&published).await;
    }
    Ok(published.len())
}

async fn publish_one(control: &Control, org: OrgId, id: DraftId) -> Result<Option<Committed>, Refused> {
    let mut making = Making::begin(control, org).await?;
    let Some(draft) = still_due(&mut making.change, control.now(), org, id).await? else { return Ok(None) };
    let author = draft.created_by;
    may_publish(&mut making.change, org, author).await?;
    making.change.delete_draft(org, id, None).await?;
    let draft = show(draft)?;
    making.make_all(control, &draft.ops).await?;
    let publish = making.keep(author, draft.name, None).await?;
    let event = due_event(org, publish.id);
    making.log(&event).await?;
    let event = event.with(seen(&id), seen(&publish.summary));
    Ok(Some(making.change.commit(event).await?))
}

/// The draft, if nobody was faster.
async fn still_due(
    view: &mut View,
    now: Micros,
    org: OrgId,
    id: DraftId,
) -> Result<Option<mezu_store::Draft>, Refused> {
    match view.draft(org, id).await {
        Ok(draft) => Ok(Some(draft).filter(|draft| draft.spec.publish_at.is_some_and(|at| at <= now))),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the author may still publish: what was allowed when it was written down need not be now.
async fn may_publish(view: &mut View, org: OrgId, author: Actor) -> Result<(), Refused> {
    let (Actor::Member(member) | Actor::Token(_, member)) = author else { return Ok(()) };
    let no = || Refused::new(Code::Forbidden, "whoever has scheduled this may not publish any more");
    match view.membership(org, member).await {
        Ok(seat) if Permission::PublishWrite.is_given_to(seat.role) && seat.member.disabled_at.is_none() => Ok(()),
        Ok(_) | Err(StoreError::NotFound { .. }) => Err(no()),
        Err(error) => Err(error.into()),
    }
}

async fn give_up(control: &Control, org: OrgId, id: DraftId, why: &Refused) -> Result<(), Refused> {
    let mut change = control.change().await?;
    let Some(mut draft) = still_due(&mut change, control.now(), org, id).await? else { return Ok(()) };
    draft.spec.publish_at = None;
    change.update_draft(org, id, &draft.spec, None).await?;
    let problem = &why.problem;
    let after = json!({ "code": problem.code, "detail": problem.detail, "pointer": problem.pointer });
    let event = NewEvent { outcome: Outcome::Refused, ..due_event(org, id) }.with(None, Some(after));
    change.commit(event).await?;
    tracing::warn!(draft = %id, why = problem.detail, "a scheduled draft could not be published");
    Ok(())
}

fn due_event(org: OrgId, object: impl std::fmt::Display) -> NewEvent {
    NewEvent { source: "schedule".into(), ..NewEvent::done("draft.publish", object).of(org).by(Actor::System) }
}

/// A spec whose changes can be made, as far as that can be told of each alone.
async fn checked(view: &mut View, org: OrgId, spec: DraftSpec) -> Result<mezu_store::DraftSpec, Refused> {
    let DraftSpec { name, ops, publish_at } = spec;
    if name.trim().is_empty() || name.chars().count() > NAME_MOST {
        return Err(Refused::invalid("/name", format!("a name has 1 to {NAME_MOST} characters")));
    }
    if ops.len() > OPS_MOST {
        return Err(Refused::invalid("/ops", format!("a draft holds at most {OPS_MOST} changes")));
    }
    for (n, op) in ops.iter().enumerate() {
        if op.put.is_some() == op.delete.is_some() {
            return Err(publish::neither(&format!("/ops/{n}")));
        }
        if let Some(put) = &op.put {
            route::resolve(view, org, &put.route, None, &format!("/ops/{n}/put/route")).await?;
        }
    }
    let lost = |_| Refused::new(Code::Internal, "the changes cannot be written down");
    let ops = serde_json::to_value(ops).map_err(lost)?;
    Ok(mezu_store::DraftSpec { name, ops, publish_at: publish_at.map(|time| Micros(time.0)) })
}

pub(crate) fn show(draft: mezu_store::Draft) -> Result<Draft, Refused> {
    let old = |_| Refused::new(Code::Conflict, "this draft was written by another version; write it anew");
    Ok(Draft {
        id: draft.id,
        name: draft.spec.name,
        ops: Vec::<RouteOp>::deserialize(draft.spec.ops).map_err(old)?,
        publish_at: draft.spec.publish_at.map(time),
        created_by: draft.created_by.to_string(),
        created_at: time(draft.created_at),
        version: draft.version,
    })
}
