//! A process that is killed while it saves: the newest snapshot, or the one before it, always loads.
//!
//! `MEZU_KILLS=200 cargo test -p mezusphere --lib last_good -- --nocapture` is the long form.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::time::Duration;

use mezu_model::OrgId;
use mezu_snapshot::{OrgEntry, Parts};
use mezu_testkit::killed;

use super::*;

const DIRECTORY: &str = "MEZU_CRASH_SNAPSHOTS";
const FROM: &str = "MEZU_CRASH_FROM";

fn kills() -> usize {
    killed::kills(20)
}

/// The one that is killed: run by the test below, in a process of its own. It says what it has saved.
#[test]
#[ignore = "a part of the test below"]
fn child() {
    let (Ok(directory), Ok(from)) = (std::env::var(DIRECTORY), std::env::var(FROM)) else { return };
    let last_good = LastGood::open(directory.into()).unwrap();
    let org = |n: u16| OrgEntry {
        id: OrgId::from_bytes(u128::from(n).to_be_bytes()),
        name: format!("org-{n}").parse().unwrap(),
    };
    // Some hundred kilobytes, so that a kill meets one half-way.
    let parts = Parts { orgs: (0..2000).map(org).collect(), ..Parts::default() };
    let mut snapshot = Snapshot::new(0, "base.test".parse().unwrap(), parts);
    let from = from.parse::<u64>().unwrap();
    for generation in from.. {
        snapshot.generation = generation;
        last_good.save(generation, &mezu_snapshot::encode(&snapshot).unwrap()).unwrap();
        if generation == from {
            println!("go");
        }
        println!("saved {generation}");
    }
}

/// Lets it save for a while; the last generation that it said it had saved.
fn kill_one(directory: &Path, from: u64, after: Duration) -> u64 {
    let variables = [(DIRECTORY, directory.to_str().unwrap()), (FROM, &from.to_string())];
    let said = killed::run_and_kill("up::last_good::crash::child", &variables, after);
    said.iter().rev().find_map(|line| line.strip_prefix("saved ")?.parse().ok()).unwrap_or(from)
}

#[test]
fn whenever_it_is_killed_what_was_saved_last_or_a_later_one_loads() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("snapshots");
    let (mut saved, mut count) = (0, 0);
    for n in 0..kills() {
        let after = Duration::from_millis(120).mul_f64(mezu_runtime::random::unit());
        let last = kill_one(&directory, saved + 2, after);
        count += last - saved - 1;
        saved = last;
        let loaded = LastGood::open(directory.clone()).unwrap().load();
        let generation = loaded.map_or(0, |snapshot| snapshot.generation);
        // Saved and killed before it could say so is possible; lost is not.
        assert!(generation >= saved, "kill {n}: {generation} loads, {saved} was saved");
        saved = saved.max(generation);
    }
    eprintln!("{} kills, {count} snapshots saved", kills());
    assert!(usize::try_from(count).unwrap() >= kills(), "too few to have shown anything: {count}");
    let left = fs::read_dir(&directory).unwrap().count();
    assert!(left <= KEEP + kills() + 1, "{left} files");
}
