//! One line of JSON per request.
//!
//! A worker appends its lines to a batch of its own, so that a request meets no lock and no system call. A batch that
//! has filled up or grown old goes through a bounded channel to one writer thread. When the disk is slower than the
//! traffic, batches are dropped whole, counted, and the log says how many lines are missing: serving goes first.
//!
//! The query is not logged: it carries tokens and names of people, and a log is kept longer than either should be.
//! What clients send is escaped until it is plain ASCII inside a JSON string, whatever reads the log.

mod line;
mod writer;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use mezu_model::{GateId, OrgId, Protocol, RayId, RouteId, WorkloadId};
use tokio::sync::Notify;

use crate::answer::Code;
use line::Line;
use writer::Writer;

/// A batch this long is handed over, bytes.
const BATCH: usize = 16 * 1024;
/// A batch this old is handed over.
const AGE: Duration = Duration::from_millis(250);
/// Batches that may wait for the writer, of all workers together: 1 to 2 MiB.
const QUEUE: usize = 64;

/// Where the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogTarget {
    Stdout,
    /// Appended to; opened anew when it was moved away, so that it can be rotated.
    File(PathBuf),
}

/// The log of an edge. Ends when it and all its [`Journal`]s are dropped.
#[derive(Debug)]
pub struct AccessLog {
    sender: SyncSender<Batch>,
    dropped: Arc<AtomicU64>,
    writer: Writer,
}

/// Lines on their way.
#[derive(Debug)]
struct Batch {
    text: Vec<u8>,
    lines: u64,
}

impl AccessLog {
    /// Opens the log and starts its writer. `dropped` counts the lines that are lost.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub fn open(target: &AccessLogTarget, dropped: Arc<AtomicU64>) -> std::io::Result<Self> {
        Self::start(writer::sink(target)?, dropped)
    }

    fn start(sink: Box<dyn writer::Sink>, dropped: Arc<AtomicU64>) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let writer = Writer::start(sink, receiver, dropped.clone())?;
        Ok(Self { sender, dropped, writer })
    }

    /// A worker's own end of the log.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal::new(Some((self.sender.clone(), self.dropped.clone())))
    }

    /// Waits until everything has been written, at most `patience`. To be called when all journals are gone.
    /// Says whether it was in time.
    pub async fn finish(self, patience: Duration) -> bool {
        let Self { sender, writer, .. } = self;
        drop(sender);
        writer.finish(patience).await
    }
}

/// One worker's end of the log. Stays on its thread.
#[derive(Debug)]
pub struct Journal {
    out: Option<(SyncSender<Batch>, Arc<AtomicU64>)>,
    text: RefCell<Vec<u8>>,
    lines: Cell<u64>,
    line: Line,
    /// Rung by the first line of a batch, for [`Self::keep_moving`].
    begun: Notify,
}

/// What is told of a request.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub ray: RayId,
    /// Unknown when no route was found.
    pub owner: Option<Owner>,
    /// The last gate it was given to.
    pub gate: Option<GateId>,
    pub client: SocketAddr,
    /// Empty, like the path, when the request could not be read; the host is then the TLS server name.
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub protocol: Protocol,
    /// 0 when the client got none.
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// From the first byte of the head to the end of the answer.
    pub duration: Duration,
    /// From sending the request to the first byte of the answer.
    pub workload: Option<Duration>,
    pub code: Option<Code>,
    /// The stage that would have refused it, were it not on trial.
    pub would_refuse: Option<&'static str>,
    pub user_agent: Option<&'a [u8]>,
}

/// Whose request it was.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    pub org: OrgId,
    pub route: RouteId,
    pub workload: WorkloadId,
}

impl Journal {
    /// A journal that forgets everything, for an edge without an access log.
    #[must_use]
    pub fn none() -> Self {
        Self::new(None)
    }

    fn new(out: Option<(SyncSender<Batch>, Arc<AtomicU64>)>) -> Self {
        Self { out, text: RefCell::default(), lines: Cell::new(0), line: Line::default(), begun: Notify::new() }
    }

    /// Appends a line, to be called at the end of the request.
    #[inline]
    pub fn record(&self, row: &Row<'_>) {
        if self.out.is_none() {
            return;
        }
        let mut text = self.text.borrow_mut();
        if text.is_empty() {
            text.reserve(BATCH + BATCH / 4);
            self.begun.notify_one();
        }
        self.line.write(row, &mut text);
        self.lines.set(self.lines.get() + 1);
        let full = text.len() >= BATCH;
        drop(text);
        if full {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub fn flush(&self) {
        let Some((sender, dropped)) = &self.out else { return };
        let batch = Batch { text: self.text.take(), lines: self.lines.take() };
        if batch.lines == 0 {
            return;
        }
        if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = sender.try_send(batch) {
            dropped.fetch_add(batch.lines, Ordering::Relaxed);
        }
    }

    /// Hands batches over when they grow old. To be run beside the worker's other tasks; never returns, and sleeps
    /// as long as there is no traffic.
    pub async fn keep_moving(&self) {
        loop {
            self.begun.notified().await;
            tokio::time::sleep(AGE).await;
            self.flush();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
