//! Whatever comes in: the normal form is stable, has no second reading, and is the only thing left behind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mezu_model::path::{check_query, normalise};

fuzz_target!(|raw: &[u8]| {
    let mut once = String::from("left over");
    match normalise(raw, &mut once) {
        Err(_) => assert!(once.is_empty()),
        Ok(()) => {
            assert!(once.starts_with('/') && once.bytes().all(|byte| matches!(byte, b'!'..=b'~')));
            assert!(!once.contains("//") && !once.contains(['\\', ';', '?', '#']));
            assert!(once.split('/').all(|segment| segment != "." && segment != ".."));
            for hidden in ["%2F", "%5C", "%00", "%2E", "%41"] {
                assert!(!once.contains(hidden));
            }
            let mut twice = String::new();
            normalise(once.as_bytes(), &mut twice).expect("a normal path is acceptable");
            assert_eq!(once, twice);
        }
    }
    if check_query(raw).is_ok() {
        assert!(raw.iter().all(|byte| matches!(byte, b'!'..=b'~') && *byte != b'#'));
    }
});
