//! A first frame that is taken is sound, printable, and the same after a way over the wire.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mezu_fuzz::hello::run(data));
