//! Drives `tunnel-proto` on sockets, and owns the TLS of both of the edge's sides.
//!
//! * [`tls`]: TLS towards clients, one connection per stream, made so that an idle connection keeps no buffers.
//!
//! Everything here runs on one thread per connection (`Rc`, `RefCell`, no locks). A `RefCell` borrow never lives
//! across an await. rustls does every handshake; afterwards [`record`] protects the records with the keys it agreed.

pub mod auth;
pub mod carrier;
mod out;
mod record;
#[cfg(test)]
mod test_certs;
pub mod tls;
