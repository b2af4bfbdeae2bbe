//! The first look at a TLS connection: never a panic, never a wait for more than a hello may have, and what was read
//! once is not read otherwise when more bytes follow.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// The reader is one pure file; its crate would bring a TLS stack into the sanitizer.
#[path = "../../crates/tunnel/src/tls/hello.rs"]
mod hello;

pub const TUNNEL_ALPN: &[u8] = b"mezu-tunnel/1";

fuzz_target!(|data: &[u8]| {
    match hello::parse(data) {
        hello::Hello::Incomplete => assert!(data.len() < hello::MAX_HELLO),
        hello::Hello::Unknown => {}
        read => {
            let longer = [data, &[0; 7]].concat();
            assert_eq!(hello::parse(&longer), read);
        }
    }
});
