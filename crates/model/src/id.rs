//! Identifiers. All are 16 bytes; a text form is a lowercase UUID (RFC 9562).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text is not a UUID of the form `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected a UUID such as 0190b3d2-5c1e-7a60-8000-0123456789ab")]
pub struct InvalidId;

/// No [`RayId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a ray id: expected 32 hex digits, as the mezu-ray field of an answer has them")]
pub struct InvalidRay;

/// What every id can do, so that one generator serves them all.
pub trait Id: Copy {
    /// An id from its 16 bytes.
    fn from_bytes(bytes: [u8; 16]) -> Self;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// An id from its 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl Id for $name {
            fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_uuid(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_uuid(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_uuid(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// An organisation: the tenant that owns workloads, routes and keys.
    OrgId
);
id!(
    /// A program that answers requests, known by its name in its organisation.
    WorkloadId
);
id!(
    /// A rule that leads requests for a host and path to a workload.
    RouteId
);
id!(
    /// A service-account key.
    KeyId
);
id!(
    /// One running Warpgate; new at every start of the process.
    GateId
);
id!(
    /// A person who administers.
    MemberId
);
id!(
    /// A member's API token.
    TokenId
);
id!(
    /// An invitation of a person to an organisation.
    InvitationId
);
id!(
    /// A service account: what a machine's keys belong to.
    AccountId
);
id!(
    /// Changes that are written down but not yet made.
    DraftId
);
id!(
    /// Changes that were made together, and can be taken back together.
    PublishId
);

/// Names one request, on every answer and in every log.
///
/// Its text form is 32 lowercase hex digits, which is also a W3C trace-id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RayId(pub u128);

impl RayId {
    /// The 32 hex digits, without an allocation.
    pub fn to_hex(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = [0; 32];
        for (pair, byte) in out.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            if let [high, low] = pair {
                *high = DIGITS.get(usize::from(byte >> 4)).copied().unwrap_or(b'0');
                *low = DIGITS.get(usize::from(byte & 15)).copied().unwrap_or(b'0');
            }
        }
        out
    }
}

impl FromStr for RayId {
    type Err = InvalidRay;

    fn from_str(text: &str) -> Result<Self, InvalidRay> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if is_hex { u128::from_str_radix(text, 16).ok() } else { None };
        number.map(Self).ok_or(InvalidRay)
    }
}

impl fmt::Display for RayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

fn write_uuid(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let n = u128::from_be_bytes(*bytes);
    write!(
        f,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        n >> 96,
        (n >> 80) & 0xffff,
        (n >> 64) & 0xffff,
        (n >> 48) & 0xffff,
        n & 0xffff_ffff_ffff
    )
}

fn parse_uuid(text: &str) -> Result<[u8; 16], InvalidId> {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    if text.len() != 36 {
        return Err(InvalidId);
    }
    let mut n: u128 = 0;
    for (at, byte) in text.bytes().enumerate() {
        if DASHES.contains(&at) {
            if byte != b'-' {
                return Err(InvalidId);
            }
            continue;
        }
        let digit = char::from(byte).to_digit(16).ok_or(InvalidId)?;
        n = (n << 4) | u128::from(digit);
    }
    Ok(n.to_be_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let text = "0190b3d2-5c1e-7a60-8000-0123456789ab";
        let id: OrgId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(serde_json_like(&id), text);
    }

    #[test]
    fn bad_text_is_refused() {
        for text in ["", "0190b3d2", "0190b3d2x5c1e-7a60-8000-0123456789ab", "g190b3d2-5c1e-7a60-8000-0123456789ab"] {
            assert_eq!(text.parse::<KeyId>(), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn ray_hex_matches_display() {
        let ray = RayId(0x00ab_cdef_0123_4567_89ab_cdef_0123_4567);
        assert_eq!(ray.to_hex(), ray.to_string().as_bytes());
        assert_eq!(ray.to_string().parse(), Ok(ray));
        for text in ["", "+0abcdef0123456789abcdef01234567", "00ab", "g0abcdef0123456789abcdef01234567"] {
            assert_eq!(text.parse::<RayId>(), Err(InvalidRay), "{text}");
        }
    }

    fn serde_json_like(id: &OrgId) -> String {
        id.to_string()
    }
}
