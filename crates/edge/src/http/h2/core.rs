//! What the frames of one connection add up to: streams, windows, and the bytes to send.
//!
//! Pure but for wakers: bytes go in by [`super::receive`], requests' tasks act through [`super::exchange`], frames
//! gather in one buffer. Must never: grow by what a client sends beyond its windows, or answer more to a hostile
//! client than its budgets allow.

use std::rc::Rc;

use mezu_model::{Headers, Limits, RequestHead};
use mezu_tunnel::proto::ByteBudget;
use slab::Slab;

use super::{
    frame::{self, DEFAULT_WINDOW, HEADER, MAX_PAYLOAD, Reason, setting},
    head::Fault,
    meter::Meter,
    spare,
    stream::Stream,
    windows::Windows,
};
use crate::http::{ClientGone, hpack};

/// With so much to send, streams wait; with so much, nothing more is read.
pub(super) const OUT_SOFT: usize = 64 * 1024;
pub(super) const OUT_HARD: usize = 128 * 1024;
/// So many streams of a connection may each rest with a usual window of a tunnel unread.
const WIDE_STREAMS: usize = 16;
/// The first window that a client gives by default (RFC 9113 §6.5.2).
const USUAL_WINDOW: i64 = 65_535;
/// What we let a client's encoder use.
const TABLE: usize = 4096;
/// Streams that we have reset and for which frames may still be under way.
const REMEMBERED: usize = 128;

pub(super) struct Core {
    pub(super) out: Vec<u8>,
    /// How much of `out` has left.
    pub(super) sent: usize,
    /// Changes whenever `out` starts anew.
    round: u32,
    pub(super) streams: Slab<Stream>,
    /// Ids of the streams that the protocol regards as open, ascending, with their keys.
    open: Vec<(u32, usize)>,
    pub(super) last_id: u32,
    reset_by_us: [u32; REMEMBERED],
    reset_at: usize,
    provoked: u32,
    /// Streams refused in all, and since somebody asked.
    pub(super) refused: u32,
    pub(super) refused_now: u32,
    /// The last GOAWAY is written: nothing may follow it.
    dead: bool,
    pub(super) send_window: i64,
    pub(super) windows: Windows,
    /// What windows may grow from.
    pub(super) memory: Option<ByteBudget>,
    pub(super) client: ClientSettings,
    pub(super) decoder: hpack::Decoder,
    pub(super) meter: Meter,
    /// Streams that wait for the connection's window or for room in `out`.
    queue: Vec<usize>,
    pub(super) incoming: Vec<Incoming>,
    pub(super) receive: super::receive::Progress,
    pub(super) leaving: Leaving,
    pub(super) limits: Rc<Limits>,
}

/// What the client has set, as far as it concerns us.
pub(super) struct ClientSettings {
    pub(super) window: i64,
    pub(super) max_payload: usize,
    /// We owe its decoder the word that we use no table.
    pub(super) table_word_due: bool,
}

/// A request whose head has come.
pub(super) struct Incoming {
    pub(super) key: usize,
    pub(super) head: RequestHead,
    pub(super) spare: String,
    pub(super) length: Result<Option<u64>, Fault>,
}

/// GOAWAY in two steps (RFC 9113 §6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    /// Said with the highest id there is, so that requests on their way are still taken; waits for a PING to return.
    Announced,
    /// Said with the last id that is served.
    Final(u32),
}

/// The payload of the PING that follows the first GOAWAY.
pub(super) const LEAVING_PING: [u8; 8] = *b"mezuleav";

impl Core {
    pub(super) fn new(limits: Rc<Limits>, memory: Option<ByteBudget>) -> Self {
        let mut core = Self {
            out: Vec::new(),
            sent: 0,
            round: 0,
            streams: Slab::new(),
            open: Vec::new(),
            last_id: 0,
            reset_by_us: [0; REMEMBERED],
            reset_at: 0,
            provoked: 0,
            refused: 0,
            refused_now: 0,
            dead: false,
            send_window: DEFAULT_WINDOW,
            windows: Windows::new(limits.h2_connection_window),
            memory,
            client: ClientSettings { window: DEFAULT_WINDOW, max_payload: MAX_PAYLOAD, table_word_due: true },
            decoder: hpack::Decoder::new(TABLE),
            meter: Meter::new(&limits),
            queue: Vec::new(),
            incoming: Vec::new(),
            receive: super::receive::Progress::default(),
            leaving: Leaving::No,
            limits,
        };
        core.greet();
        core
    }

