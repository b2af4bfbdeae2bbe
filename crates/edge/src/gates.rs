//! The tunnels of one worker: which gate takes a request.
//!
//! Per workload a short list of ways to it; a request takes the less busy of two random ones. Nothing here crosses
//! threads but [`crate::presence`], which says whether another worker has what this one lacks.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;
use mezu_model::{Aim, Context, GateId, Label, Limits, PublicKey, RequestHead, WorkloadId};
use mezu_tunnel::proto::{OpenError, OpenOptions};
use mezu_tunnel::{Session, Stream};

use crate::admission::Client;
use crate::explain::GateLoad;
use crate::forward::Budget;
use crate::pick;
use crate::places::{Place, Places};
use crate::presence::{Presence, Reach, Worn};
use crate::routes::{Key, Table};

/// By what a gate was let in. When a snapshot no longer grants it, the tunnel goes.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) key: PublicKey,
    /// Where its connection comes from.
    pub(crate) address: Option<IpAddr>,
    /// The names of the workloads that it serves.
    pub(crate) names: Vec<Label>,
}

/// Why a gate may not come in, or not stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Barred {
    /// The key is unknown, or was revoked.
    Key,
    /// The key's scope; what it does not hold.
    Scope(String),
}

impl Claim {
    /// The key, if it grants all of this.
    pub(crate) fn check<'t>(&self, table: &'t Table) -> Result<&'t Key, Barred> {
        let key = table.key(&self.key).ok_or(Barred::Key)?;
        if !key.scope.allows_address(self.address) {
            return Err(Barred::Scope("this key may not be used from this address".to_owned()));
        }
        match self.names.iter().find(|name| !key.scope.allows_workload(name)) {
            Some(name) => Err(Barred::Scope(format!("this key may not serve a workload named {name}"))),
            None => Ok(key),
        }
    }
}

/// A tunnel that ends on this worker.
pub(crate) struct Gate {
    pub(crate) session: Session,
    pub(crate) id: GateId,
    pub(crate) claim: Claim,
    /// What it serves, in the order of its hello.
    serves: Vec<Serves>,
    places: Rc<Places>,
    /// Whether it is among the ways to them.
    offered: Cell<bool>,
    /// The workloads that are not well, as the gate said last: it is not among the ways to these.
    unwell: Cell<u64>,
}

/// A workload that a gate serves, whole or under a label that it holds as long as it lives.
#[derive(Debug)]
pub(crate) struct Serves {
    aim: Aim,
    _worn: Option<Worn>,
}

impl Serves {
    pub(crate) fn new(aim: Aim, worn: Option<Worn>) -> Self {
        Self { aim, _worn: worn }
    }
}

impl Gate {
    pub(crate) fn new(session: Session, id: GateId, claim: Claim, serves: Vec<Serves>, limits: &Limits) -> Self {
        let places = Rc::new(Places::new(limits));
        Self { session, id, claim, serves, places, offered: Cell::new(false), unwell: Cell::new(0) }
    }
}

/// All tunnels of a worker.
pub(crate) struct Gates {
    worker: usize,
    presence: Arc<Presence>,
    routes: RefCell<HashMap<WorkloadId, Rc<Ways>>>,
    /// To gates with labels. Of labels that are gone none is kept for long.
    labelled: RefCell<HashMap<Aim, Rc<Ways>>>,
    all: RefCell<Vec<Rc<Gate>>>,
}

/// The ways from this worker to one workload, or to its gates with one label.
pub(crate) struct Ways {
    pub(crate) aim: Aim,
    local: RefCell<Vec<Way>>,
    pub(crate) reach: Arc<Reach>,
    pub(crate) budget: Budget,
}

impl Ways {
    fn new(aim: Aim, reach: Arc<Reach>) -> Self {
        Self { aim, local: RefCell::default(), reach, budget: Budget::new(Instant::now()) }
    }

