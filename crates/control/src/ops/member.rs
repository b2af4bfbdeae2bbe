//! Members of an org and their roles. Nobody gives or takes what is above the own role.

use mezu_api::member::{Member, MemberPatch, Reset};
use mezu_api::{Code, Page};
use mezu_model::{MemberId, Role};
use mezu_store::{Membership, Slice};

use super::{seen, time};
use crate::auth::{Caller, OrgScope, secret};
use crate::{Answer, Control, Refused, Reply};

/// The members of the org.
pub(crate) async fn list(control: &Control, scope: &OrgScope, slice: &Slice) -> Answer<Page<Member>> {
    Ok(Reply::page(control.view().await?.members(scope.org(), slice).await?, show))
}

/// A member of the org.
pub(crate) async fn read(control: &Control, scope: &OrgScope, id: MemberId) -> Answer<Member> {
    let member = show(control.view().await?.membership(scope.org(), id).await?);
    let version = member.version;
    Ok(Reply::ok(member).version(version))
}

/// Gives a member another role, at once for sessions and tokens too.
pub(crate) async fn update(
    control: &Control,
    scope: &OrgScope,
    id: MemberId,
    patch: MemberPatch,
    expected: Option<i64>,
) -> Answer<Member> {
    let mut change = control.change().await?;
    let before = show(change.membership(scope.org(), id).await?);
    within(scope, before.role.max(patch.role))?;
    let after = show(change.set_role(scope.org(), id, patch.role, expected).await?);
    let event = scope.event(id).with(seen(&before), seen(&after));
    let version = after.version;
    control.commit(change, scope, event, Reply::ok(after).version(version)).await
}

/// Takes a member out of the org, with the member's tokens for it.
pub(crate) async fn delete(control: &Control, scope: &OrgScope, id: MemberId, expected: Option<i64>) -> Answer<()> {
    let mut change = control.change().await?;
    let before = show(change.membership(scope.org(), id).await?);
    within(scope, before.role)?;
    change.remove_membership(scope.org(), id, expected).await?;
    let event = scope.event(id).with(seen(&before), None);
    control.commit(change, scope, event, Reply::done()).await
}

/// Takes the asker out of the org, with the asker's tokens for it.
pub(crate) async fn leave(control: &Control, scope: &OrgScope) -> Answer<()> {
    let (member, _) = scope.session()?;
    let mut change = control.change().await?;
    let before = show(change.membership(scope.org(), member).await?);
    change.remove_membership(scope.org(), member, None).await?;
    let event = scope.event(member).with(seen(&before), None);
    control.commit(change, scope, event, Reply::done()).await
}

/// Keeps a member from signing in and ends its sessions and tokens' power, in every org.
pub(crate) async fn disable(control: &Control, caller: &Caller, id: MemberId) -> Answer<()> {
    let mut change = control.change().await?;
    change.disable_member(id).await?;
    control.commit(change, caller, caller.event(id), Reply::done()).await
}

/// Lets a member sign in again.
pub(crate) async fn enable(control: &Control, caller: &Caller, id: MemberId) -> Answer<()> {
    let mut change = control.change().await?;
    change.enable_member(id).await?;
    control.commit(change, caller, caller.event(id), Reply::done()).await
}

/// Gives a member a new password, and takes the second factor and all sessions away: for who has lost them.
pub(crate) async fn reset(control: &Control, caller: &Caller, id: MemberId) -> Answer<Reset> {
    control.view().await?.member(id).await?;
    let password = secret::PASSWORD.make();
    let hash = control.doors().passwords.make(&password, &[], "").await?;
    let mut change = control.change().await?;
    change.set_password(id, Some(hash)).await?;
    change.set_totp(id, None).await?;
    change.end_sessions(id, None).await?;
    let reply = Reply::ok(Reset { member: id, password: Some(password) }).once(&Reset { member: id, password: None });
    control.commit(change, caller, caller.event(id), reply).await
}

/// Keeps people from giving or taking roles above their own.
pub(crate) fn within(scope: &OrgScope, role: Role) -> Result<(), Refused> {
    if role <= scope.role() {
        return Ok(());
    }
    let detail = format!("this concerns the role {role}, and yours is {}", scope.role());
    Err(Refused::new(Code::Forbidden, detail))
}

fn show(one: Membership) -> Member {
    Member {
        id: one.member.id,
        email: one.member.email,
        name: one.member.name,
        role: one.role,
        has_second_factor: one.member.has_totp,
        is_disabled: one.member.disabled_at.is_some(),
        since: time(one.since),
        version: one.version,
    }
}
