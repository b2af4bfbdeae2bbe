//! Invitations: for one address, with a role fixed when it was made, for 72 hours, once.

use std::time::Instant;

use mezu_api::invitation::{Accept, Invitation, Invited, Look, NewInvitation};
use mezu_api::session::SignedIn;
use mezu_api::{Code, Page};
use mezu_model::{InvitationId, MemberId, Role};
use mezu_store::{Actor, Change, Micros, NewMember, Slice, StoreError};

use super::session::signed_in;
use super::{member, seen, time};
use crate::auth::sign_in::{self, network};
use crate::auth::{Caller, OrgScope, secret};
use crate::{Answer, Control, Refused, Reply};

/// 72 hours.
const LIFE_MICROS: i64 = 72 * 60 * 60 * 1_000_000;

/// The org's invitations.
pub(crate) async fn list(control: &Control, scope: &OrgScope, slice: &Slice) -> Answer<Page<Invitation>> {
    Ok(Reply::page(control.view().await?.invitations(scope.org(), slice).await?, show))
}

/// Invites a person. The secret is for the inviter to hand on.
pub(crate) async fn create(control: &Control, scope: &OrgScope, new: NewInvitation) -> Answer<Invitation> {
    member::within(scope, new.role)?;
    let secret = secret::INVITATION.make();
    let mut change = control.change().await?;
    let new = mezu_store::NewInvitation {
        id: mezu_runtime::id::new(),
        email: new.email,
        role: new.role,
        hash: secret::hash(secret.as_bytes()),
        invited_by: scope.member(),
        expires_at: Micros(change.at().0.saturating_add(LIFE_MICROS)),
    };
    let bare = show(change.create_invitation(scope.org(), new).await?);
    let full = Invitation { secret: Some(secret), ..bare.clone() };
    let event = scope.event(bare.id).with(None, seen(&bare));
    control.commit(change, scope, event, Reply::created(full).once(&bare)).await
}

/// Takes an invitation back.
pub(crate) async fn delete(control: &Control, scope: &OrgScope, id: InvitationId) -> Answer<()> {
    let mut change = control.change().await?;
    let before = show(change.invitation(scope.org(), id).await?);
    change.revoke_invitation(scope.org(), id).await?;
    let event = scope.event(id).with(seen(&before), None);
    control.commit(change, scope, event, Reply::done()).await
}

/// What an invitation is for. Looking does not use it: programs that scan mail look, too.
pub(crate) async fn look(control: &Control, caller: &Caller, asked: Look) -> Answer<Invited> {
    let from = network(caller.source());
    control.doors().network.take(&from, Instant::now()).map_err(Refused::wait)?;
    let hash = secret::INVITATION.hash(&asked.secret).ok_or_else(over)?;
    let mut view = control.view().await?;
    let open = view.open_invitation(&hash, control.now()).await?.ok_or_else(over)?;
    control.doors().network.give_back(&from);
    let org = view.org(open.org).await?.name;
    let has_account = view.member_by_email(&open.email).await?.is_some();
    let expires_at = time(open.expires_at);
    Ok(Reply::ok(Invited { org, email: open.email, role: open.role, expires_at, has_account }))
}

/// Takes the invited person into the org: who has an account proves it, who has none makes one.
pub(crate) async fn accept(control: &Control, caller: &Caller, asked: Accept, agent: &str) -> Answer<SignedIn> {
    let Accept { secret, password, code, name } = asked;
    let from = network(caller.source());
    control.doors().network.take(&from, Instant::now()).map_err(Refused::wait)?;
    let hash = secret::INVITATION.hash(&secret).ok_or_else(over)?;
    let mut view = control.view().await?;
    let open = view.open_invitation(&hash, control.now()).await?.ok_or_else(over)?;
    let known = view.member_by_email(&open.email).await?;
    drop(view);
    control.doors().network.give_back(&from);
    let mut change;
    let id = match known {
        Some(_) => {
            let proof = sign_in::prove(control, caller.source(), &open.email, &password, code.as_deref()).await?;
            change = control.change().await?;
            proof.spend(&mut change, caller).await?;
            proof.member
        }
        None => {
            let name = name.filter(|name| !name.trim().is_empty());
            let name = name.ok_or_else(|| Refused::invalid("/name", "a new account needs a name"))?;
            let near = [open.email.as_str(), name.as_str()];
            let hash = control.doors().passwords.make(&password, &near, "/password").await?;
            change = control.change().await?;
            let id = mezu_runtime::id::new();
            change.create_member(NewMember { id, email: open.email, name, password: Some(hash) }).await?.id
        }
    };
    join(&mut change, &hash, id).await?;
    let begun = sign_in::begin(&mut change, id, caller.source(), agent).await?;
    let member = change.member(id).await?;
    let event = caller.event(open.id).by(Actor::Member(id)).of(open.org);
    control.commit(change, caller, event, signed_in(member, begun)).await
}

async fn join(change: &mut Change, hash: &[u8; 32], id: MemberId) -> Result<(), Refused> {
    let used = change.use_invitation(hash).await?;
    if let Some(inviter) = used.invited_by {
        let seat = match change.membership(used.org, inviter).await {
            Ok(seat) => Some(seat).filter(|seat| seat.member.disabled_at.is_none()),
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if !seat.is_some_and(|seat| seat.role >= Role::Admin && seat.role >= used.role) {
            return Err(Refused::new(Code::Conflict, "whoever invited you may not do so any more; ask for another"));
        }
    }
    change.add_membership(used.org, id, used.role).await?;
    // The first member may come by the operator's invitation: the first run is over then, too.
    change.close_setup().await?;
    Ok(())
}

fn over() -> Refused {
    Refused::not_found("invitation: it was used or taken back, or is older than 72 hours")
}

fn show(one: mezu_store::Invitation) -> Invitation {
    Invitation {
        id: one.id,
        email: one.email,
        role: one.role,
        invited_by: one.invited_by,
        created_at: time(one.created_at),
        expires_at: time(one.expires_at),
        used_at: one.used_at.map(time),
        secret: None,
    }
}
