//! Orgs.

use mezu_api::org::{NewOrg, Org, OrgPatch};
use mezu_model::Role;
use mezu_store::Slice;

use super::{seen, time};
use crate::auth::{Caller, OrgScope};
use crate::{Answer, Control, Reply};

/// The orgs that the asker can see: the operator all, a member those it belongs to, a token its own.
pub(crate) async fn list(control: &Control, caller: &Caller, slice: &Slice) -> Answer<mezu_api::Page<Org>> {
    let mut view = control.view().await?;
    if let Some((org, role)) = caller.token_org() {
        let org = view.org(org).await?;
        return Ok(Reply::page(mezu_store::Page { items: vec![org], next: None }, |org| show(org, role)));
    }
    match caller.member() {
        Some(member) => Ok(Reply::page(view.orgs_of(member, slice).await?, |(org, role)| show(org, role))),
        None => Ok(Reply::page(view.orgs(slice).await?, |org| show(org, Role::Owner))),
    }
}

/// The org.
pub(crate) async fn read(scope: &OrgScope) -> Answer<Org> {
    let org = scope.entry().clone();
    let version = org.version;
    Ok(Reply::ok(show(org, scope.role())).version(version))
}

/// Makes an org. It has no owner yet: the operator invites one.
pub(crate) async fn create(control: &Control, caller: &Caller, new: NewOrg) -> Answer<Org> {
    let mut change = control.change().await?;
    let org = show(change.create_org(mezu_runtime::id::new(), &new.name).await?, Role::Owner);
    let event = caller.event(org.id).of(org.id).with(None, seen(&org));
    let version = org.version;
    control.commit(change, caller, event, Reply::created(org).version(version)).await
}

/// Gives the org another name.
pub(crate) async fn update(control: &Control, scope: &OrgScope, patch: OrgPatch, expected: Option<i64>) -> Answer<Org> {
    let mut change = control.change().await?;
    let before = show(change.org(scope.org()).await?, scope.role());
    let after = show(change.rename_org(scope.org(), &patch.name, expected).await?, scope.role());
    let event = scope.event(after.id).with(seen(&before), seen(&after));
    let version = after.version;
    control.commit(change, scope, event, Reply::ok(after).version(version)).await
}

/// Deletes an org in which nothing is served any more.
pub(crate) async fn delete(control: &Control, scope: &OrgScope, expected: Option<i64>) -> Answer<()> {
    let mut change = control.change().await?;
    let before = show(change.org(scope.org()).await?, scope.role());
    change.delete_org(scope.org(), expected).await?;
    let event = scope.event(before.id).with(seen(&before), None);
    control.commit(change, scope, event, Reply::done()).await
}

fn show(org: mezu_store::Org, role: Role) -> Org {
    Org { id: org.id, name: org.name, role, created_at: time(org.created_at), version: org.version }
}
