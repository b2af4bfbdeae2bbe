//! A gate knocks: who is it, may it come in, where does it live.
//!
//! ```text
//! hello ─► key in the snapshot? ─► signature ─► a free place ─► enrolment ─► (to its worker) ─► welcome ─► offered requests
//! ```
//!
//! The key is looked up and checked before anything is asked of anybody else. A refusal says why and what to do, to
//! a peer that has proved nothing only as much as it needs.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mezu_model::{Aim, GateId, Hostname, KeyId, OrgId, PublicKey};
use mezu_runtime::spawn_local;
use mezu_tunnel::proto::Death;
use mezu_tunnel::proto::hello::{Agreed, HelloWorkload, Refused, RefusedCode, Welcome, WelcomeWorkload};
use mezu_tunnel::tls::Sniffed;
use mezu_tunnel::{Knock, PendingGate, accept};
use tokio::time::timeout;
use tracing::{debug, info};

use crate::ask;
use crate::enrol::{self, EnrolError, EnrolledWorkload, Enrolment};
use crate::gates::{Barred, Claim, Gate, Serves};
use crate::listen::Place;
use crate::metrics::{Door, GateLeft, GateRefusal, HandshakeFailure};
use crate::placement::Seat;
use crate::routes::Table;
use crate::worker::{Command, Worker};

/// How long a refused gate may take to hear why.
pub(crate) const LAST_WORD: Duration = Duration::from_secs(1);
/// When a gate that found no room should try again.
const LATER_MS: u64 = 5_000;
/// How long a new workload's hostname may take to be known here.
const KNOWN_WITHIN: Duration = Duration::from_secs(1);

/// A gate that may come in, on its way to the worker where it will live.
pub(crate) struct Arrival {
    pending: PendingGate,
    place: Place,
    admitted: Admitted,
}

struct Admitted {
    seat: Seat,
    claim: Claim,
    /// The protocol's version.
    version: u16,
    workloads: Vec<EnrolledWorkload>,
    serves: Vec<Serves>,
}

/// Hears a gate out, on the worker that accepted its connection.
pub(crate) async fn greet(worker: &Rc<Worker>, sniffed: Sniffed, mut place: Place, left: Duration) {
    let config = Arc::clone(&worker.shared.tunnel_tls);
    let pending = match timeout(left, accept(sniffed, config)).await {
        Ok(Ok(Knock::Gate(pending))) => pending,
        Ok(Ok(Knock::Ask(pending))) => return ask::attend(worker, pending, place),
        Ok(Err(error)) => {
            worker.metrics.handshake_failed(HandshakeFailure::Hello);
            return debug!(%error, "gate hello");
        }
        Err(_late) => {
            worker.metrics.handshake_failed(HandshakeFailure::Timeout);
            return debug!("gate hello: too late");
        }
    };
    match admit(worker, &pending).await {
        Ok(admitted) => {
            place.vouch();
            let home = admitted.seat.worker;
            let arrival = Box::new(Arrival { pending, place, admitted });
            if home == worker.index {
                return settle(worker, *arrival);
            }
            if let Err(Command::Gate(arrival)) = worker.send(home, Command::Gate(arrival)) {
                worker.metrics.gate_refused(GateRefusal::Overloaded);
                let refused = refused(RefusedCode::Overloaded, "this edge is busy; try again");
                let _ = timeout(LAST_WORD, arrival.pending.refuse(refused)).await;
            }
        }
        Err(refused) => {
            worker.metrics.gate_refused(refusal(refused.code));
            debug!(code = ?refused.code, message = refused.message, "gate refused");
            let _ = timeout(LAST_WORD, pending.refuse(refused)).await;
        }
    }
}

async fn admit(worker: &Worker, pending: &PendingGate) -> Result<Admitted, Refused> {
    let hello = pending.hello();
    if worker.stops.clients.is_stopping() {
        return Err(refused(RefusedCode::Draining, "this edge is going away"));
    }
    let no_version = || refused(RefusedCode::Version, "no protocol version in common; update Warpgate");
    let version = hello.version().ok_or_else(no_version)?;
    if !is_dialled_name(&hello.edge_name, pending.server_name()) {
        return Err(refused(RefusedCode::EdgeName, "the signed edge name is not the name that was dialled"));
    }
    let names: Vec<_> = hello.workloads.iter().map(|workload| workload.name.clone()).collect();
    let claim = Claim { key: PublicKey(hello.public_key), address: pending.peer().map(|peer| peer.ip()), names };
    let (key, org) = granted(worker, pending, &claim)?;
    let seat = worker.shared.placement.take(org, key, hello.gate_id, worker.index).map_err(|_| Refused {
        retry_after_ms: Some(LATER_MS),
        ..refused(RefusedCode::TooMany, "this key has as many tunnels here as it may")
    })?;
    let enrolment = Enrolment { key, org, gate: hello.gate_id, names: claim.names.clone() };
    let mut workloads = enrol(worker, enrolment).await?;
    let serves = dress(worker, org, &hello.workloads, &mut workloads)?;
    Ok(Admitted { seat, claim, version, workloads, serves })
}

