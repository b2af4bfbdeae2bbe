//! A head that decodes holds nothing that could be read as two, and is the same after a way over the wire.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mezu_fuzz::heads::run(data));
