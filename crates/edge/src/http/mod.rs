//! The HTTP fronts: bytes from hostile clients become [`mezu_model::head::RequestHead`]s, answers become bytes.
//!
//! Must never: guess at framing, forward a field the client may not set, hold a buffer for an idle connection,
//! or know anything of routes and workloads.

pub(crate) mod asked;
mod date;
mod drain;
pub mod exchange;
mod fields;
mod h1;
mod h2;
mod hpack;
#[cfg(test)]
mod mutate;
mod names;
mod pace;
mod target;
#[cfg(test)]
mod toy;
mod wire;

pub use drain::Drain;
pub use exchange::{Alpn, BadRequest, BodyLength, BodyPart, ClientGone, ConnInfo, Exchange, ResponseLength, Serve};
pub use names::strip_response;
pub(crate) use names::{is_conversation, is_of_kind};
pub use wire::Wire;

use std::rc::Rc;

use mezu_model::Limits;

/// Serves one client connection, its handshake done, to its end. The caller's task is the connection's; drop it to
/// cut the connection off.
pub async fn serve_connection<W: Wire + 'static, S: Serve>(
    io: W,
    conn: ConnInfo,
    service: Rc<S>,
    limits: Rc<Limits>,
    drain: Drain,
) {
    match conn.alpn {
        Alpn::H1 => h1::serve(io, conn, service, limits, drain).await,
        Alpn::H2 => h2::serve(io, conn, service, limits, drain).await,
    }
}
