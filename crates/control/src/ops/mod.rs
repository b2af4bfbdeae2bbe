//! What is done, one file per noun: on the store, as somebody who may. Nothing here knows of HTTP.

pub(crate) mod audit;
pub(crate) mod invitation;
pub(crate) mod me;
pub(crate) mod member;
pub(crate) mod org;
pub(crate) mod session;
pub mod setup;
pub(crate) mod token;

use mezu_api::Time;
use mezu_store::Micros;
use serde::Serialize;
use serde_json::Value as Json;

/// A time of the store's as the API writes it.
pub(crate) fn time(at: Micros) -> Time {
    Time(at.0)
}

/// What goes into the audit log as a thing was or is.
pub(crate) fn seen<T: Serialize>(thing: &T) -> Option<Json> {
    serde_json::to_value(thing).ok()
}
