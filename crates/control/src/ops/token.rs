//! API tokens. A member sees and revokes its own, an admin all of the org.

use mezu_api::token::{NewToken, Token};
use mezu_api::{Code, Page};
use mezu_model::{MemberId, Role, TokenId};
use mezu_store::{Micros, Slice};

use super::{member, seen, time};
use crate::auth::{OrgScope, secret};
use crate::{Answer, Control, Refused, Reply};

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// How long a token lives unless told otherwise, in days.
const USUAL: i64 = 90;
/// How long it may live, in days.
const LONGEST: i64 = 366;
const NAME_MOST: usize = 100;
/// Characters of the end of a token that tell it from others.
const HINT: usize = 4;

/// The asker's tokens, or an admin's view of all.
pub(crate) async fn list(control: &Control, scope: &OrgScope, slice: &Slice) -> Answer<Page<Token>> {
    let whose = whose(scope)?;
    Ok(Reply::page(control.view().await?.tokens(scope.org(), whose, slice).await?, show))
}

/// Makes a token for the member who asks. A token makes no tokens: it would outlive its own end.
pub(crate) async fn create(control: &Control, scope: &OrgScope, new: NewToken) -> Answer<Token> {
    let (owner, _) = scope.session()?;
    member::within(scope, new.role)?;
    if new.name.trim().is_empty() || new.name.chars().count() > NAME_MOST {
        return Err(Refused::invalid("/name", format!("a name has 1 to {NAME_MOST} characters")));
    }
    let mut change = control.change().await?;
    let now = change.at();
    let expires_at = new.expires_at.map_or(now.0.saturating_add(USUAL * DAY_MICROS), |time| time.0);
    if expires_at <= now.0 || expires_at > now.0.saturating_add(LONGEST * DAY_MICROS) {
        return Err(Refused::invalid("/expires_at", format!("a token ends in the future, within {LONGEST} days")));
    }
    let secret = secret::TOKEN.make();
    let new = mezu_store::NewToken {
        id: mezu_runtime::id::new(),
        member: owner,
        name: new.name,
        role: new.role,
        hash: secret::hash(secret.as_bytes()),
        hint: secret.chars().skip(secret.len().saturating_sub(HINT)).collect(),
        expires_at: Some(Micros(expires_at)),
    };
    let bare = show(change.create_token(scope.org(), new).await?);
    let full = Token { secret: Some(secret), ..bare.clone() };
    let event = scope.event(bare.id).with(None, seen(&bare));
    control.commit(change, scope, event, Reply::created(full).once(&bare)).await
}

/// Takes a token's power away, at once.
pub(crate) async fn delete(control: &Control, scope: &OrgScope, id: TokenId) -> Answer<()> {
    let whose = whose(scope)?;
    let mut change = control.change().await?;
    let before = change.token(scope.org(), id).await?;
    if whose.is_some_and(|member| member != before.member) {
        return Err(Refused::not_found("token"));
    }
    let before = show(before);
    let after = show(change.revoke_token(scope.org(), id).await?);
    let event = scope.event(id).with(seen(&before), seen(&after));
    control.commit(change, scope, event, Reply::done()).await
}

/// Whose tokens the asker may touch; `None`: everybody's.
fn whose(scope: &OrgScope) -> Result<Option<MemberId>, Refused> {
    if scope.role() >= Role::Admin {
        return Ok(None);
    }
    let nobody = || Refused::new(Code::Forbidden, "only members have tokens");
    scope.member().map(Some).ok_or_else(nobody)
}

fn show(one: mezu_store::Token) -> Token {
    Token {
        id: one.id,
        name: one.name,
        member: one.member,
        role: one.role,
        hint: one.hint,
        created_at: time(one.created_at),
        expires_at: one.expires_at.map(time),
        used_at: one.used_at.map(time),
        revoked_at: one.revoked_at.map(time),
        secret: None,
    }
}
