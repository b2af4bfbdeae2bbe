//! Well-known header names as one-byte indices.
//!
//! Comparing a header with a known name is then one byte, and on the tunnel such a name costs one byte. The order of
//! [`NAMES`] is part of the tunnel protocol: append only, never reorder.

use std::num::NonZeroU8;

/// Index + 1 into [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Known(NonZeroU8);

impl Known {
    /// Finds a lowercased name.
    #[inline]
    pub fn lookup(name: &[u8]) -> Option<Self> {
        let slot = SLOTS.get(hash(name) & MASK).copied().unwrap_or(0);
        let found = Self::from_index(slot)?;
        if found.as_str().as_bytes() == name { Some(found) } else { probe(name) }
    }

    /// The name with this one-byte code; `None` for 0 and for codes not in use.
    #[inline]
    pub fn from_index(code: u8) -> Option<Self> {
        let nonzero = NonZeroU8::new(code)?;
        (usize::from(code) <= NAMES.len()).then_some(Self(nonzero))
    }

    /// The code, 1 to 255.
    #[inline]
    pub const fn index(self) -> u8 {
        self.0.get()
    }

    /// The lowercased name.
    #[inline]
    pub fn as_str(self) -> &'static str {
        NAMES.get(usize::from(self.0.get()) - 1).copied().unwrap_or_default()
    }
}

/// Slots of the table; a power of two, sparse enough that few names collide.
const SIZE: usize = 1024;
const MASK: usize = SIZE - 1;

#[inline]
#[allow(clippy::indexing_slicing, reason = "every index is below the length, which is checked to be above 1")]
const fn hash(name: &[u8]) -> usize {
    let n = name.len();
    if n < 2 {
        return 0;
    }
    let (first, middle, late, last) =
        (name[0] as usize, name[n / 2] as usize, name[n - 2] as usize, name[n - 1] as usize);
    n.wrapping_mul(97)
        ^ first.wrapping_mul(31)
        ^ middle.wrapping_mul(193)
        ^ last.wrapping_mul(389)
        ^ late.wrapping_mul(769)
}

/// Looks past the first slot, for the few names that collide there.
#[cold]
fn probe(name: &[u8]) -> Option<Known> {
    let start = hash(name);
    for step in 1..SIZE {
        let slot = SLOTS.get((start + step) & MASK).copied()?;
        let found = Known::from_index(slot)?;
        if found.as_str().as_bytes() == name {
            return Some(found);
        }
    }
    None
}

static SLOTS: [u8; SIZE] = slots();

#[allow(clippy::indexing_slicing, reason = "runs at compile time: a fault stops the build")]
const fn slots() -> [u8; SIZE] {
    let mut table = [0u8; SIZE];
    let mut i = 0;
    while i < NAMES.len() {
        let mut at = hash(NAMES[i].as_bytes()) & MASK;
        while table[at] != 0 {
            at = (at + 1) & MASK;
        }
        #[allow(clippy::cast_possible_truncation, reason = "NAMES holds fewer than 256")]
        {
            table[at] = (i + 1) as u8;
        }
        i += 1;
    }
    table
}

macro_rules! known {
    ($($constant:ident $name:literal),* $(,)?) => {
        /// Every known name, lowercased; the code of a name is its position + 1.
        pub static NAMES: &[&str] = NAMES_CONST;
        const NAMES_CONST: &[&str] = &[$($name),*];
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Position { $($constant),* }
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Known = match NonZeroU8::new(Position::$constant as u8 + 1) {
                Some(code) => Known(code),
                None => Known(NonZeroU8::MIN),
            };
        )*
    };
}

