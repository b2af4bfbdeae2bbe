//! What the targets of the tunnel's protocol do with one input. Apart from the fuzzer, so that the ordinary tests can
//! run it over the kept corpus with the stable compiler (crates/tunnel-proto/tests/corpus.rs).

pub mod frames;
pub mod heads;
pub mod hello;
