//! A client's bytes on HTTP/1: the front ends, what it hands on is sound, and there is one reading of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mezu_fuzz::h1::run(data));
