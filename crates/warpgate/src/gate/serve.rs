//! Requests of one session, each its own task.

use std::{
    rc::Rc,
    time::{Instant, SystemTime},
};

use mezu_runtime::spawn_local;
use mezu_tunnel::{Session, Stream};

use super::Gate;
use crate::{
    stats::Seen,
    workload::{Fault, edge_stream::Request, forward, tunnelled::Tunnelled},
};

/// Takes requests until the session ends.
pub(crate) async fn session(gate: Rc<Gate>, id: u64, session: Session) {
    while let Some(stream) = session.accept().await {
        spawn_local(&gate.requests, "request", request(gate.clone(), stream));
    }
    gate.sessions.borrow_mut().retain(|held| held.id != id);
}

async fn request(gate: Rc<Gate>, stream: Stream) {
    let stats = &gate.shared.stats;
    stats.begin();
    let mut stream = Tunnelled::new(stream);
    let began = stats.is_watched().then(Instant::now);
    let served = answer(&gate, &mut stream, began).await;
    if let Err(fault) = served {
        tracing::debug!(%fault, "request not answered");
        stream.fail(fault);
    }
    stats.end(matches!(served, Err(fault) if fault != Fault::EdgeGone));
}

async fn answer(gate: &Gate, stream: &mut Tunnelled, began: Option<Instant>) -> Result<(), Fault> {
    let (index, mut request) = stream.request(gate.shared.take_head()).await?;
    let workload = usize::try_from(index).ok().and_then(|index| gate.workloads.get(index));
    let served = match workload {
        Some(workload) => workload.serve(stream, &mut request).await,
        None => Err(Fault::UnknownWorkload),
    };
    if let Some(began) = began {
        remember(gate, index, &request, stream.status, began);
    }
    gate.shared.give_head(request.head);
    served
}

#[cold]
fn remember(gate: &Gate, workload: u32, request: &Request, status: Option<u16>, began: Instant) {
    gate.shared.stats.remember(Seen {
        at: SystemTime::now(),
        workload,
        method: request.head.method.to_string(),
        path: request.head.path.clone(),
        status,
        took: began.elapsed(),
        client: forward::shown(request.context.client),
    });
}
