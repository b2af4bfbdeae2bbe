//! What the fronts of HTTP/1 and HTTP/2 are fuzzed with: a service that looks hard at all it is handed, and a client's
//! end of the connection. Time is virtual: waiting costs nothing, and what waits for ever is found.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use mezu_edge::http::{
    Alpn, BadRequest, BodyLength, BodyPart, ClientGone, ConnInfo, Drain, Exchange, ResponseLength, Serve,
    serve_connection,
};
use mezu_model::{Headers, Limits, RequestHead, ResponseHead};
use tokio::io::DuplexStream;
use tokio::task::{JoinHandle, LocalSet};

/// Longer than any limit of the edge: a connection that is not over by then hangs.
pub const FOREVER: Duration = Duration::from_secs(1200);

/// Runs on one thread, which all inputs share.
pub fn run(test: impl Future<Output = ()>) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    }
    RUNTIME.with(|runtime| LocalSet::new().block_on(runtime, test));
}

/// A client's end of a connection.
pub struct Peer {
    pub io: DuplexStream,
    pub service: Rc<Inspector>,
    front: JoinHandle<()>,
}

impl Peer {
    /// `room`: how much the connection holds in flight, each way.
    #[allow(clippy::disallowed_methods, reason = "a test's own task")]
    pub fn new(alpn: Alpn, room: usize) -> Self {
        let (io, theirs) = tokio::io::duplex(room);
        let service = Rc::new(Inspector::default());
        let conn = ConnInfo { client: ([192, 0, 2, 1], 5000).into(), local_port: 443, sni: None, alpn };
        let serving = serve_connection(theirs, conn, service.clone(), Rc::new(Limits::default()), Drain::new());
        Self { io, service, front: tokio::task::spawn_local(serving) }
    }

    /// Waits for the front, which must end by itself and leave no work behind.
    pub async fn end(self) {
        drop(self.io);
        let ended = tokio::time::timeout(FOREVER, self.front).await;
        assert!(ended.expect("the front hangs").is_ok(), "the front panicked");
        assert_eq!(self.service.working.get(), 0, "work is left behind");
    }
}

/// Answers by path; remembers what it was asked.
#[derive(Default)]
pub struct Inspector {
    pub seen: RefCell<Vec<String>>,
    pub working: Cell<usize>,
}

struct Working<'t>(&'t Cell<usize>);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Serve for Inspector {
    async fn serve<X: Exchange>(&self, _: &ConnInfo, head: &mut RequestHead, exchange: &mut X) {
        self.working.set(self.working.get() + 1);
        let _working = Working(&self.working);
        check_head(head);
        self.seen.borrow_mut().push(describe(head));
        match answer(head, exchange).await {
            Ok(body) => self.seen.borrow_mut().push(body),
            Err(gone) => {
                self.seen.borrow_mut().push(format!("{gone}"));
                if !matches!(gone, ClientGone::Malformed(_)) || exchange.started() {
                    return exchange.abort();
                }
                exchange.start(&plain(400), ResponseLength::Empty);
                exchange.finish();
            }
        }
    }

    fn refuse(&self, _: &ConnInfo, problem: BadRequest, answer: &mut ResponseHead) -> Bytes {
        self.seen.borrow_mut().push(format!("refused: {problem}"));
        *answer = plain(problem.status());
        Bytes::from_static(b"no")
    }
}

/// What the rest of the edge relies on.
fn check_head(head: &RequestHead) {
    assert!(head.path.starts_with('/') || head.path == "*", "{:?}", head.path);
    assert!([&head.host, &head.path].iter().all(|text| text.bytes().all(|b| b.is_ascii_graphic())), "{head:?}");
    assert!(head.query.iter().all(|query| query.bytes().all(|b| b.is_ascii_graphic())), "{head:?}");
    check_fields(&head.headers);
}

