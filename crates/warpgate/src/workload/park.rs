//! The gate's half of the two-step hand-over: a request that must not be repeated is held until the edge says go, so
//! that until then the edge may still give it to another gate.

use std::{future::poll_fn, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::{
    Fault,
    edge_stream::{EdgeStream, Incoming, Request},
};

/// How long a request is held.
const HOLD: Duration = Duration::from_secs(1);
/// Body bytes held before the request is given up; the edge stops well before, at the stream's first credit.
const MAX_HELD: usize = 64 * 1024;

/// Says ready and waits for go; body that arrives meanwhile is kept with the request.
pub(crate) async fn until_go<S: EdgeStream>(stream: &mut S, request: &mut Request) -> Result<(), Fault> {
    stream.send_ready()?;
    timeout(HOLD, hold(stream, request)).await.map_err(|_| Fault::Parked)?
}

async fn hold<S: EdgeStream>(stream: &mut S, request: &mut Request) -> Result<(), Fault> {
    let mut held = BytesMut::new();
    loop {
        match poll_fn(|cx| stream.poll_recv(cx)).await? {
            Incoming::Go => break,
            Incoming::Data(data) => {
                if request.body.len() + held.len() + data.len() > MAX_HELD {
                    return Err(Fault::Parked);
                }
                held.extend_from_slice(&data);
            }
            Incoming::End => request.end = true,
            // Trailers before the go end the body; nobody waits for those of a held request.
            Incoming::Trailers(_) => request.end = true,
        }
    }
    if !held.is_empty() {
        let mut whole = BytesMut::with_capacity(request.body.len() + held.len());
        whole.extend_from_slice(&request.body);
        whole.extend_from_slice(&held);
        request.body = Bytes::from(whole);
    }
    Ok(())
}
