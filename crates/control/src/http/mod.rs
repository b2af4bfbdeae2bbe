//! The REST API over HTTP: thin handlers, one file per noun, between the front that every request passes and the gate
//! that every operation has.

mod body;
mod described;
mod document;
mod front;
mod gate;
mod operations;
mod params;
mod render;

mod account;
mod audit;
mod draft;
mod hostname;
mod invitation;
mod key;
mod machine;
mod me;
mod member;
mod org;
mod publish;
mod request;
mod route;
mod session;
mod setup;
mod token;
mod workload;

pub use body::Body;
pub use document::document;
pub use front::Source;
pub use operations::Operations;
pub use params::{Filter, Id, IfMatch, Paged};

use axum::Router;

use crate::Control;
use crate::auth::Door;

/// Every operation there is.
pub(crate) fn operations() -> Operations {
    let all = Operations::default();
    let all = setup::add(all);
    let all = session::add(all);
    let all = me::add(all);
    let all = org::add(all);
    let all = member::add(all);
    let all = invitation::add(all);
    let all = token::add(all);
    let all = workload::add(all);
    let all = account::add(all);
    let all = key::add(all);
    let all = machine::add(all);
    let all = hostname::add(all);
    let all = route::add(all);
    let all = draft::add(all);
    let all = publish::add(all);
    let all = request::add(all);
    audit::add(all)
}

/// The API for the admin listener: who asks must show it. Serves what begins with [`mezu_api::paths::BASE`].
pub fn router(control: &Control) -> Router {
    front::around(operations().into_router(control, Door::Http), control, Door::Http)
}

/// The API for the socket in the data directory: who may open it is the operator.
pub fn operator_router(control: &Control) -> Router {
    front::around(operations().into_router(control, Door::Socket), control, Door::Socket)
}
