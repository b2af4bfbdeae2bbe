//! What streams and driver share. Borrowed for the length of one call, never across an await.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use mezu_model::{Context as RequestContext, RequestHead};
use mezu_tunnel_proto::{Connection, Death, Event, OpenError, OpenOptions, StreamId, hello::Refused};

/// Silence after which a peer that was asked counts as slow.
const PATIENCE: Duration = Duration::from_millis(300);

pub(super) struct State {
    pub(super) connection: Connection,
    pub(super) driver: Option<Waker>,
    driver_sleeps: bool,
    /// By slot.
    streams: Vec<Wakers>,
    accepted: VecDeque<StreamId>,
    acceptor: Option<Waker>,
    drain_asked: bool,
    replacement_asked: bool,
    drained: bool,
    death: Option<Death>,
    mourners: Vec<Waker>,
    /// Scratch for waking outside the loop over events.
    woken: Vec<Waker>,
}

/// Who waits on the stream that holds a slot.
#[derive(Default)]
struct Wakers {
    wire: u32,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

/// One clock for all, so that tests may stop it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl State {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            driver: None,
            driver_sleeps: false,
            streams: Vec::new(),
            accepted: VecDeque::new(),
            acceptor: None,
            drain_asked: false,
            replacement_asked: false,
            drained: false,
            death: None,
            mourners: Vec::new(),
            woken: Vec::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        // A gate far away may take its time; one that takes several round trips is not given new requests.
        let patience = self.connection.rtt().map_or(PATIENCE, |rtt| PATIENCE.max(rtt * 3));
        self.death.is_none() && !self.connection.is_draining() && self.connection.silent_for(now()) < patience
    }

    /// Whether the drain is complete: then the session ends when its output is written.
    pub(super) fn is_drained(&self) -> bool {
        self.drained && !self.connection.wants_write()
    }

    /// Output may have been made: the driver shall write it after the tasks that are ready now.
    pub(super) fn touch(&mut self) {
        if std::mem::take(&mut self.driver_sleeps)
            && let Some(driver) = &self.driver
        {
            driver.wake_by_ref();
        }
    }

    /// The driver sleeps until [`State::touch`] or its socket or timer wakes it.
    pub(super) fn park_driver(&mut self, cx: &Context<'_>) {
        self.driver_sleeps = true;
        set(&mut self.driver, cx);
    }

    pub(super) fn ended(&self) -> Result<(), Death> {
        self.death.clone().map_or(Ok(()), Err)
    }

    pub(super) fn open(
        &mut self,
        context: &RequestContext,
        head: &RequestHead,
        workload: u32,
        options: OpenOptions<'_>,
    ) -> Result<(StreamId, usize), OpenError> {
        let opened = self.connection.open(context, head, workload, options)?;
        self.touch();
        Ok(opened)
    }

    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<StreamId>> {
        if let Some(id) = self.accepted.pop_front() {
            return Poll::Ready(Some(id));
        }
        if self.death.is_some() {
            return Poll::Ready(None);
        }
        self.acceptor = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Option<Death> {
        if self.death.is_none() {
            self.mourners.retain(|waker| !waker.will_wake(cx.waker()));
            self.mourners.push(cx.waker().clone());
        }
        self.death.clone()
    }

    pub(super) fn poll_draining(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.connection.is_draining() || self.replacement_asked || self.poll_closed(cx).is_some() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// The workloads that are not well, once these are others than `known`; `None` when the session has ended.
    pub(super) fn poll_unwell(&mut self, cx: &mut Context<'_>, known: u64) -> Poll<Option<u64>> {
        if self.poll_closed(cx).is_some() {
            return Poll::Ready(None);
        }
        let unwell = self.connection.unwell();
        if unwell == known { Poll::Pending } else { Poll::Ready(Some(unwell)) }
    }

    pub(super) fn tell_health(&mut self, unwell: u64) {
        self.connection.tell_health(unwell);
        self.touch();
    }

    pub(super) fn drain(&mut self) {
        if !self.drain_asked {
            self.drain_asked = true;
            self.connection.drain();
            self.mourners.drain(..).for_each(Waker::wake);
            self.touch();
        }
    }

    /// [`State::poll_draining`] says so, but requests are still taken.
    pub(super) fn ask_replacement(&mut self) {
        if !self.replacement_asked {
            self.replacement_asked = true;
            self.mourners.drain(..).for_each(Waker::wake);
        }
    }

    pub(super) fn close(&mut self, why: &Refused) {
        self.connection.close(why);
        // Whoever waits hears it now: a peer that does not read keeps the driver from telling them.
        self.dispatch();
        self.touch();
    }

    pub(super) fn wait_to_receive(&mut self, id: StreamId, cx: &Context<'_>) {
        if let Some(wakers) = self.wakers(id) {
            set(&mut wakers.receiver, cx);
        }
    }

    pub(super) fn wait_to_send(&mut self, id: StreamId, cx: &Context<'_>) {
        if let Some(wakers) = self.wakers(id) {
            set(&mut wakers.sender, cx);
        }
    }

    fn wakers(&mut self, id: StreamId) -> Option<&mut Wakers> {
        if id.slot() >= self.streams.len() {
            self.streams.resize_with(id.slot() + 1, Wakers::default);
        }
        let wakers = self.streams.get_mut(id.slot())?;
        if wakers.wire != id.wire() {
            *wakers = Wakers { wire: id.wire(), ..Wakers::default() };
        }
        Some(wakers)
    }

    fn waiting(&mut self, id: StreamId) -> Option<&mut Wakers> {
        self.streams.get_mut(id.slot()).filter(|wakers| wakers.wire == id.wire())
    }

    pub(super) fn forget(&mut self, id: StreamId) {
        if let Some(wakers) = self.waiting(id) {
            *wakers = Wakers::default();
        }
    }

    /// Turns the protocol's events into wake-ups. Returns how many tasks are to run.
    pub(super) fn dispatch(&mut self) -> usize {
        let mut woken = 0;
        while let Some(event) = self.connection.poll_event() {
            let waker = match event {
                Event::Opened(id) => {
                    self.accepted.push_back(id);
                    self.acceptor.take()
                }
                Event::Readable(id) => self.waiting(id).and_then(|wakers| wakers.receiver.take()),
                Event::Writable(id) => self.waiting(id).and_then(|wakers| wakers.sender.take()),
                Event::Health | Event::Draining => {
                    self.mourners.drain(..).for_each(Waker::wake);
                    None
                }
                Event::Drained => {
                    self.drained = true;
                    None
                }
                Event::Dead => {
                    self.die(self.connection.death().cloned().unwrap_or(Death::Closed));
                    None
                }
            };
            if let Some(waker) = waker {
                waker.wake();
                woken += 1;
            }
        }
        woken
    }

    /// The end: everybody who waits is told.
    pub(super) fn die(&mut self, death: Death) {
        if self.death.is_some() {
            return;
        }
        self.connection.handle_closed();
        self.death = Some(death);
        for wakers in self.streams.drain(..) {
            self.woken.extend(wakers.receiver);
            self.woken.extend(wakers.sender);
        }
        self.woken.extend(self.acceptor.take());
        self.woken.append(&mut self.mourners);
        self.woken.drain(..).for_each(Waker::wake);
    }
}

fn set(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}
