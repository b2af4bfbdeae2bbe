//! What a client may still send: windows, how they open again, and how they follow its line.
//!
//! A window of 64 KiB lets a client send 64 KiB per round trip, which is little on a long line. So once in a while a
//! PING goes out ahead of a WINDOW_UPDATE. When it comes back the client has not acted on the update yet; if it has
//! used up all it had before, and the request's reader has nothing left to read, the window is what holds it back,
//! and is doubled. No clock is asked. What a window has beyond its beginning is reserved from the memory that tunnels
//! share, and is not to be had while that is wanted for others.

use mezu_tunnel::proto::Hold;

use super::{
    core::Core,
    frame::{self, Reason},
    receive::Done,
    stream::Stream,
};

/// The payload of a PING that asks whether a window is used up.
pub(super) const PROBE_PING: [u8; 8] = *b"mezuwind";
/// Updates without a probe after one that found room left, at most: doubled each time.
const MOST_SKIPPED: u32 = 63;

/// The connection's side of it.
#[derive(Debug)]
pub(super) struct Windows {
    /// What the client may still send on all streams together, and what it has not been told that it may.
    pub(super) left: i64,
    untold: u32,
    /// What streams that are gone had beyond their beginning, and the client still has of the connection: taken back
    /// from what is told next, and reserved until then.
    surplus: Option<Hold>,
    probe: Option<Probe>,
    skip: u32,
    gap: u32,
    /// What may still come for streams that we have reset.
    stray: u64,
}

#[derive(Debug)]
struct Probe {
    stream: u32,
    /// How many bytes the stream had brought when all that the client could know of was used up.
    spent_at: u64,
}

/// A stream's side of it.
#[derive(Debug)]
pub(super) struct StreamWindow {
    /// What the client may still send.
    pub(super) left: i64,
    untold: u32,
    size: u32,
    /// What it has sent.
    received: u64,
    hold: Option<Hold>,
}

impl Windows {
    pub(super) fn new(size: u32) -> Self {
        Self { left: i64::from(size), untold: 0, surplus: None, probe: None, skip: 0, gap: 0, stray: 0 }
    }
}

impl StreamWindow {
    pub(super) fn new(size: u32) -> Self {
        Self { left: i64::from(size), untold: 0, size, received: 0, hold: None }
    }

    /// Counts a frame's payload.
    pub(super) fn receive(&mut self, length: i64) {
        self.left -= length;
        self.received += length.unsigned_abs();
    }
}

impl Core {
    /// The task took `n` bytes of its request: the windows open again, told in large steps.
    pub(super) fn taken(&mut self, key: usize, n: usize) {
        self.credit_connection(n);
        self.credit_stream(key, n);
    }

    /// Received bytes of a stream that no longer take room.
    pub(super) fn credit_stream(&mut self, key: usize, n: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if stream.received_all {
            return;
        }
        let window = &mut stream.window;
        window.untold += u32::try_from(n).unwrap_or(0);
        if window.untold < window.size / 2 {
            return;
        }
        let untold = std::mem::take(&mut window.untold);
        let (id, spent_at) = (stream.id, window.received + window.left.unsigned_abs());
        window.left += i64::from(untold);
        if window.size < self.limits.h2_stream_window_max {
            self.probe(id, spent_at);
        }
        frame::window_update(&mut self.out, id, untold);
    }

    /// Received bytes that no longer take room.
    pub(super) fn credit_connection(&mut self, n: usize) {
        let windows = &mut self.windows;
        windows.untold += u32::try_from(n).unwrap_or(0);
        if windows.untold < self.limits.h2_connection_window / 2 {
            return;
        }
        let mut untold = std::mem::take(&mut windows.untold);
        if let Some(surplus) = &mut windows.surplus {
            let back = untold.min(u32::try_from(surplus.size()).unwrap_or(u32::MAX));
            untold -= back;
            surplus.give_back(back as usize);
            windows.surplus.take_if(|surplus| surplus.size() == 0);
        }
        if untold > 0 {
            windows.left += i64::from(untold);
            frame::window_update(&mut self.out, 0, untold);
        }
    }

    /// Asks whether a stream's window is used up, if it is time to.
    fn probe(&mut self, stream: u32, spent_at: u64) {
        let windows = &mut self.windows;
        if windows.probe.is_some() {
            return;
        }
        if windows.skip > 0 {
            windows.skip -= 1;
            return;
        }
        windows.probe = Some(Probe { stream, spent_at });
        frame::write(&mut self.out, frame::PING, 0, 0, &PROBE_PING);
    }

    /// The PING came back.
    pub(super) fn probed(&mut self) {
        let Some(probe) = self.windows.probe.take() else { return };
        // It was asked for, and costs the client nothing.
        self.meter.excuse_control();
        let spent = |stream: &Stream| {
            let window = &stream.window;
            // Clients do not send crumbs to use up the last of it.
            let near = window.received + u64::from(window.size / 8) >= probe.spent_at;
            near && stream.is_empty() && !stream.received_all
        };
        let Some(key) = self.find(probe.stream) else { return };
        if self.streams.get(key).is_some_and(spent) {
            (self.windows.gap, self.windows.skip) = (0, 0);
            self.widen(key);
        } else {
            let gap = (2 * self.windows.gap + 1).min(MOST_SKIPPED);
            (self.windows.gap, self.windows.skip) = (gap, gap);
        }
    }

    /// Doubles a stream's window, and lets the connection's follow, as far as there is memory.
    fn widen(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let window = &mut stream.window;
        let size = window.size.saturating_mul(2).min(self.limits.h2_stream_window_max);
        let more = size - window.size;
        let whole = (size - self.limits.h2_stream_window) as usize;
        let Some(hold) = self.memory.as_ref().and_then(|memory| memory.hold(whole)) else { return };
        (window.hold, window.size) = (Some(hold), size);
        window.left += i64::from(more);
        frame::window_update(&mut self.out, stream.id, more);
        self.windows.left += i64::from(more);
        frame::window_update(&mut self.out, 0, more);
    }

    /// A stream is closed for what the client may still send: from here on that is for nobody.
    pub(super) fn close_window(&mut self, window: &mut StreamWindow, received_all: bool) {
        match (&mut self.windows.surplus, window.hold.take()) {
            (Some(surplus), Some(hold)) => surplus.join(hold),
            (surplus @ None, hold) => *surplus = hold,
            (Some(_), None) => {}
        }
        if !received_all {
            self.windows.stray += u64::try_from(window.left).unwrap_or(0);
        }
    }

    /// Data for a stream that we have reset. The client may not have known it, for as long as it keeps within the
    /// window that it had.
    pub(super) fn stray_data(&mut self, n: usize) -> Done {
        let left = self.windows.stray.checked_sub(n as u64);
        self.windows.stray = left.ok_or(Reason::Calm)?;
        Ok(())
    }

    /// A stream was refused before it was opened.
    pub(super) fn refused_window(&mut self) {
        self.windows.stray += u64::from(self.limits.h2_stream_window);
    }
}
