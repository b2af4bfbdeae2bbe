//! Which header fields may go where: those that end at each hop, those that only Mezusphere may say, those that may not
//! come late. Names are lowercase.
//!
//! One list for both programs: what one of them let pass, the other would have to expect.

use crate::{Known, known};

/// Says of a request that it is a copy. The only reserved name that goes from the edge to a workload as it is.
pub const MIRROR: &[u8] = b"mezu-mirror";

/// Whether only Mezusphere may say it.
#[inline]
pub fn is_reserved(known: Option<Known>, name: &[u8]) -> bool {
    match known {
        Some(known) => known == known::MEZU_RAY,
        None => is_reserved_name(name),
    }
}

/// Whether it ends at the next hop (RFC 9110 §7.6.1).
#[inline]
pub fn is_hop_by_hop(known: Known) -> bool {
    matches!(
        known,
        known::CONNECTION
            | known::KEEP_ALIVE
            | known::PROXY_CONNECTION
            | known::PROXY_AUTHENTICATE
            | known::PROXY_AUTHORIZATION
            | known::TE
            | known::TRANSFER_ENCODING
            | known::UPGRADE
    )
}

/// Whether a name that is not [`Known`] is dropped where it comes from a client.
#[inline]
pub fn is_dropped(name: &[u8]) -> bool {
    match name.first() {
        Some(b'x') => {
            is_reserved_name(name)
                || name.starts_with(b"x-forwarded-")
                || name == b"x-forwarded"
                || name.starts_with(b"x-original-")
                || name.starts_with(b"x-rewrite-")
        }
        Some(b'm') => is_reserved_name(name),
        Some(b'p') => name.starts_with(b"proxy-"),
        Some(b'h') => name == b"http2-settings",
        _ => false,
    }
}

/// Whether it may stand in trailers: never what frames, routes, authenticates, tells who the client is, or is reserved
/// (RFC 9110 §6.5.1).
pub fn is_trailer(known: Option<Known>, name: &[u8]) -> bool {
    match known {
        Some(known) => !is_hop_by_hop(known) && !is_of_the_head(known) && known != known::MEZU_RAY,
        None => !is_dropped(name),
    }
}

fn is_of_the_head(known: Known) -> bool {
    matches!(
        known,
        known::HOST
            | known::CONTENT_LENGTH
            | known::CONTENT_TYPE
            | known::CONTENT_ENCODING
            | known::CONTENT_RANGE
            | known::TRAILER
            | known::EXPECT
            | known::RANGE
            | known::CACHE_CONTROL
            | known::AUTHORIZATION
            | known::COOKIE
            | known::SET_COOKIE
            | known::FORWARDED
            | known::X_REAL_IP
            | known::X_FORWARDED_FOR
            | known::X_FORWARDED_HOST
            | known::X_FORWARDED_PORT
            | known::X_FORWARDED_PROTO
            | known::X_FORWARDED_SERVER
    )
}

fn is_reserved_name(name: &[u8]) -> bool {
    name.starts_with(b"mezu-") || name.starts_with(b"x-mezu-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trails(name: &str) -> bool {
        is_trailer(Known::lookup(name.as_bytes()), name.as_bytes())
    }

    #[test]
    fn what_may_come_late() {
        for name in ["grpc-status", "grpc-message", "digest", "server-timing", "x-request-id", "x-checksum", "etag"] {
            assert!(trails(name), "{name}");
        }
        for name in [
            "content-length",
            "transfer-encoding",
            "connection",
            "te",
            "trailer",
            "host",
            "content-type",
            "range",
            "expect",
            "cache-control",
            "authorization",
            "proxy-authorization",
            "proxy-authenticate",
            "proxy-anything",
            "cookie",
            "set-cookie",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-user",
            "x-forwarded",
            "x-real-ip",
            "x-original-url",
            "x-rewrite-url",
            "http2-settings",
            "mezu-ray",
            "mezu-user",
            "x-mezu-user",
        ] {
            assert!(!trails(name), "{name}");
        }
    }

    #[test]
    fn what_only_mezusphere_may_say() {
        let reserved = |name: &str| is_reserved(Known::lookup(name.as_bytes()), name.as_bytes());
        assert!(["mezu-ray", "mezu-x", "x-mezu-user"].into_iter().all(reserved));
        assert!(!["mezuzah", "x-mezu", "x-forwarded-for", "date"].into_iter().any(reserved));
    }
}
