//! The fuzz targets over their kept corpus, and over seeded mutations of it: what `cargo fuzz` does for longer and with
//! a view of the coverage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]

#[path = "../../../fuzz/src/frames.rs"]
mod frames;
#[path = "../../../fuzz/src/heads.rs"]
mod heads;
#[path = "../../../fuzz/src/hello.rs"]
mod hello;
#[path = "sim/rng.rs"]
#[allow(dead_code, reason = "shared with the simulation, which uses all of it")]
mod rng;

use std::panic::catch_unwind;
use std::path::Path;

use rng::Rng;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn replay(target: &str, mutations: usize, run: fn(&[u8])) {
    let corpus = corpus(target);
    corpus.iter().for_each(|input| run(input));
    let mut rng = Rng::new(1);
    for _ in 0..mutations {
        let mut input = corpus[rng.size(0, corpus.len() - 1)].clone();
        for _ in 0..rng.size(1, 4) {
            mutate(&mut input, &corpus, &mut rng);
        }
        if catch_unwind(|| run(&input)).is_err() {
            panic!("{target}: failed on {input:02x?}");
        }
    }
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.size(0, input.len());
    match rng.between(0, 4) {
        0 if at < input.len() => input[at] ^= 1 << rng.size(0, 7),
        1 if at < input.len() => input[at] = rng.pick(&[0, 1, 0x7f, 0x80, 0xff, 8, 10, 12]),
        2 => input.truncate(at),
        3 => {
            let other = &corpus[rng.size(0, corpus.len() - 1)];
            input.truncate(at);
            input.extend_from_slice(&other[rng.size(0, other.len())..]);
        }
        _ => input.insert(at, rng.size(0, 255) as u8),
    }
    input.truncate(4096);
}

#[test]
fn frames_stand_their_corpus() {
    replay("frames", 40_000, frames::run);
}

#[test]
fn heads_stand_their_corpus() {
    replay("heads", 200_000, heads::run);
}

#[test]
fn hellos_stand_their_corpus() {
    replay("hello", 100_000, hello::run);
}
