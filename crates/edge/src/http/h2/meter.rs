//! Counts what a client sends beside requests and data (threats 7, 8).
//!
//! PING, SETTINGS, PRIORITY, unknown frames, empty DATA, WINDOW_UPDATE out of proportion, CONTINUATION, and every
//! RST_STREAM: each costs a client nothing and us work.

use std::time::Duration;

use mezu_model::Limits;
use tokio::time::Instant;

use super::frame::{self, Head};

/// DATA frames smaller than this, per second, before reading pauses.
const SMALL: usize = 64;
const SMALL_PER_SECOND: u32 = 20_000;
const SECOND: Duration = Duration::from_secs(1);
/// Control frames per second.
const CONTROL_PER_SECOND: u32 = 200;
/// One WINDOW_UPDATE more for each so many bytes that we sent.
const BYTES_PER_UPDATE: u64 = 1024;
/// CONTINUATION frames in one header block.
const MAX_CONTINUATIONS: u32 = 5;

/// A budget is spent: the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent;

#[derive(Debug)]
pub(super) struct Meter {
    requests: u32,
    resets: u32,
    resets_in_window: u32,
    window_since: Option<Instant>,
    control: u32,
    second_since: Option<Instant>,
    small: u32,
    small_since: Option<Instant>,
    updates: u64,
    bytes_sent: u64,
    continuations: u32,
    max_resets: u32,
    reset_window: Duration,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            requests: 0,
            resets: 0,
            resets_in_window: 0,
            window_since: None,
            control: 0,
            second_since: None,
            small: 0,
            small_since: None,
            updates: 0,
            bytes_sent: 0,
            continuations: 0,
            max_resets: limits.client_resets,
            reset_window: limits.reset_window,
        }
    }

    pub(super) fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    pub(super) fn sent(&mut self, n: usize) {
        self.bytes_sent += n as u64;
    }

    /// Counts a frame that came; fails when a budget is spent.
    pub(super) fn frame(&mut self, head: &Head) -> Result<(), Spent> {
        match head.kind {
            frame::HEADERS => {
                self.requests = self.requests.saturating_add(1);
                self.continuations = 0;
                Ok(())
            }
            frame::DATA => Ok(()), // counted by what is in it
            frame::RST_STREAM => self.reset(),
            frame::WINDOW_UPDATE => {
                self.updates += 1;
                if self.updates > self.bytes_sent / BYTES_PER_UPDATE + 2 * u64::from(self.requests) + 16 {
                    return self.control();
                }
                Ok(())
            }
            frame::CONTINUATION => {
                self.continuations += 1;
                if self.continuations > MAX_CONTINUATIONS { Err(Spent) } else { Ok(()) }
            }
            _ => self.control(),
        }
    }

    /// Counts a DATA frame by its bytes without padding.
    pub(super) fn data(&mut self, size: usize, head: &Head) -> Result<(), Spent> {
        if size >= SMALL || head.has(frame::END_STREAM) {
            return Ok(());
        }
        if size == 0 {
            return self.control();
        }
        self.small_data();
        Ok(())
    }

    /// A control frame that we have asked for.
    pub(super) fn excuse_control(&mut self) {
        self.control = self.control.saturating_sub(1);
    }

    /// Until when to read no more: data in tiny frames is honest now and then, but costs much more than it brings.
    pub(super) fn pause(&self) -> Option<Instant> {
        let since = self.small_since.filter(|_| self.small > SMALL_PER_SECOND)?;
        let until = since + SECOND;
        (Instant::now() < until).then_some(until)
    }

    fn small_data(&mut self) {
        // The clock is asked now and then only.
        if (self.small == 0 || self.small > SMALL_PER_SECOND) && roll(&mut self.small_since, SECOND) {
            self.small = 0;
        }
        self.small += 1;
    }

    /// A client that cancels most of what it asks for, or very much of it, wants our work and not our answers.
    fn reset(&mut self) -> Result<(), Spent> {
        self.resets = self.resets.saturating_add(1);
        if roll(&mut self.window_since, self.reset_window) {
            self.resets_in_window = 0;
        }
        self.resets_in_window += 1;
        let most = self.resets > 50 && self.resets > self.requests / 2;
        if most || self.resets_in_window > self.max_resets { Err(Spent) } else { Ok(()) }
    }

    fn control(&mut self) -> Result<(), Spent> {
        if roll(&mut self.second_since, SECOND) {
            self.control = 0;
        }
        self.control += 1;
        if self.control > CONTROL_PER_SECOND { Err(Spent) } else { Ok(()) }
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
