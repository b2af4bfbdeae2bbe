//! A client on HTTP/2 that does anything: the front ends, what it hands on is sound, windows are kept.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mezu_fuzz::h2::run(data));
