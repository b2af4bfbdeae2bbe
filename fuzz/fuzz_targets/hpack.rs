//! Header blocks on one connection: the table stays in step, and what was decoded survives our encoder.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mezu_fuzz::hpack::run(data));
