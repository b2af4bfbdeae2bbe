//! A workload that keeps what it was sent, byte for byte, and answers what it was told to, byte for byte.
//!
//! Every request gets a number, which is in the answer's `x-nonce`: a test asks for [`Workload::seen`] by it. Without
//! other orders a path decides: see [`builtin`]. [`Workload::script`] answers a path with any bytes, waits and endings.

pub mod builtin;
mod script;

pub use script::{Signal, Step};

use crate::http1::{Head, Reader};
use anyhow::Result;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bodies are kept up to this size; longer ones are only counted and hashed.
const KEPT_BODY: usize = 1 << 20;
/// Requests kept; older ones are forgotten, but stay counted.
const KEPT_REQUESTS: usize = 4096;

/// One request as it came out of Warpgate.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub nonce: u64,
    pub head: Head,
    pub body: Vec<u8>,
    pub body_size: u64,
    pub trailers: Vec<(String, String)>,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl Seen {
    pub fn method(&self) -> &str {
        self.head.start.first().map_or("", String::as_str)
    }

    /// Path and query as on the wire.
    pub fn target(&self) -> &str {
        self.head.start.get(1).map_or("", String::as_str)
    }

    /// All values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let matching = self.head.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        matching.map(|(_, value)| value.as_str()).collect()
    }
}

#[derive(Default)]
struct State {
    next: AtomicU64,
    connections: AtomicU64,
    running: AtomicUsize,
    most_running: AtomicUsize,
    seen: Mutex<BTreeMap<u64, Seen>>,
    scripts: Mutex<HashMap<String, Vec<Step>>>,
    /// How often each `x-id` was delivered.
    ids: Mutex<HashMap<String, u32>>,
}

/// A running workload; its connections end with it.
pub struct Workload {
    state: Arc<State>,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Workload {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, state.clone()));
        Ok(Self { state, address, _tasks: tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests whose head arrived.
    pub fn count(&self) -> u64 {
        self.state.next.load(Ordering::SeqCst)
    }

    /// Connections that were opened to it.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Requests being answered now, and the most there ever were at once.
    pub fn running(&self) -> (usize, usize) {
        (self.state.running.load(Ordering::SeqCst), self.state.most_running.load(Ordering::SeqCst))
    }

    /// The request with this number, as it stands now.
    pub fn seen(&self, nonce: u64) -> Option<Seen> {
        self.state.seen.lock().unwrap().get(&nonce).cloned()
    }

    /// All requests whose target begins with this.
    pub fn seen_at(&self, target: &str) -> Vec<Seen> {
        let seen = self.state.seen.lock().unwrap();
        seen.values().filter(|seen| seen.target().starts_with(target)).cloned().collect()
    }

    /// How often each request that named itself by `x-id` was delivered.
    pub fn ids(&self) -> HashMap<String, u32> {
        self.state.ids.lock().unwrap().clone()
    }

    /// Answers every request for this path (query left out) by these steps.
    pub fn script(&self, path: &str, steps: impl Into<Vec<Step>>) {
        self.state.scripts.lock().unwrap().insert(path.into(), steps.into());
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let _ = socket.set_nodelay(true);
                state.connections.fetch_add(1, Ordering::SeqCst);
                let state = state.clone();
                connections.spawn(async move {
                    let _ = serve(socket, &state).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut socket: TcpStream, state: &State) -> Result<()> {
    let mut reader = Reader::default();
    // A kept connection may rest for as long as it likes: no patience here.
    while ready(&mut socket, &mut reader).await? {
        let Some(head) = reader.head(&mut socket).await? else { break };
        let nonce = state.begin(head.clone());
        let running = Running::new(state);
        let script = state.script_for(&head);
        let keep = match script {
            Some(steps) => script::play(&steps, &mut socket, &mut reader, state, nonce).await?,
            None => builtin::answer(&mut socket, &mut reader, state, nonce, &head).await?,
        };
        drop(running);
        if !keep {
            break;
        }
    }
    Ok(())
}

async fn ready(socket: &mut TcpStream, reader: &mut Reader) -> Result<bool> {
    use tokio::io::AsyncReadExt as _;
    Ok(!reader.buffer.is_empty() || socket.read_buf(&mut reader.buffer).await? > 0)
}

impl State {
    fn begin(&self, head: Head) -> u64 {
        let nonce = self.next.fetch_add(1, Ordering::SeqCst) + 1;
        if let Ok(Some(id)) = head.only("x-id") {
            *self.ids.lock().unwrap().entry(id.to_owned()).or_default() += 1;
        }
        let mut seen = self.seen.lock().unwrap();
        seen.insert(nonce, Seen { nonce, head, ..Seen::default() });
        if seen.len() > KEPT_REQUESTS {
            seen.pop_first();
        }
        nonce
    }

    fn change(&self, nonce: u64, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen.lock().unwrap().get_mut(&nonce) {
            change(seen);
        }
    }

    fn script_for(&self, head: &Head) -> Option<Vec<Step>> {
        let path = head.start.get(1)?.split('?').next()?;
        self.scripts.lock().unwrap().get(path).cloned()
    }
}

/// Counts a request as running for as long as it lives.
struct Running<'a>(&'a State);

impl<'a> Running<'a> {
    fn new(state: &'a State) -> Self {
        let now = state.running.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_running.fetch_max(now, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
