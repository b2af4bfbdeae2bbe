//! Hostnames.

use mezu_api::Page;
use mezu_api::hostname::{Hostname, NewHostname};
use mezu_model::Hostname as Name;
use mezu_store::{Host, Slice};

use super::{seen, time};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, Reply, names};

/// The hostnames of the org; released ones too, while they are kept for it.
pub(crate) async fn list(control: &Control, scope: &OrgScope, slice: &Slice) -> Answer<Page<Hostname>> {
    Ok(Reply::page(control.view().await?.hostnames(scope.org(), slice).await?, |host| show(control, host)))
}

/// A hostname.
pub(crate) async fn read(control: &Control, scope: &OrgScope, name: &Name) -> Answer<Hostname> {
    Ok(Reply::ok(show(control, control.view().await?.hostname(scope.org(), name).await?)))
}

/// Claims a hostname for the org. Doing it twice changes nothing.
pub(crate) async fn claim(control: &Control, scope: &OrgScope, new: NewHostname) -> Answer<Hostname> {
    if let Some(why) = names::refusal(&new.name, control.edge().base_domain()) {
        return Err(Refused::invalid("/name", why));
    }
    let mut change = control.change().await?;
    let host = show(control, change.claim_hostname(scope.org(), &new.name).await?);
    let event = scope.event(&host.name).with(None, seen(&host));
    control.commit(change, scope, event, Reply::created(host)).await
}

/// Gives a hostname up. It is kept for the org for a while, then anybody can claim it.
pub(crate) async fn release(control: &Control, scope: &OrgScope, name: &Name) -> Answer<()> {
    let mut change = control.change().await?;
    let before = show(control, change.hostname(scope.org(), name).await?);
    change.release_hostname(scope.org(), name).await?;
    let after = show(control, change.hostname(scope.org(), name).await?);
    let event = scope.event(name).with(seen(&before), seen(&after));
    control.commit(change, scope, event, Reply::done()).await
}

fn show(control: &Control, host: Host) -> Hostname {
    Hostname {
        warning: control.edge().warning(&host.name),
        name: host.name,
        state: host.state.to_string(),
        created_at: time(host.created_at),
        released_at: host.released_at.map(time),
    }
}