/// The key and its org. What its scope lacks is told only to who has proved to hold it.
fn granted(worker: &Worker, pending: &PendingGate, claim: &Claim) -> Result<(KeyId, OrgId), Refused> {
    let table = worker.table();
    let granted = claim.check(&table);
    if granted == Err(Barred::Key) {
        return Err(refused(RefusedCode::UnknownKey, "this key is unknown or was revoked; make a new one"));
    }
    if pending.verify(&claim.key).is_err() {
        return Err(refused(RefusedCode::Signature, "the signature does not fit the key and this connection"));
    }
    match granted {
        Ok(key) => Ok((key.id, key.org)),
        Err(barred) => Err(barred.word()),
    }
}

impl Barred {
    /// What the gate is told.
    pub(crate) fn word(&self) -> Refused {
        match self {
            Self::Key => refused(RefusedCode::Revoked, "this key was revoked"),
            Self::Scope(lacks) => refused(RefusedCode::NotAllowed, lacks),
        }
    }
}

/// The gate must have signed the name for which our certificate was checked; a gate that dialled an address signs that.
pub(crate) fn is_dialled_name(signed: &str, server_name: Option<&str>) -> bool {
    match server_name {
        Some(name) => signed.eq_ignore_ascii_case(name),
        None => signed.parse::<IpAddr>().is_ok(),
    }
}

async fn enrol(worker: &Worker, enrolment: Enrolment) -> Result<Vec<EnrolledWorkload>, Refused> {
    let wanted = enrolment.names.len();
    let unavailable = || Refused {
        retry_after_ms: Some(LATER_MS),
        ..refused(RefusedCode::Overloaded, "workloads cannot be registered at the moment; try again")
    };
    let workloads = match timeout(enrol::PATIENCE, worker.shared.enrol.enrol(enrolment)).await {
        Ok(Ok(workloads)) if workloads.len() == wanted => workloads,
        Ok(Err(EnrolError::Refused(why))) => return Err(refused(RefusedCode::NotAllowed, &why)),
        Ok(Ok(_) | Err(EnrolError::Unavailable)) | Err(_) => return Err(unavailable()),
    };
    // Whoever is told a URL may use it at once: so this edge must know it first.
    let mut tables = worker.shared.tables.clone();
    let known = |table: &Arc<Table>| workloads.iter().all(|workload| table.has_host(workload.hostname.as_str()));
    let _ = timeout(KNOWN_WITHIN, tables.wait_for(known)).await;
    Ok(workloads)
}

/// Puts on the labels that the gate wants to wear, and gives those workloads the hosts that are theirs alone.
fn dress(
    worker: &Worker,
    org: OrgId,
    wanted: &[HelloWorkload],
    workloads: &mut [EnrolledWorkload],
) -> Result<Vec<Serves>, Refused> {
    let table = worker.table();
    let mut serves = Vec::with_capacity(wanted.len());
    for (wanted, workload) in wanted.iter().zip(workloads) {
        let aim = Aim { workload: workload.id, label: wanted.label.clone() };
        let Some(label) = &wanted.label else {
            serves.push(Serves::new(aim, None));
            continue;
        };
        let too_long = |_| format!("the label {label} is too long in front of {}", workload.hostname);
        let host = label.host(&workload.hostname).map_err(too_long).and_then(|host| free(&table, host));
        workload.hostname = host.map_err(|why| refused(RefusedCode::NotAllowed, &why))?;
        let worn = worker.shared.presence.labels.wear(org, aim.clone()).map_err(|too_many| Refused {
            retry_after_ms: Some(LATER_MS),
            ..refused(RefusedCode::TooMany, &too_many.to_string())
        })?;
        serves.push(Serves::new(aim, Some(worn)));
    }
    Ok(serves)
}

/// A host with routes of its own comes before any label.
fn free(table: &Table, host: Hostname) -> Result<Hostname, String> {
    if table.has_host(host.as_str()) {
        return Err(format!("{host} has routes of its own; choose another label"));
    }
    Ok(host)
}

