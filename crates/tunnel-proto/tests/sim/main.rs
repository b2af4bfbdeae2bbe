//! Edge and gate through a virtual network in virtual time, with seeded accidents.
//!
//! `MEZU_SIM_SEEDS=n` runs n seeds per scenario (default 200, so 1,200 in all); `MEZU_SIM_SEED=s` runs only
//! seed s and is how a failure, whose message names its seed, is run again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod carrier;
mod job;
mod net;
mod noise;
mod rng;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use world::{Outcome, World};

const SECOND: Duration = Duration::from_secs(1);
/// The worst way that a byte takes between two ends: latency and jitter, and what is under way before it.
const PATH: Duration = Duration::from_millis(150);

fn seeds(run: impl Fn(u64)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let range = match number("MEZU_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MEZU_SIM_SEEDS").unwrap_or(200),
    };
    for seed in range {
        if catch_unwind(AssertUnwindSafe(|| run(seed))).is_err() {
            panic!("failed with MEZU_SIM_SEED={seed}");
        }
    }
}

fn no_violations(world: &World) {
    for carrier in &world.carriers {
        if std::env::var("MEZU_SIM_SEED").is_ok() {
            for side in [&carrier.edge, &carrier.gate] {
                println!("{:?} died {:?} {:?}", side.connection.role(), side.died, side.connection.death());
            }
            println!("{:?} {:?} now {:?}", carrier.up, carrier.down, world.now);
        }
        assert_eq!((carrier.edge.violation, carrier.gate.violation), (None, None));
    }
}

/// Nothing is left behind when every stream has ended.
fn nothing_held(world: &World) {
    for side in world.carriers.iter().flat_map(|c| [&c.edge, &c.gate]).filter(|side| side.died.is_none()) {
        assert_eq!((side.connection.in_flight(), side.connection.held()), (0, 0));
    }
}

fn at_most_once(world: &World) {
    for job in world.jobs.iter().filter(|job| job.post) {
        assert!(world.touched[job.number] <= 1, "job {} delivered {} times", job.number, world.touched[job.number]);
    }
    for (number, outcome) in world.outcomes.iter().enumerate() {
        assert!(*outcome != Outcome::Done || world.touched[number] > 0);
    }
}

/// Slow, narrow, jittery, stalling carriers: everything arrives whole, nobody dies.
#[test]
fn every_byte_arrives_in_order() {
    seeds(|seed| {
        let mut world = World::new(seed, 1, 8, false);
        world.run(600 * SECOND);
        no_violations(&world);
        assert!(world.outcomes.iter().all(|o| *o == Outcome::Done), "{:?} at {:?}", world.outcomes, world.now);
        nothing_held(&world);
        at_most_once(&world);
    });
}

/// Clients that go away and workloads that break: only their own requests fail.
#[test]
fn resets_harm_nobody_else() {
    seeds(|seed| {
        let mut world = World::new(seed, 1, 12, true);
        world.run(600 * SECOND);
        no_violations(&world);
        for job in &world.jobs {
            let outcome = world.outcomes[job.number];
            assert!(outcome == Outcome::Done || (job.is_faulty() && outcome != Outcome::Open), "{outcome:?}: {job:?}");
        }
        nothing_held(&world);
    });
}

/// Clients that stop reading: what they hold stays bounded, and all others are served.
#[test]
fn stalled_readers_hold_up_nobody() {
    seeds(|seed| {
        let mut world = World::new(seed, 1, 14, false);
        let stalled = 6.min(world.max_streams - 1);
        for job in &mut world.jobs[..stalled] {
            (job.stalls, job.down) = (true, 250_000);
        }
        world.run(200 * SECOND);
        no_violations(&world);
        for (job, outcome) in world.jobs.iter().zip(&world.outcomes) {
            assert_eq!(*outcome, if job.stalls { Outcome::Open } else { Outcome::Done });
        }
        let held = world.carriers[0].edge.connection.held();
        assert!(held <= stalled * 250_000, "{held}");
    });
}

/// One of two gates vanishes in silence, in one direction or both, or its connection closes: every request that may
/// be sent again is answered by the other, no POST is delivered twice, and death is noticed in time.
#[test]
fn a_lost_gate_costs_only_what_had_its_go() {
    seeds(|seed| {
        let mut world = World::new(seed, 2, 10, false);
        let at = Duration::from_millis(world.rng.between(1, 1500));
        match world.rng.between(0, 3) {
            0 => world.carriers[0].closes = Some(at),
            1 => world.carriers[0].up.cut = Some(at),
            2 => world.carriers[0].down.cut = Some(at),
            _ => (world.carriers[0].up.cut, world.carriers[0].down.cut) = (Some(at), Some(at)),
        }
        world.run(600 * SECOND);
        no_violations(&world);
        at_most_once(&world);
        for job in &world.jobs {
            let lost = matches!(world.outcomes[job.number], Outcome::Failed(_)) && job.park;
            assert!(world.outcomes[job.number] == Outcome::Done || lost, "{:?}", world.outcomes[job.number]);
        }
        // A gate that is cut off hears nothing from here on, or is not heard: with requests open, both sides know
        // within 1.5 s of the last byte that came.
        let both = world.carriers[0].up.cut.is_some() && world.carriers[0].down.cut.is_some();
        let busy = world.last_open[0] > at || world.touched.iter().sum::<usize>() == 0;
        if both
            && busy
            && let Some(died) = world.carriers[0].edge.died
        {
            let bound = world.last_open[0].max(at) + Duration::from_millis(1500) + PATH;
            assert!(died <= bound, "died at {died:?}, bound {bound:?}");
        }
        assert!(world.carriers[1].edge.died.is_none(), "the other lives");
    });
}

/// A gate drains under load: no request fails for it, and both ends learn when it is over.
#[test]
fn a_drain_costs_no_request() {
    seeds(|seed| {
        let mut world = World::new(seed, 2, 10, false);
        world.drains = Some(Duration::from_millis(world.rng.between(1, 1000)));
        world.run(600 * SECOND);
        no_violations(&world);
        at_most_once(&world);
        assert!(world.outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{:?}", world.outcomes);
        assert!(world.carriers[0].edge.drained && world.carriers[0].gate.drained);
        assert!(world.carriers[0].edge.died.is_none());
    });
}

/// A carrier that flips and drops bytes: whoever notices dies of it, nobody panics, and nobody holds more than was
/// granted (which every turn checks).
#[test]
fn damage_ends_in_a_clean_death() {
    let dead = std::cell::Cell::new(0);
    seeds(|seed| dead.set(dead.get() + u32::from(noise::run(seed) != [false; 2])));
    assert!(dead.get() > 0 || std::env::var("MEZU_SIM_SEED").is_ok(), "the damage did nothing");
}
