//! Raw bytes in, raw bytes out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bodies;
mod framing;
mod lifetime;
mod mutated;
mod upgrades;

use std::rc::Rc;

use mezu_model::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::{JoinHandle, LocalSet},
};

use crate::http::{Alpn, ConnInfo, Drain, toy::Toy};

/// A connection to a front with a [`Toy`] behind it.
struct Peer {
    io: DuplexStream,
    toy: Rc<Toy>,
    drain: Drain,
    front: JoinHandle<()>,
}

fn conn() -> ConnInfo {
    ConnInfo { client: ([192, 0, 2, 1], 5000).into(), local_port: 443, sni: None, alpn: Alpn::H1 }
}

impl Peer {
    fn new() -> Self {
        Self::with(1 << 20)
    }

    /// `room`: how much the connection holds in flight.
    fn with(room: usize) -> Self {
        let (io, theirs) = tokio::io::duplex(room);
        let (toy, drain) = (Rc::new(Toy::default()), Drain::new());
        let limits = Rc::new(Limits::default());
        #[allow(clippy::disallowed_methods, reason = "a test's own task")]
        let front = tokio::task::spawn_local(super::serve(theirs, conn(), toy.clone(), limits, drain.clone()));
        Self { io, toy, drain, front }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.write_all(bytes.as_ref()).await.unwrap();
    }

    /// All that comes until the front closes.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        self.io.read_to_end(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What comes up to and including `end`.
    async fn until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            let byte = self.io.read_u8().await;
            bytes.push(byte.unwrap_or_else(|_| panic!("closed after {:?}", String::from_utf8_lossy(&bytes))));
        }
        String::from_utf8(bytes).unwrap()
    }

    fn seen(&self) -> Vec<String> {
        self.toy.seen.borrow().clone()
    }
}

/// Sends all bytes, half-closes, and returns all answers and what the service saw.
async fn talk(raw: impl AsRef<[u8]>) -> (String, Vec<String>) {
    let mut peer = Peer::new();
    peer.send(raw).await;
    peer.io.shutdown().await.unwrap();
    let answer = peer.rest().await;
    (answer, peer.seen())
}

/// Runs a test on one thread with virtual time.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
}