    fn leave(&self, gate: &Rc<Gate>) {
        self.local.borrow_mut().retain(|way| !Rc::ptr_eq(&way.gate, gate));
    }
}

/// Whether a workload's bit is set. Places past the last bit have none.
fn is_set(bits: u64, index: u32) -> bool {
    bits.checked_shr(index).is_some_and(|bits| bits & 1 == 1)
}

struct Way {
    gate: Rc<Gate>,
    /// The workload's place in that gate's hello.
    index: u32,
}

/// A request on its way to a gate.
pub(crate) struct Sent {
    pub(crate) stream: Stream,
    pub(crate) place: Place,
    /// Bytes of the body that went with it; its end went along only if all did.
    pub(crate) taken: usize,
    pub(crate) gate: GateId,
}

/// Why no stream was opened on this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Miss {
    /// No gate here.
    None,
    /// Gates are here and all are as busy as they may be, at least with this client.
    Busy,
    /// No tunnel carries a head this large.
    HeadTooLarge,
}

/// How many tunnels are tried for one stream.
const TRIES: usize = 3;

impl Gates {
    pub(crate) fn new(worker: usize, presence: Arc<Presence>) -> Self {
        Self { worker, presence, routes: RefCell::default(), labelled: RefCell::default(), all: RefCell::default() }
    }

    /// The ways to a workload, none yet perhaps. Bounded by the workloads a snapshot may hold.
    pub(crate) fn ways(&self, workload: WorkloadId) -> Rc<Ways> {
        let mut routes = self.routes.borrow_mut();
        let ways = routes.entry(workload).or_insert_with(|| {
            let reach = self.presence.reach(workload);
            Rc::new(Ways::new(workload.into(), reach))
        });
        Rc::clone(ways)
    }

    /// The ways to where a request is to go; `None` for a label that nobody wears.
    pub(crate) fn ways_to(&self, aim: &Aim) -> Option<Rc<Ways>> {
        if aim.label.is_none() {
            return Some(self.ways(aim.workload));
        }
        let reach = self.presence.labels.reach(aim)?;
        let mut labelled = self.labelled.borrow_mut();
        if let Some(ways) = labelled.get(aim)
            && Arc::ptr_eq(&ways.reach, &reach)
        {
            return Some(Rc::clone(ways));
        }
        let is_there = |aim: &Aim, ways: &Ways| {
            self.presence.labels.reach(aim).is_some_and(|reach| Arc::ptr_eq(&ways.reach, &reach))
        };
        labelled.retain(|aim, ways| is_there(aim, ways));
        let ways = Rc::new(Ways::new(aim.clone(), reach));
        labelled.insert(aim.clone(), Rc::clone(&ways));
        Some(ways)
    }

    /// The same, if a gate is connected there, be its workload well or not.
    pub(crate) fn known(&self, aim: &Aim) -> Option<Rc<Ways>> {
        self.ways_to(aim).filter(|ways| ways.reach.is_known())
    }

    /// The same, if a gate takes requests there now.
    pub(crate) fn manned(&self, aim: &Aim) -> Option<Rc<Ways>> {
        self.ways_to(aim).filter(|ways| ways.reach.gates() > 0)
    }

    /// A new tunnel: from now on it is offered requests.
    pub(crate) fn join(&self, gate: Gate) -> Rc<Gate> {
        let gate = Rc::new(gate);
        for (index, serves) in (0..).zip(&gate.serves) {
            let Some(ways) = self.ways_to(&serves.aim) else { continue };
            ways.local.borrow_mut().push(Way { gate: Rc::clone(&gate), index });
            ways.reach.join(self.worker, gate.id);
        }
        gate.offered.set(true);
        self.all.borrow_mut().push(Rc::clone(&gate));
        gate
    }

    /// The tunnel is no more.
    pub(crate) fn part(&self, gate: &Rc<Gate>) {
        self.withdraw(gate);
        self.all.borrow_mut().retain(|one| !Rc::ptr_eq(one, gate));
    }

