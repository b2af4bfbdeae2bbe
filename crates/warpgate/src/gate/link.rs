//! One connection to the edge: dial, hold, and dial again.

use std::{pin::pin, rc::Rc, time::Duration};

use mezu_runtime::{Backoff, Chain, spawn_local};
use mezu_tunnel::{
    ConnectError, Session, connect,
    proto::hello::{Refused, Welcome},
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Gate, Held,
    dial::{DialError, dial},
    serve,
};
use crate::{Config, Ended, Link};

/// TLS handshake, hello and welcome.
const HANDSHAKE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A connection that stood this long is replaced at once when it goes; one that did not may be part of a loop.
const STOOD: Duration = Duration::from_secs(5);

/// How long a connection that is being made may still take when we stop.
const LAST_DIAL: Duration = Duration::from_millis(500);

/// Why a try gave no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the edge took too long to answer")]
    Timeout,
    #[error("the tunnel cannot be set up")]
    Connect(#[from] ConnectError),
}

/// Begins to hold connection number `index`, unless that is being done.
pub(crate) fn start(gate: &Rc<Gate>, index: usize) {
    if !matches!(gate.status.borrow().links.get(index), None | Some(Link::Closed)) {
        return;
    }
    gate.tell(index, Link::Dialling);
    // Among the requests, because it may bring some even as we stop.
    spawn_local(&gate.requests, "link", hold(gate.clone(), index));
}

async fn hold(gate: Rc<Gate>, index: usize) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut complained = false;
    // Different connections begin with different addresses of the edge's name.
    let mut turn = index;
    loop {
        gate.tell(index, Link::Dialling);
        let mut opening = pin!(open(&gate, turn));
        let tried = tokio::select! {
            tried = &mut opening => tried,
            // The edge may have taken us in already and be sending requests: then they are served before the end.
            () = gate.scope.stopping() => match timeout(LAST_DIAL, &mut opening).await {
                Ok(tried) => tried,
                Err(_) => return gate.tell(index, Link::Closed),
            },
        };
        turn += 1;
        let wait = match tried {
            Ok((session, welcome)) => {
                let since = Instant::now();
                complained = false;
                let id = online(&gate, index, &session, welcome);
                serve_until_replaced(&gate, index, id, session).await;
                if since.elapsed() >= STOOD {
                    backoff.reset();
                    Duration::ZERO
                } else {
                    backoff.next_wait()
                }
            }
            Err(error) => {
                let Some(wait) = after(&gate, index, &error, &mut backoff) else { return };
                complain(&gate, index, &error, std::mem::replace(&mut complained, true));
                wait
            }
        };
        if gate.scope.is_stopping() || index >= gate.wanted.get() {
            return gate.tell(index, Link::Closed);
        }
        tokio::select! {
            () = sleep(wait) => {}
            // Another connection came up: the edge is there again.
            () = gate.came_up.notified() => backoff.reset(),
            () = gate.scope.stopping() => return gate.tell(index, Link::Closed),
        }
    }
}

async fn open(gate: &Gate, turn: usize) -> Result<(Session, Welcome), LinkError> {
    let Config { edge, proxy, .. } = &gate.config;
    let (io, way) = dial(edge, proxy.as_ref(), gate.plain_tls.as_ref(), turn, &gate.ways).await?;
    let name = &edge.host;
    let shake = connect(io, gate.tls.clone(), name, gate.offer.clone(), &gate.seed, gate.tunnel.clone(), &gate.drivers);
    let answer = timeout(HANDSHAKE, shake).await.map_err(|_| LinkError::Timeout).and_then(|shaken| Ok(shaken?));
    let mut ways = gate.ways.borrow_mut();
    match &answer {
        Ok(_) => ways.stood(),
        Err(LinkError::Connect(ConnectError::Refused(refused))) if refused.code.is_temporary() => ways.busy(way),
        Err(LinkError::Connect(ConnectError::Refused(_))) => ways.refused(way),
        Err(_) => ways.silent(way),
    }
    answer
}

