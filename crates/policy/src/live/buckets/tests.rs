#![allow(clippy::unwrap_used)]

use std::time::Duration;

use loom::sync::Arc as LoomArc;
use loom::sync::atomic::AtomicU64 as LoomWord;
use loom::thread;

use super::*;

impl Word for LoomWord {
    type Lock = loom::sync::Mutex<()>;

    fn zero() -> Self {
        Self::new(0)
    }

    fn read(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn replace(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn write(&self, new: u64) {
        self.store(new, Ordering::Release);
    }

    fn new_lock() -> Self::Lock {
        loom::sync::Mutex::new(())
    }

    fn locked<R>(lock: &Self::Lock, work: impl FnOnce() -> R) -> R {
        let _held = lock.lock().unwrap();
        work()
    }
}

const NOW: u64 = 1_000_000;

/// One request in a second.
fn one() -> Quota {
    Quota::new(1, Duration::from_secs(1), 1)
}

/// Two threads on one set of two buckets, in every order in which their steps can follow one another.
fn every_order(prepare: fn(&Set<LoomWord, 2>), tags: [u64; 2], check: fn([bool; 2], &Set<LoomWord, 2>)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(move || {
        let set = LoomArc::new(Set::<LoomWord, 2>::new());
        prepare(&set);
        let taker = |tag| {
            let set = LoomArc::clone(&set);
            move || {
                take(tag, NOW, one(), || [Some(&*set), None, None, None], || false).is_none_or(|taken| taken.granted)
            }
        };
        let other = thread::spawn(taker(tags[0]));
        let mine = taker(tags[1])();
        check([other.join().unwrap(), mine], &set);
    });
}

#[test]
fn two_threads_never_get_the_same_request_out_of_a_bucket() {
    let there = |set: &Set<LoomWord, 2>| assert!(set.buckets[0].tag.replace(0, 7));
    every_order(there, [7, 7], |granted, _| assert_eq!(granted.iter().filter(|granted| **granted).count(), 1));
}

#[test]
fn a_new_key_gets_one_bucket_whichever_thread_comes_first() {
    let nothing = |_: &Set<LoomWord, 2>| {};
    every_order(nothing, [7, 7], |granted, set| {
        assert_eq!(granted.iter().filter(|granted| **granted).count(), 1);
        assert_eq!(set.buckets.iter().filter(|bucket| bucket.tag.read() == 7).count(), 1);
    });
}

#[test]
fn two_new_keys_get_a_bucket_each() {
    every_order(|_| {}, [7, 8], |granted, _| assert_eq!(granted, [true, true]));
}

#[test]
fn a_full_set_makes_room_and_keeps_the_one_who_asks_most() {
    let full = |set: &Set<LoomWord, 2>| {
        for (bucket, (tag, due)) in set.buckets.iter().zip([(1, NOW + 10_000_000_000), (2, NOW + 1)]) {
            assert!(bucket.tag.replace(0, tag) && bucket.due.replace(0, due));
        }
    };
    every_order(full, [1, 8], |granted, _| assert_eq!(granted, [false, true]));
}

fn table(bytes: usize) -> Buckets<AtomicU64> {
    Buckets::new(Arc::new(AtomicUsize::new(bytes)))
}

/// Tags as a hash makes them.
fn tags() -> impl Iterator<Item = u64> {
    (1_u64..).map(|n| {
        let mixed = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).max(1)
    })
}

#[test]
fn a_table_grows_only_while_it_is_full_of_buckets_in_use() {
    let table = table(64 * 1024 * 1024);
    let levels = |table: &Buckets<AtomicU64>| table.levels.iter().filter(|level| level.get().is_some()).count();
    assert_eq!(levels(&table), 0);
    // A bucket is in use for a second: one key a second fits into the smallest table for ever.
    for (n, tag) in (0..20_000).zip(tags()) {
        assert!(table.take(tag, n * 1_000_000_000, one()).granted);
    }
    assert_eq!(levels(&table), 1);
    let now = 30_000_000_000_000;
    for tag in tags().skip(20_000).take(50_000) {
        assert!(table.take(tag, now, one()).granted);
    }
    assert_eq!(levels(&table), 4);
    let refused = tags().skip(20_000).take(50_000).filter(|tag| !table.take(*tag, now, one()).granted).count();
    // A set that is full in every level gives a bucket away.
    assert!(refused > 49_500, "{refused} of 50,000 keys had their own bucket");
    assert_eq!(size_of::<Set<AtomicU64, WAYS>>(), 64);
}

#[test]
fn without_memory_the_busy_are_remembered_before_those_who_came_once() {
    let bytes = SETS[1] * size_of::<Set<AtomicU64, WAYS>>();
    let table = table(bytes);
    let busy = Quota::new(1, Duration::from_secs(3600), 1);
    let heavy: Vec<_> = tags().take(200).collect();
    assert!(heavy.iter().all(|tag| table.take(*tag, NOW, busy).granted));
    for tag in tags().skip(200).take(100_000) {
        assert!(table.take(tag, NOW, one()).granted, "a flood of keys is not refused for being one");
    }
    let forgotten = heavy.iter().filter(|tag| table.take(**tag, NOW, busy).granted).count();
    assert!(forgotten < 20, "{forgotten} of 200");
    assert_eq!(table.bytes.load(Ordering::Relaxed), 0);
    let bytes_left = Arc::clone(&table.bytes);
    drop(table);
    assert_eq!(bytes_left.load(Ordering::Relaxed), bytes);
}

#[test]
fn a_look_takes_nothing() {
    let table = table(1024 * 1024);
    for _ in 0..3 {
        assert!(table.look(7, NOW, one()).granted);
    }
    assert!(table.take(7, NOW, one()).granted);
    assert!(!table.look(7, NOW, one()).granted && !table.take(7, NOW, one()).granted);
}