fn check_fields(fields: &Headers) {
    const NEVER: [&[u8]; 9] = [
        b"transfer-encoding",
        b"connection",
        b"keep-alive",
        b"upgrade",
        b"proxy-connection",
        b"host",
        b"x-forwarded-for",
        b"forwarded",
        b"x-real-ip",
    ];
    for field in fields.iter() {
        assert!(!field.name.is_empty() && field.name.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')));
        assert!(!field.value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)), "{field:?}");
        let reserved = field.name.starts_with(b"mezu-") || field.name.starts_with(b"x-mezu-");
        assert!(!reserved && !NEVER.contains(&field.name), "{field:?}");
    }
}

fn describe(head: &RequestHead) -> String {
    format!("{head:?}")
}

fn plain(status: u16) -> ResponseHead {
    let mut head = ResponseHead::new(status);
    head.headers.push(b"date", b"now").expect("a field");
    head
}

async fn answer<X: Exchange>(head: &RequestHead, x: &mut X) -> Result<String, ClientGone> {
    match head.path.as_str() {
        "/ws" if head.upgrade.is_some() => {
            x.upgraded(&ResponseHead::new(101));
            return echo_raw(x).await;
        }
        "/early" => return reply(x, Bytes::from_static(b"early")).await,
        "/big" => return reply(x, Bytes::from(vec![b'x'; 300_000])).await,
        "/hang" => {
            // A half-close is not the end of a client: the workload's own limit ends this.
            let gone = poll_fn(|cx| x.poll_gone(cx));
            if let Ok(gone) = tokio::time::timeout(Duration::from_secs(60), gone).await {
                return Err(gone);
            }
        }
        "/abort" => {
            x.start(&plain(200), ResponseLength::Unknown);
            send(x, Bytes::from_static(b"some")).await?;
            x.abort();
            return Ok(String::new());
        }
        _ => {}
    }
    let (body, trailers) = read(x).await?;
    let said = format!("{body:02x?} {trailers:?}");
    match trailers {
        None => {
            reply(x, body.into()).await?;
        }
        Some(trailers) => {
            x.start(&plain(200), ResponseLength::Unknown);
            send(x, body.into()).await?;
            x.trailers(&trailers);
            x.finish();
        }
    }
    Ok(said)
}

/// The whole body, which must be as long as it was said to be.
async fn read<X: Exchange>(x: &mut X) -> Result<(Vec<u8>, Option<Headers>), ClientGone> {
    let length = x.body();
    let (buffered, mut end) = x.buffered(1 << 14);
    let mut body = buffered.to_vec();
    x.consume(body.len());
    let mut trailers = None;
    while !end {
        match poll_fn(|cx| x.poll_body(cx)).await? {
            BodyPart::Data(data) => {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
            BodyPart::Trailers(fields) => {
                check_fields(&fields);
                trailers = Some(fields);
            }
            BodyPart::End => end = true,
        }
    }
    match length {
        BodyLength::Empty => assert!(body.is_empty()),
        BodyLength::Sized(said) => assert_eq!(body.len() as u64, said),
        BodyLength::Unknown => {}
    }
    Ok((body, trailers))
}

async fn echo_raw<X: Exchange>(x: &mut X) -> Result<String, ClientGone> {
    poll_fn(|cx| x.poll_flush(cx)).await?;
    while let BodyPart::Data(data) = poll_fn(|cx| x.poll_body(cx)).await? {
        send(x, data).await?;
        poll_fn(|cx| x.poll_flush(cx)).await?;
    }
    x.finish();
    poll_fn(|cx| x.poll_flush(cx)).await?;
    Ok("upgraded".into())
}

async fn reply<X: Exchange>(x: &mut X, body: Bytes) -> Result<String, ClientGone> {
    x.start(&plain(200), ResponseLength::Sized(body.len() as u64));
    send(x, body).await?;
    x.finish();
    Ok(String::new())
}

async fn send<X: Exchange>(x: &mut X, mut data: Bytes) -> Result<(), ClientGone> {
    poll_fn(|cx| x.poll_send(cx, &mut data)).await
}
