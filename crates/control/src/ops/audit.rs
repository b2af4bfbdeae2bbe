//! The audit log, to be read and to be proven.

use mezu_api::Page;
use mezu_api::audit::{AuditReport, Event};
use mezu_store::{AuditCheck, EventFilter, Slice};

use super::time;
use crate::auth::secret::hex;
use crate::{Answer, Control, Reply};

/// Events, the newest first. The filter's org decides whose.
pub(crate) async fn list(control: &Control, filter: &EventFilter, slice: &Slice) -> Answer<Page<Event>> {
    Ok(Reply::page(control.view().await?.events(filter, slice).await?, show))
}

/// Walks over the whole chain.
pub(crate) async fn verify(control: &Control) -> Answer<AuditReport> {
    Ok(Reply::ok(report(control.store()?.verify_audit().await?)))
}

/// What the walk along the chain has come to, as people and programs are told it.
#[must_use]
pub fn report(check: AuditCheck) -> AuditReport {
    match check {
        AuditCheck::Whole { events, head } => {
            AuditReport { is_whole: true, events: Some(events), head: Some(hex(&head)), broken_at: None, fault: None }
        }
        AuditCheck::Broken { seq, fault } => AuditReport {
            is_whole: false,
            events: None,
            head: None,
            broken_at: Some(seq),
            fault: Some(fault.to_string()),
        },
    }
}

fn show(event: mezu_store::Event) -> Event {
    Event {
        seq: event.seq,
        at: time(event.at),
        actor: event.actor.to_string(),
        source: event.source,
        request_id: event.request_id,
        action: event.action,
        object: event.object,
        outcome: event.outcome.as_str().to_string(),
        before: event.before,
        after: event.after,
        hash: hex(&event.hash),
    }
}
