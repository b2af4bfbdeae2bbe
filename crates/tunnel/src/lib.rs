//! Drives `tunnel-proto` on sockets, and owns the TLS of both of the edge's sides.
//!
//! * [`session`]: a tunnel in use, and the streams on it. [`accept`] and [`dial`] make one, [`auth`] says who it is with.
//! * [`carrier`]: the TLS connection below a session.
//! * [`tls`]: TLS towards clients, one connection per stream, made so that an idle connection keeps no buffers.
//!
//! Everything here runs on one thread per connection (`Rc`, `RefCell`, no locks). A `RefCell` borrow never lives
//! across an await. rustls does every handshake; afterwards [`record`] protects the records with the keys it agreed.

pub mod accept;
pub mod ask;
pub mod auth;
pub mod carrier;
pub mod dial;
mod out;
mod record;
pub use accept::{AcceptError, Knock, PendingGate, accept, accept_hello};
pub use ask::{Asking, PendingAsk, ask};
pub use dial::{ConnectError, Offer, connect};
pub use session::{Session, Stream};

pub use mezu_tunnel_proto as proto;

pub mod session;
#[cfg(test)]
mod test_certs;
pub mod tls;
