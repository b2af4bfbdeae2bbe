//! The wall clock, in the store's unit.

use std::time::{SystemTime, UNIX_EPOCH};

use mezu_store::Micros;

/// Now. Before 1970 it is 1970.
#[must_use]
pub(super) fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
