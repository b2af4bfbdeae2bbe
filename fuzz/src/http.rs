//! The codec is closed to the outside; it is a few pure files, which are taken as they are.

#[allow(dead_code, unused_imports, reason = "the fronts use the rest")]
#[path = "../../crates/edge/src/http/hpack/mod.rs"]
pub(crate) mod hpack;
