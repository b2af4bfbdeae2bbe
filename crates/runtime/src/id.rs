//! Makes ids. Time-ordered UUIDv7 (RFC 9562 §5.7), so that they sort by age and index well.

use std::time::{SystemTime, UNIX_EPOCH};

use mezu_model::RayId;
use mezu_model::id::Id;

use crate::random;

/// A new id of any kind.
pub fn new<T: Id>() -> T {
    let mut bytes = [0; 16];
    random::fill(&mut bytes);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).to_be_bytes();
    let [_, _, stamp @ ..] = millis;
    let [a, b, c, d, e, f, version, _, variant, ..] = &mut bytes;
    for (slot, byte) in [a, b, c, d, e, f].into_iter().zip(stamp) {
        *slot = byte;
    }
    *version = (*version & 0x0f) | 0x70;
    *variant = (*variant & 0x3f) | 0x80;
    T::from_bytes(bytes)
}

/// A new ray id: cheap, unique, never zero (a zero trace-id is invalid).
#[inline]
pub fn ray() -> RayId {
    RayId((u128::from(random::next_u64()) << 64) | u128::from(random::next_u64() | 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mezu_model::OrgId;

    #[test]
    fn ids_are_version_seven_and_differ() {
        let a: OrgId = new();
        let b: OrgId = new();
        assert_ne!(a, b);
        let text = a.to_string();
        assert_eq!(text.as_bytes().get(14), Some(&b'7'), "{text}");
    }
}