    fn greet(&mut self) {
        let list_size = u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX);
        frame::settings(
            &mut self.out,
            &[
                (setting::MAX_CONCURRENT_STREAMS, self.limits.concurrent_streams),
                (setting::INITIAL_WINDOW_SIZE, self.limits.h2_stream_window),
                (setting::MAX_HEADER_LIST_SIZE, list_size),
                (setting::ENABLE_CONNECT_PROTOCOL, 1),
            ],
        );
        let more = self.limits.h2_connection_window.saturating_sub(65_535);
        if more > 0 {
            frame::window_update(&mut self.out, 0, more);
        }
    }

    /// A turn begins or ends: the buffer is lent.
    pub(super) fn take_buffer(&mut self) {
        spare::lend_out(&mut self.out);
    }

    pub(super) fn keep_buffer(&mut self) {
        if self.out.is_empty() {
            spare::take_back_out(&mut self.out);
        }
    }

    pub(super) fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// The socket took `n` bytes.
    pub(super) fn sent(&mut self, n: usize) {
        self.sent += n;
        self.meter.sent(n);
    }

    /// The socket took everything: there is room again.
    pub(super) fn all_sent(&mut self) {
        self.out.clear();
        self.sent = 0;
        self.round = self.round.wrapping_add(1);
        // With the connection's window shut they would only come back here, for ever.
        if self.send_window > 0 && !self.queue.is_empty() {
            self.wake_queue();
        }
    }

    /// The open stream with this id.
    pub(super) fn find(&self, id: u32) -> Option<usize> {
        let at = self.open.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.open.get(at).map(|(_, key)| *key)
    }

    pub(super) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// A new stream; its id is above all before.
    pub(super) fn open(&mut self, id: u32) -> usize {
        let stream = Stream::new(id, self.limits.h2_stream_window, self.client.window);
        let key = self.streams.insert(stream);
        self.open.push((id, key));
        key
    }

    /// The protocol is done with a stream; its task may not be.
    pub(super) fn close(&mut self, id: u32) {
        if let Ok(at) = self.open.binary_search_by_key(&id, |(id, _)| *id) {
            self.open.remove(at);
        }
    }

    /// Sends RST_STREAM and closes.
    pub(super) fn reset(&mut self, id: u32, reason: Reason) {
        if !self.dead {
            frame::reset(&mut self.out, id, reason);
        }
        if let Some(slot) = self.reset_by_us.get_mut(self.reset_at % REMEMBERED) {
            *slot = id;
        }
        self.reset_at = self.reset_at.wrapping_add(1);
        self.close(id);
    }

    pub(super) fn was_reset_by_us(&self, id: u32) -> bool {
        self.reset_by_us.contains(&id)
    }

    /// Resets a stream for what the client did to it. Too many of these end the connection (threat 7: MadeYouReset).
    pub(super) fn provoked_reset(&mut self, id: u32, reason: Reason, gone: ClientGone) -> Result<(), Reason> {
        if let Some(stream) = self.find(id).and_then(|key| self.streams.get_mut(key)) {
            stream.received_all = true;
            stream.sent_all = true;
            stream.fail(gone);
        }
        self.reset(id, reason);
        self.provoked += 1;
        self.check_provoked()
    }

    /// Whether the client may go on after the resets that it has provoked.
    pub(super) fn check_provoked(&self) -> Result<(), Reason> {
        if self.provoked > self.limits.server_resets { Err(Reason::Calm) } else { Ok(()) }
    }

    /// Forgets a stream whose head was malformed. That counts as a reset which the client has provoked; with the next
    /// head it sends it may be too many.
    pub(super) fn forget_malformed(&mut self, key: usize) {
        self.provoked += 1;
        self.forget(key, Reason::Protocol);
    }

    /// The client has closed the connection: nobody waits for the answers any more.
    pub(super) fn client_left(&mut self) {
        for (_, stream) in &mut self.streams {
            stream.fail(ClientGone::Closed);
        }
    }

    /// A task is done with a stream: what it did not read is forgotten, what the client still sends is refused.
    pub(super) fn forget(&mut self, key: usize, unfinished: Reason) {
        let Some(mut stream) = self.streams.try_remove(key) else { return };
        self.credit_connection(stream.buffered());
        self.close_window(&mut stream.window, stream.received_all);
        match (stream.sent_all, stream.received_all) {
            (true, true) => self.close(stream.id),
            // The answer is whole; the rest of the request is not wanted (RFC 9113 §8.1).
            (true, false) => self.reset(stream.id, Reason::NoError),
            (false, _) => self.reset(stream.id, unfinished),
        }
    }

    /// How much a stream may send now.
    pub(super) fn room(&self, key: usize) -> usize {
        let Some(stream) = self.streams.get(key) else { return 0 };
        let window = usize::try_from(stream.send_window.min(self.send_window)).unwrap_or(0);
        window.min(OUT_SOFT.saturating_sub(self.out.len())).min(self.client.max_payload)
    }

    /// Whether the answer on a stream shall begin with a small window towards its gate: the client takes less than a
    /// usual one, or the streams of this connection that may rest unread in a usual one are enough.
    pub(super) fn takes_little(&self, key: usize) -> bool {
        let window = self.streams.get(key).map_or(0, |stream| stream.send_window.min(self.send_window));
        self.streams.len() > WIDE_STREAMS || window < USUAL_WINDOW
    }

    /// Puts a stream in the queue for what all streams share, unless only its own window is shut.
    pub(super) fn wait(&mut self, key: usize) {
        let shared = self.send_window <= 0 || self.out.len() >= OUT_SOFT;
        if let Some(stream) = self.streams.get_mut(key)
            && shared
            && !std::mem::replace(&mut stream.queued, true)
        {
            self.queue.push(key);
        }
    }

    /// There is room again.
    pub(super) fn wake_queue(&mut self) {
        let mut queue = std::mem::take(&mut self.queue);
        for key in queue.drain(..) {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.queued = false;
                stream.wake_writer();
            }
        }
        self.queue = queue;
    }

    /// Appends a DATA frame. Whether it is the last is said afterwards, by [`Core::end_data`] or trailers.
    pub(super) fn data(&mut self, key: usize, data: &[u8]) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let n = i64::try_from(data.len()).unwrap_or(i64::MAX);
        stream.send_window -= n;
        self.send_window -= n;
        stream.last_data = Some((self.round, self.out.len()));
        frame::write(&mut self.out, frame::DATA, 0, stream.id, data);
    }

    /// Ends a stream: by its last DATA frame if that has not left, else by an empty one.
    pub(super) fn end_data(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.sent_all = true;
        if let Some((round, at)) = stream.last_data
            && round == self.round
            && at >= self.sent
            && let Some(flags) = self.out.get_mut(at + HEADER - 5)
        {
            *flags |= frame::END_STREAM;
            return;
        }
        frame::write(&mut self.out, frame::DATA, frame::END_STREAM, stream.id, &[]);
    }

    /// Appends a header block.
    pub(super) fn headers(&mut self, key: usize, end: bool, encode: impl FnOnce(&mut Vec<u8>)) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.sent_all |= end;
        let word = std::mem::take(&mut self.client.table_word_due);
        frame::header_block(&mut self.out, stream.id, end, self.client.max_payload, |block| {
            if word {
                hpack::table_size_zero(block);
            }
            encode(block);
        });
    }

    /// First step of leaving.
    pub(super) fn announce_leave(&mut self) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Announced;
            frame::go_away(&mut self.out, u32::MAX >> 1, Reason::NoError);
            frame::write(&mut self.out, frame::PING, 0, 0, &LEAVING_PING);
        }
    }

    /// Second step: nothing above this id is served.
    pub(super) fn leave(&mut self) {
        if self.leaving == Leaving::Announced {
            self.leaving = Leaving::Final(self.last_id);
            frame::go_away(&mut self.out, self.last_id, Reason::NoError);
        }
    }

    /// The client has broken the rules of the connection.
    pub(super) fn die(&mut self, reason: Reason) {
        self.dead = true;
        frame::go_away(&mut self.out, self.last_id, reason);
    }

    /// Applies a changed initial window to all streams (RFC 9113 §6.9.2).
    pub(super) fn change_window(&mut self, window: i64) -> Result<(), Reason> {
        let change = window - self.client.window;
        self.client.window = window;
        for (_, stream) in &mut self.streams {
            stream.send_window += change;
            if stream.send_window > frame::MAX_WINDOW {
                return Err(Reason::FlowControl);
            }
            if change > 0 {
                stream.wake_writer();
            }
        }
        Ok(())
    }
}

/// The end of a request's body on the wire.
pub(super) fn finish_receiving(stream: &mut Stream, trailers: Option<Headers>) {
    stream.received_all = true;
    stream.trailers = trailers.filter(|t| !t.is_empty());
    stream.wake_reader();
}