known! {
    HOST "host",
    CONTENT_LENGTH "content-length",
    CONTENT_TYPE "content-type",
    TRANSFER_ENCODING "transfer-encoding",
    CONNECTION "connection",
    KEEP_ALIVE "keep-alive",
    UPGRADE "upgrade",
    TE "te",
    TRAILER "trailer",
    EXPECT "expect",
    ACCEPT "accept",
    ACCEPT_CHARSET "accept-charset",
    ACCEPT_ENCODING "accept-encoding",
    ACCEPT_LANGUAGE "accept-language",
    ACCEPT_RANGES "accept-ranges",
    AGE "age",
    ALLOW "allow",
    ALT_SVC "alt-svc",
    AUTHORIZATION "authorization",
    CACHE_CONTROL "cache-control",
    CACHE_STATUS "cache-status",
    CDN_CACHE_CONTROL "cdn-cache-control",
    CONTENT_DISPOSITION "content-disposition",
    CONTENT_ENCODING "content-encoding",
    CONTENT_LANGUAGE "content-language",
    CONTENT_LOCATION "content-location",
    CONTENT_RANGE "content-range",
    CONTENT_SECURITY_POLICY "content-security-policy",
    COOKIE "cookie",
    DATE "date",
    DNT "dnt",
    EARLY_DATA "early-data",
    ETAG "etag",
    EXPIRES "expires",
    FORWARDED "forwarded",
    FROM "from",
    IF_MATCH "if-match",
    IF_MODIFIED_SINCE "if-modified-since",
    IF_NONE_MATCH "if-none-match",
    IF_RANGE "if-range",
    IF_UNMODIFIED_SINCE "if-unmodified-since",
    LAST_MODIFIED "last-modified",
    LINK "link",
    LOCATION "location",
    MAX_FORWARDS "max-forwards",
    ORIGIN "origin",
    PRAGMA "pragma",
    PRIORITY "priority",
    PROXY_AUTHENTICATE "proxy-authenticate",
    PROXY_AUTHORIZATION "proxy-authorization",
    PROXY_CONNECTION "proxy-connection",
    RANGE "range",
    RATELIMIT "ratelimit",
    RATELIMIT_POLICY "ratelimit-policy",
    REFERER "referer",
    REFERRER_POLICY "referrer-policy",
    RETRY_AFTER "retry-after",
    SEC_CH_UA "sec-ch-ua",
    SEC_CH_UA_MOBILE "sec-ch-ua-mobile",
    SEC_CH_UA_PLATFORM "sec-ch-ua-platform",
    SEC_FETCH_DEST "sec-fetch-dest",
    SEC_FETCH_MODE "sec-fetch-mode",
    SEC_FETCH_SITE "sec-fetch-site",
    SEC_FETCH_USER "sec-fetch-user",
    SEC_WEBSOCKET_ACCEPT "sec-websocket-accept",
    SEC_WEBSOCKET_EXTENSIONS "sec-websocket-extensions",
    SEC_WEBSOCKET_KEY "sec-websocket-key",
    SEC_WEBSOCKET_PROTOCOL "sec-websocket-protocol",
    SEC_WEBSOCKET_VERSION "sec-websocket-version",
    SERVER "server",
    SERVER_TIMING "server-timing",
    SET_COOKIE "set-cookie",
    STRICT_TRANSPORT_SECURITY "strict-transport-security",
    TRACEPARENT "traceparent",
    TRACESTATE "tracestate",
    UPGRADE_INSECURE_REQUESTS "upgrade-insecure-requests",
    USER_AGENT "user-agent",
    VARY "vary",
    VIA "via",
    WWW_AUTHENTICATE "www-authenticate",
    X_ACCEL_BUFFERING "x-accel-buffering",
    X_CONTENT_TYPE_OPTIONS "x-content-type-options",
    X_FORWARDED_FOR "x-forwarded-for",
    X_FORWARDED_HOST "x-forwarded-host",
    X_FORWARDED_PORT "x-forwarded-port",
    X_FORWARDED_PROTO "x-forwarded-proto",
    X_FORWARDED_SERVER "x-forwarded-server",
    X_FRAME_OPTIONS "x-frame-options",
    X_POWERED_BY "x-powered-by",
    X_REAL_IP "x-real-ip",
    X_REQUEST_ID "x-request-id",
    X_REQUESTED_WITH "x-requested-with",
    ACCESS_CONTROL_ALLOW_CREDENTIALS "access-control-allow-credentials",
    ACCESS_CONTROL_ALLOW_HEADERS "access-control-allow-headers",
    ACCESS_CONTROL_ALLOW_METHODS "access-control-allow-methods",
    ACCESS_CONTROL_ALLOW_ORIGIN "access-control-allow-origin",
    ACCESS_CONTROL_EXPOSE_HEADERS "access-control-expose-headers",
    ACCESS_CONTROL_MAX_AGE "access-control-max-age",
    ACCESS_CONTROL_REQUEST_HEADERS "access-control-request-headers",
    ACCESS_CONTROL_REQUEST_METHOD "access-control-request-method",
    GRPC_STATUS "grpc-status",
    GRPC_MESSAGE "grpc-message",
    GRPC_TIMEOUT "grpc-timeout",
    GRPC_ENCODING "grpc-encoding",
    GRPC_ACCEPT_ENCODING "grpc-accept-encoding",
    IDEMPOTENCY_KEY "idempotency-key",
    LAST_EVENT_ID "last-event-id",
    MEZU_RAY "mezu-ray",
    WARNING "warning",
    DIGEST "digest",
    CONTENT_DIGEST "content-digest",
    SEC_GPC "sec-gpc",
    PERMISSIONS_POLICY "permissions-policy",
    CROSS_ORIGIN_OPENER_POLICY "cross-origin-opener-policy",
    CROSS_ORIGIN_RESOURCE_POLICY "cross-origin-resource-policy",
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_is_found_and_unique() {
        assert!(NAMES.len() < 256);
        for (i, name) in NAMES.iter().enumerate() {
            let known = Known::lookup(name.as_bytes()).unwrap();
            assert_eq!(usize::from(known.index()), i + 1, "{name}");
            assert_eq!(known.as_str(), *name);
            assert_eq!(*name, name.to_ascii_lowercase());
        }
    }

    #[test]
    fn others_are_not_found() {
        for name in ["", "x", "hosts", "x-custom", "content-lengtH"] {
            assert_eq!(Known::lookup(name.as_bytes()), None, "{name}");
        }
        assert_eq!(Known::from_index(0), None);
        assert_eq!(Known::from_index(255), None);
    }
}
