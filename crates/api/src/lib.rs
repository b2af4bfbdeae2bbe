//! What is said over the REST API: requests, answers and problems, one file per noun. Server and clients share them.
//!
//! Inputs refuse unknown fields, so that a misspelt one is not silently left out. The [`utoipa::ToSchema`] of each type
//! is the source of `openapi/v1.json`. Nothing here does anything: there is no I/O and no rule but a type's own form.

pub mod account;
pub mod audit;
pub mod draft;
pub mod hostname;
pub mod invitation;
pub mod key;
pub mod machine;
pub mod member;
pub mod org;
pub mod paths;
pub mod publish;
pub mod request;
pub mod route;
pub mod schema;
pub mod session;
pub mod setup;
pub mod token;
pub mod workload;

mod code;
mod page;
mod permission;
mod problem;
mod time;

pub use code::Code;
pub use page::Page;
pub use permission::{Least, Permission};
pub use problem::Problem;
pub use time::{InvalidTime, Time};
