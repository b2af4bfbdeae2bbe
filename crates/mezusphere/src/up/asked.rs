//! Brings machines that ask to be let in from the edge to control, and what was decided back.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Instant;

use mezu_api::Time;
use mezu_control::{Claim, Control, Grant, MachineTold, Machines, Verdict, WeakControl};
use mezu_edge::{Asked, Asker, Decided, LetIn, NoRoom, Request, Waiting};
use mezu_model::{KeyId, OrgId};

use super::clock;

/// The control side of machines without a key.
pub(super) struct AskedControl {
    machines: Machines,
    /// From the moment at which there is one: the edge starts first. Control has the edge, which has this.
    control: OnceLock<WeakControl>,
}

impl AskedControl {
    pub(super) fn new(machines: Machines) -> Self {
        Self { machines, control: OnceLock::new() }
    }

    pub(super) fn set(&self, control: &Control) {
        let _ = self.control.set(control.downgrade());
    }
}

impl Asked for AskedControl {
    fn ask(&self, asker: Asker) -> Result<Request, NoRoom> {
        let Asker { key, address, org, host, user, agent } = asker;
        let claim = Claim { key, address, org, host, user, agent };
        let told = self.machines.ask(claim, Instant::now(), clock::now()).map_err(|wait| {
            tracing::warn!(%address, "too many machines ask to be let in; one is told to try again later");
            NoRoom { wait }
        })?;
        Ok(match told {
            MachineTold::Known(grant) => Request::Known(let_in(grant)),
            MachineTold::Waits(waiting) => {
                let (code, lasts) = (waiting.code, waiting.lasts);
                Request::Waiting(Waiting { code, lasts, decided: Box::pin(decided(waiting)) })
            }
        })
    }

    fn give_up(&self, key: KeyId, org: OrgId, address: IpAddr) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let control = self.control.get().and_then(WeakControl::upgrade);
        Box::pin(async move {
            let Some(control) = control else { return false };
            let done = mezu_control::ops::machine::give_up(&control, org, key, address).await;
            done.inspect_err(|error| tracing::error!(%error, %key, "a key that was given up is not revoked")).is_ok()
        })
    }
}

async fn decided(waiting: mezu_control::Waiting) -> Decided {
    match waiting.verdict().await {
        Verdict::LetIn(grant) => Decided::LetIn(let_in(grant)),
        Verdict::Refused => Decided::Refused,
        Verdict::Expired => Decided::Expired,
    }
}

fn let_in(Grant { org, account, expires_at }: Grant) -> LetIn {
    LetIn { org, account, expires_at: expires_at.map(|end| Time(end.0).to_string()) }
}
