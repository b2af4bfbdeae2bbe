//! What the targets do with one input. Apart from the fuzzer, so that the ordinary tests can run it over the kept corpus
//! with the stable compiler (crates/tunnel-proto/tests/corpus.rs, crates/edge/tests/corpus.rs).

pub mod frames;
pub mod front;
pub mod h1;
pub mod h2;
pub mod heads;
pub mod hello;
pub mod hpack;
mod http;
