//! Sessions: signing in and out.

use mezu_api::Page;
use mezu_api::paths::COOKIE;
use mezu_api::session::{Session, SignIn, SignedIn};
use mezu_store::{Actor, Member};

use super::time;
use crate::auth::sign_in::{self, Begun};
use crate::auth::{Caller, secret};
use crate::{Answer, Control, Refused, Reply};

/// Signs a member in. `old` is the session that the browser still had: it ends.
pub(crate) async fn create(
    control: &Control,
    caller: &Caller,
    asked: SignIn,
    agent: &str,
    old: Option<[u8; 32]>,
) -> Answer<SignedIn> {
    let SignIn { email, password, code } = asked;
    let proven = sign_in::prove(control, caller.source(), &email, &password, code.as_deref()).await;
    let proof = proven.map_err(|refused| refused.about(&email))?;
    let mut change = control.change().await?;
    proof.spend(&mut change, caller).await.map_err(|refused| refused.about(&email))?;
    if let Some(old) = old {
        change.end_session(&old).await?;
    }
    let begun = sign_in::begin(&mut change, proof.member, caller.source(), agent).await?;
    let member = change.member(proof.member).await?;
    let event = caller.event(member.id).by(Actor::Member(member.id));
    control.commit(change, caller, event, signed_in(member, begun)).await
}

/// The answer to who has come in.
pub(crate) fn signed_in(member: Member, begun: Begun) -> Reply<SignedIn> {
    let Begun { secret, expires_at } = begun;
    let cookie = format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let body = SignedIn { member: member.id, email: member.email, name: member.name, expires_at: time(expires_at) };
    Reply::created(body).cookie(cookie)
}

/// The asker's sessions.
pub(crate) async fn list(control: &Control, caller: &Caller) -> Answer<Page<Session>> {
    let (member, this) = caller.session()?;
    let sessions = control.view().await?.sessions(member, control.now()).await?;
    let items = sessions.into_iter().map(|one| Session {
        id: name(&one.hash),
        is_this: one.hash == this,
        created_at: time(one.created_at),
        seen_at: time(one.seen_at),
        expires_at: time(one.expires_at),
        source: one.source,
        agent: one.agent,
    });
    Ok(Reply::ok(Page { items: items.collect(), next: None }))
}

/// Signs out.
pub(crate) async fn delete(control: &Control, caller: &Caller) -> Answer<()> {
    let (_, this) = caller.session()?;
    let mut change = control.change().await?;
    change.end_session(&this).await?;
    let event = caller.event(name(&this));
    control.commit(change, caller, event, Reply::done().cookie(gone())).await
}

/// Ends one of the asker's sessions.
pub(crate) async fn delete_one(control: &Control, caller: &Caller, id: &str) -> Answer<()> {
    let (member, _) = caller.session()?;
    let mut change = control.change().await?;
    let all = change.sessions(member, control.now()).await?;
    let one = all.iter().find(|one| name(&one.hash) == id).ok_or_else(|| Refused::not_found("session"))?;
    change.end_session(&one.hash).await?;
    control.commit(change, caller, caller.event(id), Reply::done()).await
}

/// Signs the asker out everywhere, here too.
pub(crate) async fn delete_all(control: &Control, caller: &Caller) -> Answer<()> {
    let (member, _) = caller.session()?;
    let mut change = control.change().await?;
    change.end_sessions(member, None).await?;
    control.commit(change, caller, caller.event(member), Reply::done().cookie(gone())).await
}

/// What a session is called. From it nobody finds the secret, nor the whole of its hash.
fn name(hash: &[u8; 32]) -> String {
    let mut name = secret::hex(hash);
    name.truncate(32);
    name
}

fn gone() -> String {
    format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}
