//! From a tunnel stream to a workload and back.
//!
//! This is the workload side of the data path. It must never dial anything but the target that was given locally,
//! never put a byte of the client into an HTTP/1 head unparsed, and never use a workload connection again unless both
//! messages on it ended exactly where they said.

pub(crate) mod chunked;
pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod edge_stream;
pub(crate) mod exchange;
pub(crate) mod fault;
mod files;
pub(crate) mod forward;
pub(crate) mod h1;
pub(crate) mod h2c;
pub(crate) mod io;
pub(crate) mod park;
pub(crate) mod pool;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod tunnelled;
pub(crate) mod websocket;

pub(crate) use fault::{BadResponse, Fault};

use std::{cell::RefCell, rc::Rc, sync::Arc};

use mezu_model::{Limits, ResponseHead};

use crate::{Target, stats::Stats};
use edge_stream::{EdgeStream, Request};

/// Bytes read from a workload at once.
const SCRATCH: usize = 256 * 1024;

/// What all requests of the thread share.
pub(crate) struct Shared {
    /// Response bytes are read here and usually sent on before the next read: connections hold no buffer of their own.
    pub scratch: RefCell<Box<[u8]>>,
    /// The response head in the making; encoded before anyone else runs.
    pub head: RefCell<ResponseHead>,
    pub limits: Limits,
    pub stats: Arc<Stats>,
}

impl Shared {
    pub(crate) fn new(limits: Limits, stats: Arc<Stats>) -> Rc<Self> {
        Rc::new(Self {
            scratch: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            head: RefCell::new(ResponseHead::default()),
            limits,
            stats,
        })
    }
}

/// One workload and how it is reached.
pub(crate) struct Workload {
    pub target: Target,
    pub rewrite: request::Rewrite,
    pub dialer: dial::Dialer,
    pub pool: pool::Pool,
    pub h2c: h2c::Link,
    pub shared: Rc<Shared>,
}

impl Workload {
    pub(crate) fn new(target: Target, rewrite: request::Rewrite, dialer: dial::Dialer, shared: Rc<Shared>) -> Self {
        Self { target, rewrite, dialer, pool: pool::Pool::default(), h2c: h2c::Link::default(), shared }
    }

    /// Answers one request. On error nothing more can be said on the stream but a reset with the fault.
    pub(crate) async fn serve<S: EdgeStream>(&self, stream: &mut S, request: &mut Request) -> Result<(), Fault> {
        if request.park {
            Box::pin(park::until_go(stream, request)).await?;
        }
        match &self.target {
            target if target.is_h1() => h1::serve(self, stream, request).await,
            Target::H2c(_) => Box::pin(h2c::serve(self, stream, request)).await,
            Target::Folder(dir) => Box::pin(files::serve(dir, stream, request)).await,
            _ => Err(Fault::Internal),
        }
    }
}

#[cfg(test)]
mod tests;
