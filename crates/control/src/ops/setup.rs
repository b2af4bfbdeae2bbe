//! The first run. Its token is shown on the machine itself, while there is no member; it makes the first owner, once.

use std::time::Instant;

use mezu_api::Code;
use mezu_api::session::SignedIn;
use mezu_api::setup::{Setup, SetupState};
use mezu_model::{Label, OrgId, Role};
use mezu_store::{Actor, Change, Micros, NewEvent, NewMember, Slice, Store, StoreError};

use super::session::signed_in;
use crate::auth::sign_in::{self, network};
use crate::auth::{Caller, secret};
use crate::{Answer, Control, Refused, Reply};

/// A new setup token.
#[must_use]
pub fn make_token() -> String {
    secret::SETUP.make()
}

/// Whether a text has the form of a setup token.
#[must_use]
pub fn is_token(text: &str) -> bool {
    secret::SETUP.hash(text).is_some()
}

/// Opens the first run to this token. `false`: there are members already, and it stays shut.
///
/// # Errors
/// The store's.
pub async fn open(store: &Store, token: &str, now: Micros) -> Result<bool, StoreError> {
    let mut change = store.change(now).await?;
    if change.has_members().await? {
        return Ok(false);
    }
    let is_open = change.open_setup(&secret::hash(token.as_bytes())).await?;
    if is_open {
        change.commit(NewEvent::done("setup.open", "setup").by(Actor::System)).await?;
    }
    Ok(is_open)
}

/// How far the first run is.
pub(crate) async fn read(control: &Control) -> Answer<SetupState> {
    let mut view = control.view().await?;
    let is_open = view.setup().await? == mezu_store::Setup::Open && !view.has_members().await?;
    Ok(Reply::ok(SetupState { is_open }))
}

/// Makes the first owner and signs them in.
pub(crate) async fn complete(control: &Control, caller: &Caller, asked: Setup, agent: &str) -> Answer<SignedIn> {
    let Setup { token, email, name, password, org } = asked;
    let (doors, from) = (control.doors(), network(caller.source()));
    doors.network.take(&from, Instant::now()).map_err(Refused::wait)?;
    if !read(control).await?.body.is_some_and(|state| state.is_open) {
        return Err(closed());
    }
    if name.trim().is_empty() {
        return Err(Refused::invalid("/name", "a name has at least one character"));
    }
    let hash = doors.passwords.make(&password, &[email.as_str(), &name], "/password").await?;
    let mut change = control.change().await?;
    if change.has_members().await? {
        return Err(closed());
    }
    if !change.use_setup(&secret::hash(token.as_bytes())).await? {
        let detail = "this is not the setup token; `mezusphere up` shows it, and keeps it in the file setup-token";
        return Err(Refused::new(Code::WrongCredentials, detail));
    }
    let org = org_to_own(&mut change, org).await?;
    let id = mezu_runtime::id::new();
    let member = change.create_member(NewMember { id, email, name, password: Some(hash) }).await?;
    change.add_membership(org, id, Role::Owner).await?;
    let begun = sign_in::begin(&mut change, id, caller.source(), agent).await?;
    let event = caller.event(id).by(Actor::Member(id)).of(org);
    let reply = control.commit(change, caller, event, signed_in(member, begun)).await?;
    doors.network.give_back(&from);
    Ok(reply)
}

fn closed() -> Refused {
    Refused::new(Code::SetupClosed, "the first owner has been made; sign in, or have an owner invite you")
}

/// The org of that name, made if it is not there; without a name the first there is.
async fn org_to_own(change: &mut Change, name: Option<Label>) -> Result<OrgId, Refused> {
    let found = match &name {
        Some(name) => change.org_by_name(name).await?,
        None => change.orgs(&Slice::first(1)).await?.items.into_iter().next(),
    };
    match (found, name) {
        (Some(org), _) => Ok(org.id),
        (None, Some(name)) => Ok(change.create_org(mezu_runtime::id::new(), &name).await?.id),
        (None, None) => Err(Refused::invalid("/org", "there is no org yet; name one")),
    }
}
