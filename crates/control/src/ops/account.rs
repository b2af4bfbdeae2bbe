//! Service accounts.

use std::net::IpAddr;

use mezu_api::Page;
use mezu_api::account::{Account, AccountSpec};
use mezu_model::AccountId;
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

fn checked(spec: AccountSpec) -> Result<mezu_store::AccountSpec, Refused> {
    let AccountSpec { name, workloads, cidrs } = spec;
    let lists = [("workloads", workloads.as_ref().map(Vec::len)), ("cidrs", cidrs.as_ref().map(Vec::len))];
    for (list, length) in lists {
        if length.is_some_and(|length| length == 0 || length > SCOPE_MOST) {
            let detail = format!("{list} lists 1 to {SCOPE_MOST}; leave it out to allow any");
            return Err(Refused::invalid(format!("/{list}"), detail));
        }
    }
    for (at, cidr) in cidrs.iter().flatten().enumerate() {
        if !is_network(cidr) {
            let detail = "not a network: expected such as 192.0.2.0/24 or 2001:db8::/32, with no bit set behind it";
            return Err(Refused::invalid(format!("/cidrs/{at}"), detail));
        }
    }
    Ok(mezu_store::AccountSpec { name, workloads, cidrs })
}

/// Whether it is an address with the length of its prefix, and nothing set behind the prefix.
fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    match address {
        IpAddr::V4(address) => length <= 32 && address.to_bits().checked_shl(length).unwrap_or(0) == 0,
        IpAddr::V6(address) => length <= 128 && address.to_bits().checked_shl(length).unwrap_or(0) == 0,
    }
}

fn show(one: mezu_store::Account) -> Account {
    let mezu_store::AccountSpec { name, workloads, cidrs } = one.spec;
    Account { id: one.id, name, workloads, cidrs, created_at: time(one.created_at), version: one.version }
}

#[cfg(test)]
mod tests {
    use super::is_network;

    #[test]
    fn networks_are_told_from_nonsense() {
        for good in ["192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "::1/128"] {
            assert!(is_network(good), "{good}");
        }
        for bad in ["", "192.0.2.0", "192.0.2.1/24", "192.0.2.0/33", "::1/64", "a/8", "1.2.3.4/-1", "1.2.3.4/8/8"] {
            assert!(!is_network(bad), "{bad}");
        }
    }
}
