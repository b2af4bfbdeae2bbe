//! The `date` field of answers whose workload sent none (RFC 9110 §6.6.1), formatted once per second and thread.

use std::{cell::Cell, time::SystemTime};

use mezu_model::date::{self, LEN};

thread_local! {
    static CACHED: Cell<(u64, [u8; LEN])> = const { Cell::new((u64::MAX, [b' '; LEN])) };
}

/// Appends the present time as an IMF-fixdate.
pub(crate) fn append(out: &mut Vec<u8>) {
    out.extend_from_slice(&now());
}

/// The present time as an IMF-fixdate.
pub(crate) fn now() -> [u8; LEN] {
    let seconds = date::seconds(SystemTime::now());
    let (cached, mut text) = CACHED.get();
    if cached != seconds {
        text = date::format(seconds);
        CACHED.set((seconds, text));
    }
    text
}
