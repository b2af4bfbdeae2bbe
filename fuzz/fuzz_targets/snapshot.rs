//! A snapshot that is taken from hostile bytes is whole, and the same after a way through bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(snapshot) = mezu_snapshot::decode(bytes) {
        snapshot.check().expect("what was decoded is whole");
        let again = mezu_snapshot::encode(&snapshot).expect("what was decoded fits");
        assert_eq!(mezu_snapshot::decode(&again).expect("what was encoded is whole"), snapshot);
    }
});
