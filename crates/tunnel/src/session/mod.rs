//! A tunnel in use: one task per session drives the protocol; streams are handles into its state.
//!
//! The driver is the only reader and writer of the carrier. A stream's operation that makes output wakes it; the
//! runtime runs what was ready before, so that the frames of many requests share one TLS record and one write. Reading
//! goes on while a write waits for the socket: two ends that both wait to write can always read.

mod driver;
mod state;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use mezu_model::{Context, GateId, RequestHead};
use mezu_runtime::{Scope, spawn_local};
use mezu_tunnel_proto::{
    Config, Connection, Death, OpenError, OpenOptions, Role,
    hello::{Refused, RefusedCode},
};

pub use self::stream::Stream;
use self::{driver::Driver, state::State};
use crate::carrier::Carrier;

/// One tunnel. Clones name the same one, and so does every stream of it; with the last of them it closes. It lives on
/// one thread.
#[derive(Clone)]
pub struct Session(Rc<Shared>);

struct Shared {
    gate_id: GateId,
    state: RefCell<State>,
}

impl Session {
    pub(crate) fn edge(carrier: Carrier, input: BytesMut, gate: GateId, config: Config, scope: &Scope) -> Self {
        Self::start(Role::Edge, carrier, input, gate, config, scope)
    }

    pub(crate) fn gate(carrier: Carrier, input: BytesMut, gate: GateId, config: Config, scope: &Scope) -> Self {
        Self::start(Role::Gate, carrier, input, gate, config, scope)
    }

    fn start(role: Role, carrier: Carrier, input: BytesMut, gate_id: GateId, config: Config, scope: &Scope) -> Self {
        let connection = Connection::new(role, config, state::now());
        let shared = Rc::new(Shared { gate_id, state: RefCell::new(State::new(connection)) });
        let driver = Driver::new(shared.clone(), carrier, input);
        spawn_local(scope, "tunnel session", driver.run());
        Self(shared)
    }

    /// Alive, not draining, and the peer answered when it was last asked.
    pub fn is_open(&self) -> bool {
        self.0.state.borrow().is_open()
    }

    /// Streams that are open.
    pub fn in_flight(&self) -> usize {
        self.0.state.borrow().connection.in_flight()
    }

    /// The smoothed round trip, once one was measured.
    pub fn rtt(&self) -> Option<Duration> {
        self.0.state.borrow().connection.rtt()
    }

    pub fn gate_id(&self) -> GateId {
        self.0.gate_id
    }

    /// How long the peer has owed a sign of life: zero unless it was asked and has not answered.
    pub fn silent_for(&self) -> Duration {
        self.0.state.borrow().connection.silent_for(state::now())
    }

    /// When the last bytes came.
    pub fn last_heard(&self) -> Instant {
        self.0.state.borrow().connection.last_heard()
    }

    /// Sends a request (edge only). Also says how many of the inline bytes went with it; the rest, and END, are for
    /// [`Stream::poll_send`]. An error means that nothing was sent.
    pub fn open(
        &self,
        context: &Context,
        head: &RequestHead,
        workload: u32,
        options: OpenOptions<'_>,
    ) -> Result<(Stream, usize), OpenError> {
        let (id, taken) = self.0.state.borrow_mut().open(context, head, workload, options)?;
        Ok((Stream::new(self.clone(), id), taken))
    }

    /// The next request (gate only); `None` when no more will come.
    pub async fn accept(&self) -> Option<Stream> {
        poll_fn(|cx| self.0.state.borrow_mut().poll_accept(cx)).await.map(|id| Stream::new(self.clone(), id))
    }

    /// Says which of its workloads shall get no requests from now on (gate only): bit *n* for that at place *n*.
    pub fn tell_health(&self, unwell: u64) {
        self.0.state.borrow_mut().tell_health(unwell);
    }

    /// Waits until the gate says that others than `known` are unwell, and says which (edge only); `None` at the end.
    pub async fn unwell(&self, known: u64) -> Option<u64> {
        poll_fn(|cx| self.0.state.borrow_mut().poll_unwell(cx, known)).await
    }

    /// No new streams from now on; those that are open finish, then the session closes.
    pub fn drain(&self) {
        self.0.state.borrow_mut().drain();
    }

    /// Ends it now and tells the peer why; open streams fail.
    pub fn close(&self, why: &Refused) {
        self.0.state.borrow_mut().close(why);
    }

    /// Waits until either side drains, or the end: time to have another session take over.
    pub async fn draining(&self) {
        poll_fn(|cx| self.0.state.borrow_mut().poll_draining(cx)).await;
    }

    /// Waits for the end and says why.
    pub async fn closed(&self) -> Death {
        poll_fn(|cx| match self.0.state.borrow_mut().poll_closed(cx) {
            Some(death) => Poll::Ready(death),
            None => Poll::Pending,
        })
        .await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // This handle and the driver's.
        if Rc::strong_count(&self.0) == 2
            && let Ok(mut state) = self.0.state.try_borrow_mut()
        {
            state.close(&Refused::new(RefusedCode::Draining, "nobody uses this tunnel any more"));
        }
    }
}
