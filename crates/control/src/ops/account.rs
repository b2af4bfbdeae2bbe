//! Service accounts.

use mezu_api::Page;
use mezu_api::account::{Account, AccountSpec};
use mezu_model::{AccountId, Network};
use mezu_store::Slice;

use super::{seen, time};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, Reply};

/// Names and networks that a scope may list.
const SCOPE_MOST: usize = 100;

/// The service accounts of the org.
pub(crate) async fn list(control: &Control, scope: &OrgScope, slice: &Slice) -> Answer<Page<Account>> {
    Ok(Reply::page(control.view().await?.accounts(scope.org(), slice).await?, show))
}

/// A service account.
pub(crate) async fn read(control: &Control, scope: &OrgScope, id: AccountId) -> Answer<Account> {
    let account = show(control.view().await?.account(scope.org(), id).await?);
    let version = account.version;
    Ok(Reply::ok(account).version(version))
}

/// Makes a service account.
pub(crate) async fn create(control: &Control, scope: &OrgScope, spec: AccountSpec) -> Answer<Account> {
    let spec = checked(spec)?;
    let mut change = control.change().await?;
    let account = show(change.create_account(scope.org(), mezu_runtime::id::new(), &spec).await?);
    let event = scope.event(account.id).with(None, seen(&account));
    let version = account.version;
    control.commit(change, scope, event, Reply::created(account).version(version)).await
}

/// Changes what a service account is called and may do.
pub(crate) async fn update(
    control: &Control,
    scope: &OrgScope,
    id: AccountId,
    spec: AccountSpec,
    expected: Option<i64>,
) -> Answer<Account> {
    let spec = checked(spec)?;
    let mut change = control.change().await?;
    let before = show(change.account(scope.org(), id).await?);
    let after = show(change.update_account(scope.org(), id, &spec, expected).await?);
    let event = scope.event(id).with(seen(&before), seen(&after));
    let version = after.version;
    control.commit(change, scope, event, Reply::ok(after).version(version)).await
}

/// Deletes a service account and revokes its keys.
pub(crate) async fn delete(control: &Control, scope: &OrgScope, id: AccountId, expected: Option<i64>) -> Answer<()> {
    let mut change = control.change().await?;
    let before = show(change.account(scope.org(), id).await?);
    change.delete_account(scope.org(), id, expected).await?;
    let event = scope.event(id).with(seen(&before), None);
    control.commit(change, scope, event, Reply::done()).await
}

pub(super) fn checked(spec: AccountSpec) -> Result<mezu_store::AccountSpec, Refused> {
    let AccountSpec { name, workloads, cidrs } = spec;
    let lists = [("workloads", workloads.as_ref().map(Vec::len)), ("cidrs", cidrs.as_ref().map(Vec::len))];
    for (list, length) in lists {
        if length.is_some_and(|length| length == 0 || length > SCOPE_MOST) {
            let detail = format!("{list} lists 1 to {SCOPE_MOST}; leave it out to allow any");
            return Err(Refused::invalid(format!("/{list}"), detail));
        }
    }
    for (at, cidr) in cidrs.iter().flatten().enumerate() {
        if let Err(invalid) = cidr.parse::<Network>() {
            return Err(Refused::invalid(format!("/cidrs/{at}"), invalid.to_string()));
        }
    }
    Ok(mezu_store::AccountSpec { name, workloads, cidrs })
}

pub(super) fn show(one: mezu_store::Account) -> Account {
    let mezu_store::AccountSpec { name, workloads, cidrs } = one.spec;
    Account { id: one.id, name, workloads, cidrs, created_at: time(one.created_at), version: one.version }
}
