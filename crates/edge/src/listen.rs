//! From the kernel's queue to a served connection.
//!
//! Accepting only hands a socket to a task: admission, handshake and all that follows happen there, under their own
//! deadlines, so that nobody can hold up the next in the queue.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mezu_runtime::spawn_local;
use mezu_tunnel::tls::{ServerStream, TlsError, sniff};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout_at;
use tracing::debug;

use crate::admission::{Permit, Refused};
use crate::gate_accept;
use crate::guard;
use crate::http::{self, Alpn, ConnInfo};
use crate::metrics::{Door, HandshakeFailure};
use crate::redirect::redirect;
use crate::shared::Shared;
use crate::worker::{Command, Worker};

/// Connections that the kernel may hold for one worker.
const BACKLOG: i32 = 4096;
/// Most bytes in the kernel that are not on their way to the client yet.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 * 1024;
/// Pause after an error of the listener itself: no file descriptors, no memory.
const BREATH: Duration = Duration::from_millis(50);

/// The listeners of one worker.
pub(crate) struct Listeners {
    pub(crate) https: StdListener,
    pub(crate) http: Option<StdListener>,
}

/// The place of a connection: in the counts of admission, and in the load of a worker.
pub(crate) struct Place {
    permit: Permit,
    shared: Arc<Shared>,
    worker: usize,
}

/// Binds one worker's listener; all of them share one address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        // One listener for both families where the address is the wildcard; the default differs between systems.
        let _ = socket.set_only_v6(false);
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts accepting.
pub(crate) fn start(worker: &Rc<Worker>, listeners: Listeners) {
    let accepting = &worker.stops.accepting;
    spawn_local(accepting, "accept https", accept(Rc::clone(worker), listeners.https, arrive));
    if let Some(http) = listeners.http {
        spawn_local(accepting, "accept http", accept(Rc::clone(worker), http, arrive_plain));
    }
}

/// Accepts until asked to stop, then what is in the queue already: those clients were told that they are connected.
async fn accept(worker: Rc<Worker>, listener: StdListener, arrive: fn(&Rc<Worker>, TcpStream, SocketAddr)) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            biased;
            () = worker.stops.accepting.stopping() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, client)) => arrive(&worker, socket, client),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                debug!(%error, "accept");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    // Asked of the kernel itself: the runtime knows of new ones only after its next look. As many as the queue can
    // have held: more may be coming for ever.
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..BACKLOG {
        let Ok((socket, client)) = listener.accept() else { break };
        if socket.set_nonblocking(true).is_ok()
            && let Ok(socket) = TcpStream::from_std(socket)
        {
            arrive(&worker, socket, client);
        }
    }
}

/// The client was gone before it was accepted; the listener is well.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn arrive(worker: &Rc<Worker>, socket: TcpStream, client: SocketAddr) {
    let permit = match worker.shared.admission.admit(client.ip()) {
        Ok(permit) => permit,
        Err(refused) => return worker.metrics.shed(refused.into()),
    };
    let here = worker.index;
    let there = worker.shared.roomier_than(here);
    let place = Place::new(permit, &worker.shared, there);
    if there == here {
        return serve(worker, socket, client, place);
    }
    // Where the kernel's dice are uneven, the busier worker hands over.
    let Ok(socket) = socket.into_std() else { return };
    if let Err(Command::Client(socket, place)) = worker.send(there, Command::Client(socket, place)) {
        adopt(worker, socket, place);
    }
}

fn arrive_plain(worker: &Rc<Worker>, socket: TcpStream, client: SocketAddr) {
    match worker.shared.admission.admit(client.ip()) {
        Ok(permit) => {
            let port = worker.shared.public_port;
            spawn_local(&worker.stops.clients, "redirect", async move {
                let _permit = permit;
                let _ = guard::isolate(redirect(socket, port)).await;
            });
        }
        Err(refused) => worker.metrics.shed(refused.into()),
    }
}

/// Serves a socket that another worker accepted.
pub(crate) fn adopt(worker: &Rc<Worker>, socket: StdStream, place: Place) {
    if let Ok(client) = socket.peer_addr()
        && let Ok(socket) = TcpStream::from_std(socket)
    {
        serve(worker, socket, client, place);
    }
}

fn serve(worker: &Rc<Worker>, socket: TcpStream, client: SocketAddr, place: Place) {
    let worker = Rc::clone(worker);
    let scope = worker.stops.clients.clone();
    spawn_local(&scope, "handshake", async move {
        let _ = guard::isolate(shake_hands(worker, socket, client, place)).await;
    });
}

