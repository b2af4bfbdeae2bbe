//! The `mezusphere` program: all roles in one process, and the commands that steer a running one.
//!
//! [`up`] wires the roles together and is what a test starts in its own process; [`cli`] is the command line; [`api`]
//! is what the two say to each other over the local socket. This crate decides addresses, files and order of start
//! and stop. It must never touch a request: the data path is the edge's, on threads of its own.

pub mod api;
pub mod cli;
pub mod up;
