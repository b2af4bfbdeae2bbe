//! A first frame that is taken is sound, printable, and the same after a way over the wire.

use bytes::BytesMut;
use mezu_tunnel_proto::hello::{HelloFrame, decode, encode};

/// One input.
pub fn run(data: &[u8]) {
    let mut input = BytesMut::from(data);
    while let Ok(Some(frame)) = decode(&mut input) {
        if let HelloFrame::Hello(hello) = &frame {
            assert!(!hello.agent.chars().any(char::is_control));
            assert!((1..=64).contains(&hello.workloads.len()));
        }
        // JSON may have been shorter than we write it: then it is not sent at all.
        let Some(again) = encode(&frame) else { continue };
        assert_eq!(decode(&mut BytesMut::from(&again[..])), Ok(Some(frame)));
    }
}