/// Up to the end of the TLS handshake, within its deadline. A client's connection goes on in a task of its own, so
/// that an idle connection does not hold the memory of a handshake.
async fn shake_hands(worker: Rc<Worker>, socket: TcpStream, client: SocketAddr, place: Place) {
    let _ = socket.set_nodelay(true);
    let deadline = tokio::time::Instant::now() + worker.limits().handshake;
    // Whoever says nothing takes no place among those who do.
    let sniffed = match timeout_at(deadline, sniff(socket)).await {
        Ok(Ok(sniffed)) => sniffed,
        Ok(Err(error)) => return worker.metrics.handshake_failed(failure(&error)),
        Err(_late) => return worker.metrics.handshake_failed(HandshakeFailure::Timeout),
    };
    let (_handshake, wait) = match worker.handshakes.begin(Instant::now(), client.ip()) {
        Ok(begun) => begun,
        Err(refused) => return worker.metrics.shed(refused.into()),
    };
    let begin = tokio::time::Instant::now() + wait;
    if begin >= deadline {
        return worker.metrics.shed(Refused::Handshakes.into());
    }
    if !wait.is_zero() {
        tokio::time::sleep_until(begin).await;
    }
    if sniffed.is_tunnel {
        return gate_accept::greet(&worker, sniffed, place, deadline - tokio::time::Instant::now()).await;
    }
    match timeout_at(deadline, ServerStream::handshake(sniffed, Arc::clone(&worker.shared.client_tls))).await {
        Ok(Ok(stream)) => serve_client(&worker, stream, client, place),
        Ok(Err(error)) => worker.metrics.handshake_failed(failure(&error)),
        Err(_late) => worker.metrics.handshake_failed(HandshakeFailure::Timeout),
    }
}

fn failure(error: &TlsError) -> HandshakeFailure {
    match error {
        TlsError::Io(_) | TlsError::Closed => HandshakeFailure::Closed,
        _ => HandshakeFailure::Tls,
    }
}

fn serve_client(worker: &Rc<Worker>, stream: ServerStream, client: SocketAddr, place: Place) {
    bound_unsent(stream.tcp());
    let conn = ConnInfo {
        client,
        local_port: worker.shared.public_port,
        sni: stream.server_name().map(|name| name.to_ascii_lowercase().into()),
        alpn: if stream.alpn() == Some(b"h2") { Alpn::H2 } else { Alpn::H1 },
    };
    let serving = Rc::clone(worker);
    let door = if conn.alpn == Alpn::H2 { Door::H2 } else { Door::H1 };
    worker.metrics.connection_opened(door);
    spawn_local(&worker.stops.clients, "client", async move {
        let _counted = Opened { worker: Rc::clone(&serving), door, _place: place };
        let limits = serving.connection_limits();
        let drain = serving.drain.clone();
        let served = Box::pin(http::serve_connection(stream, conn, serving, limits, drain));
        let _ = guard::isolate(served).await;
    });
}

/// What a slow client does not take waits with the workload instead of in the kernel, and its progress shows soon.
/// What is on its way to the client is not bounded by this.
#[cfg(target_os = "linux")]
fn bound_unsent(socket: &TcpStream) {
    // Without it all works, with more memory.
    let _ = socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT);
}

#[cfg(not(target_os = "linux"))]
fn bound_unsent(_: &TcpStream) {}

/// A client's connection while it is open.
struct Opened {
    worker: Rc<Worker>,
    door: Door,
    _place: Place,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.worker.metrics.connection_closed(self.door);
    }
}

impl Place {
    fn new(permit: Permit, shared: &Arc<Shared>, worker: usize) -> Self {
        if let Some(load) = shared.loads.get(worker) {
            load.fetch_add(1, Ordering::Relaxed);
        }
        Self { permit, shared: Arc::clone(shared), worker }
    }

    /// See [`Permit::vouch`].
    pub(crate) fn vouch(&mut self) {
        self.permit.vouch();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(load) = self.shared.loads.get(self.worker) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// The worker that a new connection accepted by `here` should go to: `here`, unless another has clearly fewer.
    fn roomier_than(&self, here: usize) -> usize {
        let load = |at: usize| self.loads.get(at).map_or(usize::MAX, |load| load.load(Ordering::Relaxed));
        let mine = load(here);
        let (least, roomiest) = (0..self.loads.len()).map(|at| (load(at), at)).min().unwrap_or((mine, here));
        if least + 1 + mine / 8 < mine { roomiest } else { here }
    }
}
