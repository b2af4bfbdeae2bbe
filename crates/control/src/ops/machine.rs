//! Machines that ask to be let in: seen, let in or refused by who knows the code. See [`crate::Machines`].

use std::net::IpAddr;
use std::time::Instant;

use mezu_api::Code;
use mezu_api::account::AccountSpec;
use mezu_api::key::Key;
use mezu_api::machine::{Approval, Claims, Machine};
use mezu_model::{KeyId, MachineCode, OrgId};
use mezu_store::{Account, Actor, Change, KeySpec, NewEvent};
use serde_json::json;

use super::{account, key, seen, time};
use crate::auth::OrgScope;
use crate::machines::{Grant, Missed, Shown, Taken, Verdict};
use crate::{Answer, Control, Refused, Reply};

/// The machine with that code.
pub(crate) async fn read(control: &Control, scope: &OrgScope, code: MachineCode) -> Answer<Machine> {
    let asker = scope.actor().to_string();
    let found = control.machines().look(&asker, &scope.entry().name, code, Instant::now());
    found.map(|shown| Reply::ok(show(shown))).map_err(missed)
}

/// Lets a machine in: its key is good from now on.
pub(crate) async fn approve(control: &Control, scope: &OrgScope, code: MachineCode, approval: Approval) -> Answer<Key> {
    let expires_at = key::end(approval.expires_at, approval.never_expires, control.now())?;
    let taken = take(control, scope, code)?;
    let claim = &taken.shown.claim;
    if approval.fingerprint != claim.key.fingerprint() {
        return Err(Refused::new(Code::Conflict, "the machine's key has another fingerprint; look at it again"));
    }
    let mut change = control.change().await?;
    let account = account_of(&mut change, scope, &approval).await?;
    let spec = KeySpec { id: mezu_runtime::id::new(), name: approval.name, public: claim.key, expires_at };
    let made = key::show(change.create_key(scope.org(), account.id, spec).await?);
    let after = json!({ "key": seen(&made), "machine": seen(&show(taken.shown.clone())) });
    let event = scope.event(made.id).with(None, Some(after));
    let reply = control.commit(change, scope, event, Reply::created(made)).await?;
    let grant = Grant { org: scope.entry().name.clone(), account: account.spec.name, expires_at };
    taken.decide(Verdict::LetIn(grant));
    Ok(reply)
}

/// Turns a machine away.
pub(crate) async fn refuse(control: &Control, scope: &OrgScope, code: MachineCode) -> Answer<()> {
    let taken = take(control, scope, code)?;
    let event = scope.event(code).with(seen(&show(taken.shown.clone())), None);
    let change = control.change().await?;
    let reply = control.commit(change, scope, event, Reply::done()).await?;
    taken.decide(Verdict::Refused);
    Ok(reply)
}

/// Revokes a key at the word of the machine that holds it; `source` is where it is. Its tunnels are cut.
///
/// # Errors
/// When the store does not do it.
pub async fn give_up(control: &Control, org: OrgId, id: KeyId, source: IpAddr) -> Result<(), Refused> {
    let mut change = control.change().await?;
    let before = key::show(change.key(org, id).await?);
    let after = key::show(change.revoke_key(org, id).await?);
    let event = NewEvent { source: source.to_string(), ..NewEvent::done("key.give_up", id) }
        .of(org)
        .by(Actor::Key(id))
        .with(seen(&before), seen(&after));
    let committed = change.commit(event).await?;
    control.publish(&[committed]).await;
    Ok(())
}

fn take(control: &Control, scope: &OrgScope, code: MachineCode) -> Result<Taken, Refused> {
    let asker = scope.actor().to_string();
    control.machines().take(&asker, &scope.entry().name, code, Instant::now()).map_err(missed)
}

/// The service account that the key is for. One that is there keeps its own scope.
async fn account_of(change: &mut Change, scope: &OrgScope, approval: &Approval) -> Result<Account, Refused> {
    let known = match approval.account {
        Some(id) => Some(change.account(scope.org(), id).await?),
        None => change.account_by_name(scope.org(), &approval.name).await?,
    };
    let Approval { workloads, cidrs, .. } = approval.clone();
    if let Some(account) = known {
        let list = if workloads.is_some() { "/workloads" } else { "/cidrs" };
        if workloads.is_some() || cidrs.is_some() {
            let detail = format!("the service account {} is there and has a scope of its own", account.spec.name);
            return Err(Refused::invalid(list, detail));
        }
        return Ok(account);
    }
    let spec = account::checked(AccountSpec { name: approval.name.clone(), workloads, cidrs })?;
    let made = change.create_account(scope.org(), mezu_runtime::id::new(), &spec).await?;
    let mut event = scope.event(made.id).with(None, seen(&account::show(made.clone())));
    event.action = "account.create";
    change.log(&event).await?;
    Ok(made)
}

fn missed(missed: Missed) -> Refused {
    match missed {
        Missed::None => {
            let detail =
                "no machine waits with this code: it was mistyped, used, taken back or is older than ten minutes";
            Refused::new(Code::NotFound, detail)
        }
        Missed::Taken => Refused::new(Code::Conflict, "somebody else decides about this machine just now"),
        Missed::Wait(wait) => Refused::wait(wait),
    }
}

fn show(shown: Shown) -> Machine {
    let Shown { code, claim, asked_at, expires_at } = shown;
    Machine {
        code,
        fingerprint: claim.key.fingerprint(),
        address: claim.address.to_string(),
        claims: Claims { host: claim.host, user: claim.user, program: claim.agent },
        asked_at: time(asked_at),
        expires_at: time(expires_at),
    }
}
