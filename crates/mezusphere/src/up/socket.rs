//! The local socket: the instance's status, and the API for the operator. Who may open the socket may do everything: its mode is 0600, in a directory of
//! mode 0700.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::UnixListener;

use super::ops::Ops;

/// Listens on the socket. A file left by a crash is removed: the lock of the data directory says that nobody uses it.
///
/// # Errors
/// The system's, such as a path longer than the 107 bytes that a socket's name may have.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What the instance says of itself, as a router. What it does not know is for the API.
pub(super) fn router(ops: Arc<Ops>) -> Router {
    Router::new().route("/v1/status", get(async |State(ops): State<Arc<Ops>>| Json(ops.status()))).with_state(ops)
}
