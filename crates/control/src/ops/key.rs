//! Keys of service accounts. The secret half is made by whoever asks; only if they do not, it is made here, and told once.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use mezu_api::key::{Key, NewKey};
use mezu_api::{Code, Page, Time};
use mezu_model::{AccountId, KeyId, Label, PublicKey, Seed};
use mezu_store::{AccountSpec, Change, KeySpec, Micros, Slice};
use serde_json::json;

use super::{seen, time};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, Reply};

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// How long a key lives unless told otherwise, in days.
const USUAL: i64 = 90;

/// The keys of the org, or of one account; revoked ones too.
pub(crate) async fn list(
    control: &Control,
    scope: &OrgScope,
    account: Option<AccountId>,
    slice: &Slice,
) -> Answer<Page<Key>> {
    Ok(Reply::page(control.view().await?.keys(scope.org(), account, slice).await?, show))
}

/// A key.
pub(crate) async fn read(control: &Control, scope: &OrgScope, id: KeyId) -> Answer<Key> {
    Ok(Reply::ok(show(control.view().await?.key(scope.org(), id).await?)))
}

/// Gives a service account a key.
pub(crate) async fn create(control: &Control, scope: &OrgScope, new: NewKey) -> Answer<Key> {
    let expires_at = end(new.expires_at, new.never_expires, control.now())?;
    let (public, secret) = match &new.public_key {
        Some(hex) => {
            let odd = || Refused::invalid("/public_key", "a public key has 64 hex digits");
            (PublicKey::from_hex(hex).ok_or_else(odd)?, None)
        }
        None => made()?,
    };
    let mut change = control.change().await?;
    let account = match new.account {
        Some(account) => account,
        None => account_named(&mut change, scope, &new.name).await?,
    };
    let spec = KeySpec { id: mezu_runtime::id::new(), name: new.name, public, expires_at };
    let bare = show(change.create_key(scope.org(), account, spec).await?);
    let full = Key { secret, ..bare.clone() };
    let event = scope.event(bare.id).with(None, seen(&bare));
    control.commit(change, scope, event, Reply::created(full).once(&bare)).await
}

/// Takes a key's power away. Its tunnels are cut once the edge has heard of it.
pub(crate) async fn revoke(control: &Control, scope: &OrgScope, id: KeyId) -> Answer<()> {
    let mut change = control.change().await?;
    let before = show(change.key(scope.org(), id).await?);
    let after = show(change.revoke_key(scope.org(), id).await?);
    let event = scope.event(id).with(seen(&before), seen(&after));
    control.commit(change, scope, event, Reply::done()).await
}

/// The account of that name, made if there is none.
async fn account_named(change: &mut Change, scope: &OrgScope, name: &Label) -> Result<AccountId, Refused> {
    if let Some(account) = change.account_by_name(scope.org(), name).await? {
        return Ok(account.id);
    }
    let spec = AccountSpec { name: name.clone(), workloads: None, cidrs: None };
    let account = change.create_account(scope.org(), mezu_runtime::id::new(), &spec).await?.id;
    let mut event = scope.event(account).with(None, Some(json!({ "name": name })));
    event.action = "account.create";
    change.log(&event).await?;
    Ok(account)
}

/// When a key ends that is made now.
pub(super) fn end(expires_at: Option<Time>, never_expires: bool, now: Micros) -> Result<Option<Micros>, Refused> {
    match (expires_at, never_expires) {
        (Some(_), true) => Err(Refused::invalid("/never_expires", "a key that never expires has no expires_at")),
        (None, true) => Ok(None),
        (None, false) => Ok(Some(Micros(now.0.saturating_add(USUAL * DAY_MICROS)))),
        (Some(end), false) if end.0 <= now.0 => Err(Refused::invalid("/expires_at", "a key ends in the future")),
        (Some(end), false) => Ok(Some(Micros(end.0))),
    }
}

/// A new key: its public half and its text.
fn made() -> Result<(PublicKey, Option<String>), Refused> {
    let failed = || Refused::new(Code::Internal, "no key could be made");
    let mut bytes = [0; 32];
    mezu_runtime::random::fill(&mut bytes);
    let seed = Seed::from_bytes(bytes);
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| failed())?;
    let public = pair.public_key().as_ref().try_into().map_err(|_| failed())?;
    Ok((PublicKey(public), Some(seed.to_text())))
}

pub(super) fn show(one: mezu_store::Key) -> Key {
    Key {
        id: one.id,
        name: one.name,
        account: one.account,
        created_at: time(one.created_at),
        expires_at: one.expires_at.map(time),
        used_at: one.used_at.map(time),
        revoked_at: one.revoked_at.map(time),
        secret: None,
    }
}
