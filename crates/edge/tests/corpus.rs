//! The fuzz targets of the fronts over their kept corpus: what `make fuzz` does for longer and with a view of the
//! coverage. Mutations with a seed are in the fronts' own tests.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub
)]

#[path = "../../../fuzz/src/front.rs"]
mod front;
#[path = "../../../fuzz/src/h1.rs"]
mod h1;
#[path = "../../../fuzz/src/h2.rs"]
mod h2;

use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let input = std::fs::read(&path).unwrap();
        if std::panic::catch_unwind(|| run(&input)).is_err() {
            panic!("{target} failed on {}", path.display());
        }
    }
}

#[test]
fn h1_stands_its_corpus() {
    replay("h1", h1::run);
}

#[test]
fn h2_stands_its_corpus() {
    replay("h2", h2::run);
}