pub(crate) const fn refusal(code: RefusedCode) -> GateRefusal {
    match code {
        RefusedCode::Draining => GateRefusal::Draining,
        RefusedCode::Version => GateRefusal::Version,
        RefusedCode::EdgeName => GateRefusal::EdgeName,
        RefusedCode::UnknownKey => GateRefusal::UnknownKey,
        RefusedCode::Signature => GateRefusal::Signature,
        RefusedCode::TooMany => GateRefusal::TooMany,
        RefusedCode::NotAllowed => GateRefusal::NotAllowed,
        RefusedCode::Overloaded => GateRefusal::Overloaded,
        _ => GateRefusal::Other,
    }
}

pub(crate) fn refused(code: RefusedCode, message: &str) -> Refused {
    Refused { code, message: message.to_owned(), retry_after_ms: None }
}

/// Takes a gate in, on the worker where it will live.
pub(crate) fn settle(worker: &Rc<Worker>, arrival: Arrival) {
    let Arrival { pending, place, admitted: Admitted { seat, claim, version, workloads, serves } } = arrival;
    // Long ago by the clock of revocations. From here on `close_revoked` finds it: it runs on this thread too.
    if let Err(barred) = claim.check(&worker.table()) {
        return turn_away(worker, pending, place, seat, &barred);
    }
    let id = pending.hello().gate_id;
    let welcome = welcome(worker, id, version, &workloads);
    let session = match pending.welcome(welcome, worker.shared.tunnel_config(&seat), &worker.stops.gates) {
        Ok(session) => session,
        Err(error) => return debug!(%error, "gate welcome"),
    };
    let gate = worker.gates.join(Gate::new(session.clone(), id, claim, serves, worker.limits()));
    worker.metrics.gate_joined();
    worker.metrics.connection_opened(Door::Gate);
    info!(gate = %id, worker = worker.index, "tunnel up");
    let home = Rc::clone(worker);
    spawn_local(&worker.stops.gates, "gate", async move {
        let _held = (place, seat);
        heed_health(&home, &gate).await;
        home.gates.withdraw(&gate);
        let death = session.closed().await;
        home.gates.part(&gate);
        home.metrics.gate_left(left(&death));
        home.metrics.connection_closed(Door::Gate);
        info!(gate = %id, worker = home.index, reason = %death, "tunnel down");
    });
}

/// Follows what the gate says of its workloads, until it takes no more requests.
async fn heed_health(home: &Worker, gate: &Rc<Gate>) {
    let follow = async {
        let mut known = 0;
        while let Some(unwell) = gate.session.unwell(known).await {
            debug!(gate = %gate.id, worker = home.index, unwell, "gate tells of its workloads");
            home.gates.heed(gate, unwell);
            home.metrics.health_told();
            known = unwell;
        }
    };
    tokio::select! {
        () = gate.session.draining() => {}
        () = follow => {}
    }
}

/// The key was revoked, or its scope cut, between the check and here.
fn turn_away(worker: &Worker, pending: PendingGate, place: Place, seat: Seat, barred: &Barred) {
    let refused = barred.word();
    worker.metrics.gate_refused(refusal(refused.code));
    spawn_local(&worker.stops.gates, "gate refused", async move {
        let _held = (place, seat);
        let _ = timeout(LAST_WORD, pending.refuse(refused)).await;
    });
}

fn left(death: &Death) -> GateLeft {
    match death {
        Death::Silent => GateLeft::Silent,
        Death::Violation(_) => GateLeft::Protocol,
        Death::Closed | Death::Refused(_) => GateLeft::Closed,
        Death::Local => GateLeft::Drained,
    }
}

fn welcome(worker: &Worker, gate_id: GateId, version: u16, workloads: &[EnrolledWorkload]) -> Welcome {
    let shared = &worker.shared;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Welcome {
        version,
        worker: number(worker.index),
        workers: number(shared.mailboxes.len()),
        gate_id,
        domain: None,
        workloads: workloads
            .iter()
            .map(|workload| WelcomeWorkload {
                name: workload.name.clone(),
                url: shared.url_of(workload.hostname.as_str()),
                workload_id: workload.id,
            })
            .collect(),
        limits: Agreed::default(),
    }
}

/// Closes the tunnels whose key a snapshot no longer has, or whose scope no longer holds them. Requests on them fail: a
/// revoked key serves nobody.
pub(crate) fn close_revoked(worker: &Worker, table: &Table) {
    for gate in worker.gates.all() {
        if let Err(barred) = gate.claim.check(table) {
            info!(gate = %gate.id, worker = worker.index, ?barred, "key revoked");
            worker.gates.withdraw(&gate);
            gate.session.close(&barred.word());
        }
    }
}

/// Tells every gate of this worker that no more requests will come.
pub(crate) fn drain_all(worker: &Worker) {
    worker.gates.all().iter().for_each(|gate| gate.session.drain());
}
