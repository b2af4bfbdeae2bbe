#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender};

use super::*;

/// A disk that takes a batch whenever the test lets it, and may be full.
struct Disk {
    turns: Receiver<Turn>,
    text: Arc<Mutex<Vec<u8>>>,
}

enum Turn {
    Take,
    Fail,
}

impl writer::Sink for Disk {
    fn write(&mut self, text: &[u8]) -> std::io::Result<()> {
        // Once the test lets go, everything is taken.
        match self.turns.recv() {
            Ok(Turn::Fail) => return Err(std::io::ErrorKind::StorageFull.into()),
            Ok(Turn::Take) | Err(_) => {}
        }
        self.text.lock().unwrap().extend_from_slice(text);
        Ok(())
    }
}

struct World {
    log: AccessLog,
    turns: SyncSender<Turn>,
    text: Arc<Mutex<Vec<u8>>>,
    dropped: Arc<AtomicU64>,
}

fn world() -> World {
    let (turns, receiver) = sync_channel(1);
    let (text, dropped) = (Arc::default(), Arc::default());
    let disk = Disk { turns: receiver, text: Arc::clone(&text) };
    World { log: AccessLog::start(Box::new(disk), Arc::clone(&dropped)).unwrap(), turns, text, dropped }
}

fn row<'a>(path: &'a str) -> Row<'a> {
    Row {
        ray: RayId(1),
        owner: None,
        gate: None,
        client: "192.0.2.1:1".parse().unwrap(),
        method: "GET",
        host: "a.example",
        path,
        protocol: Protocol::H1,
        status: 200,
        bytes_in: 0,
        bytes_out: 0,
        duration: Duration::ZERO,
        workload: None,
        code: None,
        would_refuse: None,
        user_agent: None,
    }
}

fn lines(text: &Mutex<Vec<u8>>) -> Vec<serde_json::Value> {
    let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn everything_is_written_in_order_before_the_end() {
    let World { log, turns, text, dropped } = world();
    drop(turns);
    let journal = log.journal();
    let paths: Vec<_> = (0..500).map(|n| format!("/{n}")).collect();
    for path in &paths {
        journal.record(&row(path));
    }
    drop(journal);
    assert!(log.finish(Duration::from_secs(10)).await);
    let seen: Vec<_> = lines(&text).iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, paths);
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_slow_disk_costs_lines_not_time_or_memory() {
    let World { log, turns, text, dropped } = world();
    let journal = log.journal();
    // One batch is in the writer's hands, QUEUE wait, the others are dropped: never more is kept.
    let count = 2 * (QUEUE as u64 + 2);
    for _ in 0..count {
        journal.record(&row("/"));
        journal.flush();
    }
    let lost = dropped.load(Ordering::Relaxed);
    assert!((count - QUEUE as u64 - 1..=count - QUEUE as u64).contains(&lost), "{lost}");
    drop((turns, journal));
    assert!(log.finish(Duration::from_secs(10)).await);
    let lines = lines(&text);
    let told: u64 = lines.iter().filter_map(|line| line["dropped"].as_u64()).sum();
    let written = lines.iter().filter(|line| line["path"] == "/").count() as u64;
    assert_eq!((told, written), (lost, count - lost), "the log itself says what is missing");
}

#[tokio::test]
async fn a_full_disk_is_survived_and_told() {
    let World { log, turns, text, dropped } = world();
    let journal = log.journal();
    for path in ["/lost", "/kept"] {
        journal.record(&row(path));
        journal.flush();
    }
    turns.send(Turn::Fail).unwrap();
    turns.send(Turn::Take).unwrap();
    drop((turns, journal));
    assert!(log.finish(Duration::from_secs(10)).await);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    let lines = lines(&text);
    assert_eq!((lines[0]["dropped"].as_u64(), lines[1]["path"].as_str()), (Some(1), Some("/kept")));
}

#[tokio::test]
async fn a_batch_goes_when_it_is_full() {
    let World { log, turns, text, .. } = world();
    drop(turns);
    let journal = log.journal();
    let path = format!("/{}", "a".repeat(1000));
    for _ in 0..2 * BATCH / 1000 {
        journal.record(&row(&path));
        assert!(journal.text.borrow().len() < BATCH);
        assert!(journal.text.borrow().capacity() <= 2 * BATCH);
    }
    drop(journal);
    assert!(log.finish(Duration::from_secs(10)).await);
    assert_eq!(lines(&text).len(), 2 * BATCH / 1000);
}

#[test]
fn no_log_costs_nothing() {
    let journal = Journal::none();
    journal.record(&row("/"));
    assert_eq!(journal.text.borrow().capacity(), 0);
    journal.flush();
}

#[tokio::test(start_paused = true)]
async fn a_batch_goes_when_it_is_old() {
    let World { log, turns, .. } = world();
    drop(turns);
    let journal = log.journal();
    let moving = journal.keep_moving();
    tokio::pin!(moving);
    journal.record(&row("/"));
    let early = tokio::time::timeout(AGE / 2, &mut moving).await;
    assert!(early.is_err() && journal.lines.get() == 1);
    let late = tokio::time::timeout(AGE, &mut moving).await;
    assert!(late.is_err() && journal.lines.get() == 0);
}
