//! A connection under a hostile peer and a careless user at once: nothing panics, no bound is passed, and a dead
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mezu_fuzz::frames::run(data));