/// Tells the URLs and opens as many connections as the edge has workers. Says under which id the session is held.
fn online(gate: &Rc<Gate>, index: usize, session: &Session, welcome: Welcome) -> u64 {
    let id = gate.next_id.get();
    gate.next_id.set(id + 1);
    session.tell_health(gate.unwell.get());
    let held = Held { id, index, worker: welcome.worker, session: session.clone() };
    gate.sessions.borrow_mut().push(held);
    if gate.scope.is_stopping() {
        session.drain();
    }
    let wanted = (welcome.workers.max(1) as usize).min(gate.config.connections.max(1));
    let before = gate.wanted.replace(wanted);
    let first = gate.status.send_if_modified(|status| {
        let mut news = false;
        for (slot, told) in status.workloads.iter_mut().zip(&welcome.workloads) {
            // It goes to a terminal, and the edge may be anybody.
            let url: String = told.url.chars().filter(|c| !c.is_control()).collect();
            news |= slot.url.as_ref() != Some(&url);
            slot.url = Some(url);
        }
        status.workers = welcome.workers;
        news
    });
    if first {
        for told in &welcome.workloads {
            tracing::info!(workload = %told.name, url = %told.url, "online");
        }
    }
    tracing::debug!(link = index, worker = welcome.worker, workers = welcome.workers, "tunnel stands");
    gate.tell(index, Link::Online { worker: welcome.worker, rtt: session.rtt() });
    for more in before..wanted {
        start(gate, more);
    }
    gate.came_up.notify_waiters();
    id
}

/// Serves the session's requests; returns when another connection should take its place. A session that drains goes
/// on in the background until what is in flight has finished.
async fn serve_until_replaced(gate: &Rc<Gate>, index: usize, id: u64, session: Session) {
    spawn_local(&gate.requests, "session", serve::session(gate.clone(), id, session.clone()));
    tokio::select! {
        biased;
        () = gate.scope.stopping() => {
            gate.tell(index, Link::Draining);
            let death = session.closed().await;
            tracing::debug!(link = index, why = %death, "tunnel drained");
        }
        death = session.closed() => {
            tracing::info!(link = index, why = %death, "tunnel closed");
        }
        () = session.draining() => {
            tracing::info!(link = index, "the edge drains this tunnel");
            gate.tell(index, Link::Draining);
        }
    }
}

/// How long to wait after a failure; `None` when it is final.
fn after(gate: &Gate, index: usize, error: &LinkError, backoff: &mut Backoff) -> Option<Duration> {
    if let LinkError::Connect(ConnectError::Refused(refused)) = error
        && is_final(gate, refused)
    {
        gate.tell(index, Link::Closed);
        gate.refuse(final_word(refused));
        return None;
    }
    let wait = match error {
        LinkError::Connect(ConnectError::Refused(Refused { retry_after_ms: Some(ms), .. })) => {
            Duration::from_millis(*ms).min(LONGEST_WAIT) + backoff.next_wait()
        }
        _ => backoff.next_wait(),
    };
    Some(wait)
}

/// Whether dialling again is of no use. A connection that stands proves that not everybody refuses us.
fn is_final(gate: &Gate, refused: &Refused) -> bool {
    let everywhere = || !gate.status.borrow().is_online() && gate.ways.borrow().all_refuse();
    refused.code.is_final() || (!refused.code.is_temporary() && everywhere())
}

/// Says why there is no connection; in the log once for each time it is lost.
fn complain(gate: &Gate, index: usize, error: &LinkError, again: bool) {
    let why = Chain(error).to_string();
    if again {
        tracing::debug!(link = index, error = %why, "still no tunnel");
    } else {
        tracing::warn!(link = index, error = %why, "no tunnel; trying again");
    }
    gate.tell(index, Link::Waiting { why });
}

fn final_word(refused: &Refused) -> Ended {
    let code = serde_json::to_value(refused.code).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    Ended::Refused { code, message: refused.message.clone() }
}
