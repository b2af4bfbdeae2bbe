//! Going away without losing anything: the order, and the reason of each step.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mezu_runtime::Scope;
use tokio::time::timeout;

use crate::shared::Shared;

/// Signals that all workers hear, from the outermost ring of work to the innermost.
#[derive(Clone, Default)]
pub(crate) struct Stops {
    /// Listeners.
    pub(crate) accepting: Scope,
    /// Client connections, and the requests that hop for them.
    pub(crate) clients: Scope,
    /// What has been served long enough: WebSockets and event streams are told to end.
    pub(crate) lasting: Scope,
    /// Tunnels.
    pub(crate) gates: Scope,
    /// The threads themselves.
    pub(crate) workers: Scope,
}

/// How long streams that never end by themselves get to go once they are told.
const PARTING: Duration = Duration::from_secs(2);
/// How long gates get to notice that they are no longer needed.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the disk gets to take the last lines of the access log.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Drains the edge. Takes `limits.drain` and a few seconds at most, and may be called again.
pub(crate) async fn drain(shared: &Shared, stops: &Stops) {
    // 1. Not ready: whoever balances load in front sends new connections elsewhere from now on.
    shared.ready.store(false, Ordering::Relaxed);

    // 2. Connections are told before the listeners close, so that one accepted meanwhile, or still in the kernel's
    //    queue, is served as well and knows from its first answer that it will not last (Connection: close, GOAWAY).
    stops.clients.stop();

    // 3. No more connections: what the queue holds is accepted first, for those clients believe they are connected.
    stops.accepting.stop();
    stops.accepting.finished().await;

    // 4. Requests under way finish. Their tunnels are still open, and requests on old connections still get in.
    if timeout(shared.limits.drain, stops.clients.finished()).await.is_err() {
        // 5. What is left has no end of its own: it is asked to end, then cut.
        stops.lasting.stop();
        let _ = timeout(PARTING, stops.clients.finished()).await;
    }

    // 6. Gates last: only now does nobody need them. They learn of it and turn to another edge without an error.
    stops.gates.stop();
    let _ = timeout(FAREWELL, stops.gates.finished()).await;

    // 7. The threads end.
    stops.workers.stop();
    stops.workers.finished().await;

    // 8. Their last lines reach the log.
    if let Some(log) = shared.take_access_log() {
        log.finish(LAST_LINES).await;
    }
}
