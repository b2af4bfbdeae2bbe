//! Finding a route alone, for callgrind to count: no socket, no request around it. Not part of the library's interface.

use std::sync::Arc;

use mezu_model::RequestHead;
use mezu_snapshot::Snapshot;

use crate::routes::{Compiled, Table};

/// Compiled routes.
pub struct Routes(Arc<Table>);

impl Routes {
    /// Compiles a snapshot that is whole.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Option<Self> {
        Compiled::first(Arc::new(snapshot)).ok().map(|compiled| Self(compiled.table))
    }

    /// Whether a route takes the request.
    #[must_use]
    pub fn finds(&self, head: &RequestHead) -> bool {
        self.0.finds(head)
    }
}
