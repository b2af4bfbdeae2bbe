//! What happens by the clock: scheduled drafts are published, and what has had its time is taken away.

use std::time::Duration;

use crate::{Control, Refused, ops};

/// A draft is published this soon after its time.
const EVERY: Duration = Duration::from_millis(500);
/// Every so many rounds what has expired is taken away.
const SWEEP: u32 = 4;

/// Goes its rounds until it is dropped. A round that fails is done again by the next.
pub async fn run(control: &Control) {
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0_u32;
    loop {
        timer.tick().await;
        // While the store is away there is nothing to do, and its own guard says so.
        if control.store().is_err() {
            continue;
        }
        if let Err(refused) = ops::draft::publish_due(control).await {
            tracing::warn!(%refused, "scheduled drafts wait");
        }
        if round.is_multiple_of(SWEEP)
            && let Err(refused) = sweep(control).await
        {
            tracing::warn!(%refused, "what has expired stays a little longer");
        }
        round = round.wrapping_add(1);
    }
}

/// Takes away what has expired, and has the tunnels of expired keys cut. Says how many keys that were.
///
/// # Errors
/// When the store does not do it.
pub async fn sweep(control: &Control) -> Result<u64, Refused> {
    let revoked = control.store()?.sweep(control.now()).await?;
    if revoked > 0 {
        let publication = control.edge().publish().await;
        tracing::info!(revoked, generation = publication.generation, "expired keys have lost their power");
    }
    Ok(revoked)
}
