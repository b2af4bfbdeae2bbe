//! A session whose socket always has more to read keeps its time all the same.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};

use super::*;

/// A line that hands nothing on while it is shut.
struct Line {
    inner: DuplexStream,
    gate: Arc<Mutex<Shut>>,
}

#[derive(Default)]
struct Shut {
    shut: bool,
    waits: Option<Waker>,
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut gate = self.gate.lock().unwrap();
        if gate.shut {
            gate.waits = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(gate);
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

const STREAMS: usize = 14;
const EACH: usize = 60_000;

/// An edge, a gate behind a line that can be shut, and how many bytes have come to the line.
async fn pair_on_a_line(world: &World) -> (Session, Session, Arc<Mutex<Shut>>, Rc<Cell<usize>>) {
    let (near, far) = tokio::io::duplex(4 << 20);
    let (line, arrived) = (Arc::new(Mutex::new(Shut::default())), Rc::new(Cell::new(0)));
    let (address, counted) = (world.listener.local_addr().unwrap(), Rc::clone(&arrived));
    spawn_local(&world.scope, "line", async move {
        let (mut up, mut down) = TcpStream::connect(address).await.unwrap().into_split();
        let (mut read, mut write) = tokio::io::split(far);
        let there = async {
            let mut some = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = up.read(&mut some).await {
                write.write_all(&some[..n]).await.unwrap();
                counted.set(counted.get() + n);
            }
        };
        let _ = tokio::join!(there, tokio::io::copy(&mut read, &mut down));
    });
    let edge = async { world.pending().await.welcome(welcome(), config(), &world.scope).unwrap() };
    let tls = Arc::new(gate_config(world.certs.roots.clone()).unwrap());
    let io = Io::Boxed(Box::new(Line { inner: near, gate: Arc::clone(&line) }));
    let gate = connect(io, tls, "edge.test", offer(), &world.seed, config(), &world.scope);
    let (edge, gate) = tokio::join!(edge, gate);
    (edge, gate.unwrap().0, line, arrived)
}

/// Reads all bodies of a gate; counts their bytes.
fn read_all(world: &World, gate: Session) -> Rc<Cell<usize>> {
    let (total, scope) = (Rc::new(Cell::new(0)), world.scope.clone());
    let count = Rc::clone(&total);
    spawn_local(&world.scope, "take", async move {
        while let Some(mut stream) = gate.accept().await {
            let count = Rc::clone(&count);
            spawn_local(&scope, "read", async move {
                while let Ok(incoming) = stream.recv().await {
                    let Incoming::Data(data) = incoming else { continue };
                    count.set(count.get() + data.len());
                }
            });
        }
    });
    total
}

/// Bulk that comes all at once: half of the keys' life is over half-way through it, and is noticed then.
#[test]
fn time_is_kept_while_the_socket_has_more() {
    crate::carrier::TEST_KEY_LIFE.set(1 << 16);
    local(async {
        let world = World::new().await;
        let (edge, gate, line, arrived) = pair_on_a_line(&world).await;
        let read = read_all(&world, gate.clone());
        let mut streams: Vec<_> = (0..STREAMS).map(|_| open(&edge, Method::Put, &[], false).0).collect();
        while gate.0.state.borrow().connection.in_flight() < STREAMS {
            tokio::task::yield_now().await;
        }
        line.lock().unwrap().shut = true;
        let before = arrived.get();
        let body = pattern(EACH);
        for stream in &mut streams {
            stream.send(&body, false).await.unwrap();
        }
        while arrived.get() - before < STREAMS * EACH {
            tokio::task::yield_now().await;
        }
        // A task of its own: the test itself is polled only now and then while tasks are ready.
        let noticed = spawn_local(&world.scope, "notice", async move {
            gate.draining().await;
            read.get()
        });
        let waits = std::mem::take(&mut *line.lock().unwrap()).waits;
        waits.unwrap().wake();
        // The edge drains at three quarters; this is the gate's own doing.
        let noticed = noticed.await.unwrap();
        assert!(noticed <= STREAMS * EACH * 3 / 4, "{noticed} of {}", STREAMS * EACH);
    });
}
