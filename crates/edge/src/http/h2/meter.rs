//! Counts what a client sends beside requests and data (threats 7, 8).
//!
//! Reads frame headers as they pass, nothing else. The h2 crate has bounds of its own; these are tighter, per
//! second, and count what it does not: PING, SETTINGS, PRIORITY, unknown frames, empty DATA, WINDOW_UPDATE out of
//! proportion, and every RST_STREAM the client sends.

use std::time::Duration;

use mezu_model::Limits;
use tokio::time::Instant;

const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Control frames per second.
const CONTROL_PER_SECOND: u32 = 200;
/// One WINDOW_UPDATE more for each so many bytes that we sent.
const BYTES_PER_UPDATE: u64 = 1024;
/// CONTINUATION frames in one header block.
const MAX_CONTINUATIONS: u32 = 5;

#[derive(Debug)]
pub(super) struct Meter {
    /// Bytes to pass over before the next frame header.
    skip: usize,
    header: [u8; 9],
    have: usize,
    requests: u32,
    resets: u32,
    resets_in_window: u32,
    window_since: Option<Instant>,
    control: u32,
    second_since: Option<Instant>,
    updates: u64,
    bytes_sent: u64,
    continuations: u32,
    max_resets: u32,
    reset_window: Duration,
    exceeded: Option<&'static str>,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            skip: PREFACE,
            header: [0; 9],
            have: 0,
            requests: 0,
            resets: 0,
            resets_in_window: 0,
            window_since: None,
            control: 0,
            second_since: None,
            updates: 0,
            bytes_sent: 0,
            continuations: 0,
            max_resets: limits.client_resets,
            reset_window: limits.reset_window,
            exceeded: None,
        }
    }

    /// The budget that is spent, if one is: then nothing more may be read.
    pub(super) fn exceeded(&self) -> Option<&'static str> {
        self.exceeded
    }

    pub(super) fn sent(&mut self, n: usize) {
        self.bytes_sent += n as u64;
    }

    /// Looks at bytes as they come in.
    pub(super) fn observe(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                self.skip -= n;
                bytes = bytes.get(n..).unwrap_or_default();
                continue;
            }
            let n = (self.header.len() - self.have).min(bytes.len());
            if let (Some(to), Some(from)) = (self.header.get_mut(self.have..self.have + n), bytes.get(..n)) {
                to.copy_from_slice(from);
            }
            self.have += n;
            bytes = bytes.get(n..).unwrap_or_default();
            if self.have == self.header.len() {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.header;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.frame(kind, flags);
            }
        }
    }

    fn frame(&mut self, kind: u8, flags: u8) {
        match kind {
            HEADERS => {
                self.requests = self.requests.saturating_add(1);
                self.continuations = 0;
            }
            DATA if self.skip > 0 || flags & 1 == 1 => {}
            RST_STREAM => self.reset(),
            WINDOW_UPDATE => {
                self.updates += 1;
                if self.updates > self.bytes_sent / BYTES_PER_UPDATE + 2 * u64::from(self.requests) + 16 {
                    self.control();
                }
            }
            CONTINUATION => {
                self.continuations += 1;
                if self.continuations > MAX_CONTINUATIONS {
                    self.exceeded = Some("CONTINUATION frames");
                }
            }
            _ => self.control(),
        }
    }

    /// A client that cancels most of what it asks for, or very much of it, wants our work and not our answers.
    fn reset(&mut self) {
        self.resets = self.resets.saturating_add(1);
        if roll(&mut self.window_since, self.reset_window) {
            self.resets_in_window = 0;
        }
        self.resets_in_window += 1;
        let most = self.resets > 50 && self.resets > self.requests / 2;
        if most || self.resets_in_window > self.max_resets {
            self.exceeded = Some("cancelled requests");
        }
    }

    fn control(&mut self) {
        if roll(&mut self.second_since, Duration::from_secs(1)) {
            self.control = 0;
        }
        self.control += 1;
        if self.control > CONTROL_PER_SECOND {
            self.exceeded = Some("control frames");
        }
    }
}

/// Begins a new window when the old one is over.
fn roll(since: &mut Option<Instant>, window: Duration) -> bool {
    let now = Instant::now();
    let over = since.is_none_or(|start| now.duration_since(start) >= window);
    if over {
        *since = Some(now);
    }
    over
}
