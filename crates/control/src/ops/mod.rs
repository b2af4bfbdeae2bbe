//! What is done, one file per noun: on the store, as somebody who may. Nothing here knows of HTTP.

/// All rows of a list, part by part: `every!(slice, view.routes(org, &filter, &slice))`.
macro_rules! every {
    ($slice:ident, $page:expr) => {{
        let mut all = Vec::new();
        let mut $slice = mezu_store::Slice::first(mezu_store::MOST);
        loop {
            let page = $page.await?;
            all.extend(page.items);
            match page.next {
                Some(next) => $slice.after = Some(next),
                None => break all,
            }
        }
    }};
}

pub(crate) mod account;
pub mod audit;
pub mod draft;
pub(crate) mod hostname;
pub(crate) mod invitation;
pub(crate) mod key;
pub mod machine;
pub(crate) mod me;
pub(crate) mod member;
pub(crate) mod org;
pub(crate) mod publish;
pub(crate) mod request;
pub(crate) mod route;
pub(crate) mod session;
pub mod setup;
pub(crate) mod token;
pub(crate) mod workload;

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
