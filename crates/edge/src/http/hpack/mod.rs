//! Header compression for HTTP/2 (RFC 7541).
//!
//! The decoder keeps the client's dynamic table, bounded by its byte budget, and hands out every field as it is
//! decoded; what happens to a field that is too much is the caller's choice, because the table must be kept in step
//! either way. The encoder keeps no state: it indexes names and writes values plainly, which costs a few bytes on the
//! wire and next to nothing here.

mod decode;
mod encode;
pub(crate) mod huffman;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use decode::Decoder;
pub(crate) use encode::{field, status, table_size_zero};
