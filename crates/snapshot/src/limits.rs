//! Upper bounds of a snapshot. Beyond one of them a snapshot is refused whole; nothing is ever cut off.

/// Encoded size, in bytes.
pub const BYTES: usize = 64 * 1024 * 1024;
/// Organisations.
pub const ORGS: usize = 10_000;
/// Service-account keys, all orgs together.
pub const KEYS: usize = 100_000;
/// Workloads, all orgs together.
pub const WORKLOADS: usize = 100_000;
/// Workloads that one key may make.
pub const WORKLOADS_PER_KEY: usize = 1_000;
/// Routes, all orgs together.
pub const ROUTES: usize = 100_000;
/// Routes of one org.
pub const ROUTES_PER_ORG: usize = 10_000;
/// Bytes of a route's path.
pub const PATH: usize = 1024;
/// Captures in a route's path.
pub const CAPTURES: usize = 16;
/// Bytes of a capture's name.
pub const CAPTURE_NAME: usize = 32;
/// Methods that a route may list.
pub const METHODS: usize = 16;
/// Header fields that a route may ask for.
pub const HEADERS: usize = 8;
/// Bytes of such a field's name.
pub const HEADER_NAME: usize = 64;
/// Values that such a field may have.
pub const VALUES: usize = 16;
/// Bytes of such a value.
pub const VALUE: usize = 256;
/// Bytes of an org's display name.
pub const ORG_NAME: usize = 100;