    /// The tunnel takes no more requests. What it has in flight goes on.
    pub(crate) fn withdraw(&self, gate: &Rc<Gate>) {
        if !gate.offered.replace(false) {
            return;
        }
        let unwell = gate.unwell.get();
        for (index, serves) in (0..).zip(&gate.serves) {
            let Some(ways) = self.ways_to(&serves.aim) else { continue };
            if is_set(unwell, index) {
                ways.reach.part_unwell(gate.id);
            } else {
                ways.leave(gate);
                ways.reach.part(self.worker, gate.id);
            }
        }
    }

    /// The gate says which of its workloads are not well: it is taken off the ways to these, and put on those to the
    /// others again.
    pub(crate) fn heed(&self, gate: &Rc<Gate>, unwell: u64) {
        let before = gate.unwell.replace(unwell);
        if !gate.offered.get() {
            return;
        }
        for (index, serves) in (0..).zip(&gate.serves) {
            let Some(ways) = self.ways_to(&serves.aim) else { continue };
            match (is_set(before, index), is_set(unwell, index)) {
                (false, true) => {
                    ways.leave(gate);
                    // In this order, so that nobody finds no gate at all in between.
                    ways.reach.join_unwell(gate.id);
                    ways.reach.part(self.worker, gate.id);
                }
                (true, false) => {
                    ways.local.borrow_mut().push(Way { gate: Rc::clone(gate), index });
                    ways.reach.join(self.worker, gate.id);
                    ways.reach.part_unwell(gate.id);
                }
                _ => {}
            }
        }
    }

    /// The gates here to which a request may go, and whether each takes another request of the client.
    pub(crate) fn loads(&self, aim: &Aim, client: IpAddr, worker: usize) -> Vec<GateLoad> {
        let Some(ways) = self.manned(aim) else { return Vec::new() };
        let load = |way: &Way| GateLoad {
            gate: way.gate.id,
            worker,
            in_flight: way.gate.places.working(),
            is_free: way.gate.places.is_free_for(Client::of(client)) && way.gate.session.is_open(),
        };
        ways.local.borrow().iter().map(load).collect()
    }

    /// Every tunnel of this worker.
    pub(crate) fn all(&self) -> Vec<Rc<Gate>> {
        self.all.borrow().clone()
    }

    /// Opens a stream to a gate on this worker, to any but `avoid`.
    #[inline]
    pub(crate) fn open(
        &self,
        ways: &Ways,
        avoid: Option<GateId>,
        context: &Context,
        head: &RequestHead,
        options: &OpenOptions<'_>,
    ) -> Result<Sent, Miss> {
        let local = ways.local.borrow();
        let client = Client::of(context.client.ip());
        let usable = |at: usize| {
            let gate = &local.get(at)?.gate;
            let free = gate.places.is_free_for(client) && Some(gate.id) != avoid;
            (free && gate.session.is_open()).then(|| gate.places.working())
        };
        let mut busy = false;
        // A tunnel may find only now that it is full or dead; then another is looked at.
        for _ in 0..TRIES {
            let chosen = pick::least_of_two(local.len(), mezu_runtime::random::next_u64(), usable);
            let Some(way) = chosen.and_then(|at| local.get(at)) else { break };
            match way.gate.session.open(context, head, way.index, *options) {
                Ok((stream, taken)) => {
                    return Ok(Sent { stream, place: way.gate.places.take(client), taken, gate: way.gate.id });
                }
                Err(OpenError::HeadTooLarge) => return Err(Miss::HeadTooLarge),
                Err(OpenError::TooManyStreams | OpenError::Congested) => busy = true,
                Err(OpenError::Dead | OpenError::Draining | OpenError::Role) => {}
            }
        }
        let full = |way: &Way| way.gate.session.is_open() && Some(way.gate.id) != avoid;
        Err(if busy || local.iter().any(full) { Miss::Busy } else { Miss::None })
    }
}
