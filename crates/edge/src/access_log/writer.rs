//! The thread that writes batches to where they belong. Nothing else waits for it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{AccessLogTarget, Batch};

/// How often it is looked whether the file was moved away.
const ROTATION: Duration = Duration::from_secs(1);

/// Where batches end up.
pub(super) trait Sink: Send {
    /// Writes a batch of whole lines.
    fn write(&mut self, text: &[u8]) -> io::Result<()>;

    /// Called now and then: the file may have been moved away.
    fn look_after(&mut self) {}
}

pub(super) fn sink(target: &AccessLogTarget) -> io::Result<Box<dyn Sink>> {
    Ok(match target {
        AccessLogTarget::Stdout => Box::new(Stdout),
        AccessLogTarget::File(path) => Box::new(Rotated { file: open(path)?, path: path.clone() }),
    })
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Writer {
    ended: oneshot::Receiver<()>,
}

impl Writer {
    pub(super) fn start(sink: Box<dyn Sink>, batches: Receiver<Batch>, dropped: Arc<AtomicU64>) -> io::Result<Self> {
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            run(sink, &batches, &dropped);
            let _ = end.send(());
        })?;
        Ok(Self { ended })
    }

    /// Waits for its end, which comes once all senders are gone.
    pub(super) async fn finish(self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.ended).await.is_ok()
    }
}

fn run(mut sink: Box<dyn Sink>, batches: &Receiver<Batch>, dropped: &AtomicU64) {
    let mut gap = Gap::default();
    let mut looked = Instant::now();
    while let Ok(batch) = batches.recv() {
        if looked.elapsed() >= ROTATION {
            looked = Instant::now();
            sink.look_after();
        }
        let written = gap.tell(&mut *sink, dropped).and_then(|()| sink.write(&batch.text));
        if written.is_err() {
            gap.torn = true;
            dropped.fetch_add(batch.lines, Ordering::Relaxed);
        }
    }
    let _ = gap.tell(&mut *sink, dropped);
}

/// The lines that are missing, told where they are missing.
#[derive(Default)]
struct Gap {
    told: u64,
    /// The last write may have ended in the middle of a line.
    torn: bool,
}

impl Gap {
    fn tell(&mut self, sink: &mut dyn Sink, dropped: &AtomicU64) -> io::Result<()> {
        let lost = dropped.load(Ordering::Relaxed);
        if lost == self.told {
            return Ok(());
        }
        let start = if self.torn { "\n" } else { "" };
        sink.write(format!("{start}{{\"dropped\":{}}}\n", lost - self.told).as_bytes())?;
        *self = Self { told: lost, torn: false };
        Ok(())
    }
}

struct Stdout;

impl Sink for Stdout {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text)?;
        out.flush()
    }
}

struct Rotated {
    file: File,
    path: PathBuf,
}

impl Sink for Rotated {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.file.write_all(text)
    }

    fn look_after(&mut self) {
        if !is_at(&self.file, &self.path)
            && let Ok(file) = open(&self.path)
        {
            self.file = file;
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |data: io::Result<std::fs::Metadata>| data.ok().map(|data| (data.dev(), data.ino()));
    identity(file.metadata()) == identity(path.metadata())
}

#[cfg(test)]
mod tests;
