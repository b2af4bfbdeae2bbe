#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! The engine against workloads that speak raw bytes, without tunnel or TLS.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use mezu_model::{Headers, Method, RequestHead, ResponseHead, Upgrade, known};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{edge_stream::Incoming, exchange::MAX_REST, *};

mod early;

/// A stream whose edge is the test.
pub(super) struct Fake {
    from_edge: mpsc::Receiver<Result<Incoming, Fault>>,
    said: Rc<RefCell<Said>>,
    done: bool,
}

/// What the engine said to the edge.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub interim: Vec<u16>,
    pub last_interim: Option<ResponseHead>,
    pub head: Option<ResponseHead>,
    pub body: Vec<u8>,
    pub frames: usize,
    pub ended: bool,
    pub trailers: Option<Headers>,
    pub ready: bool,
    /// Bytes that each call takes; none is a closed window.
    pub window: Option<VecDeque<usize>>,
}

impl Said {
    fn take(&mut self, data: &[u8], end: bool) -> usize {
        assert!(!self.ended, "something was said after the end");
        self.frames += 1;
        let taken = match &mut self.window {
            None => data.len(),
            Some(window) => window.pop_front().unwrap_or(usize::MAX).min(data.len()),
        };
        self.body.extend_from_slice(&data[..taken]);
        self.ended = end && taken == data.len();
        taken
    }

    pub(super) fn status(&self) -> u16 {
        self.head.as_ref().expect("no answer").status
    }
}

impl EdgeStream for Fake {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Fault>> {
        if self.done {
            return Poll::Pending;
        }
        match self.from_edge.poll_recv(cx) {
            Poll::Ready(None) => {
                self.done = true;
                Poll::Pending
            }
            Poll::Ready(Some(event)) => Poll::Ready(event),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8], end: bool) -> Poll<Result<usize, Fault>> {
        let mut said = self.said.borrow_mut();
        assert!(said.head.is_some(), "body before head");
        let taken = said.take(data, end);
        if taken == 0 && !data.is_empty() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>> {
        let mut said = self.said.borrow_mut();
        match said.window.as_mut().and_then(|window| window.pop_front_if(|taken| *taken == 0)) {
            Some(_) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                let next = said.window.as_ref().and_then(|window| window.front().copied());
                Poll::Ready(Ok(next.unwrap_or(usize::MAX)))
            }
        }
    }

    fn send_response(&mut self, head: &ResponseHead, data: &[u8], end: bool) -> Result<usize, Fault> {
        let mut said = self.said.borrow_mut();
        assert!(said.head.is_none(), "two heads");
        if head.is_interim() {
            said.interim.push(head.status);
            said.last_interim = Some(head.clone());
            return Ok(0);
        }
        said.head = Some(head.clone());
        Ok(said.take(data, end))
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), Fault> {
        let mut said = self.said.borrow_mut();
        assert!(!said.ended && said.head.is_some());
        said.trailers = Some(trailers.clone());
        said.ended = true;
        Ok(())
    }

    fn send_ready(&mut self) -> Result<(), Fault> {
        self.said.borrow_mut().ready = true;
        Ok(())
    }
}

/// A fake stream, its edge's sending end and what is said on it.
pub(super) fn stream() -> (Fake, mpsc::Sender<Result<Incoming, Fault>>, Rc<RefCell<Said>>) {
    let (sender, from_edge) = mpsc::channel(4096);
    let said = Rc::new(RefCell::new(Said::default()));
    (Fake { from_edge, said: said.clone(), done: false }, sender, said)
}

pub(super) fn request(method: &str, path: &str, body: &[u8]) -> Request {
    Request {
        context: mezu_model::Context::default(),
        head: RequestHead {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            host: "app.test".into(),
            path: path.into(),
            ..Default::default()
        },
        body: Bytes::copy_from_slice(body),
        end: true,
        park: false,
    }
}

pub(super) fn workload_at(target: Target) -> Workload {
    let limits = Limits { workload_first_byte: Duration::from_millis(400), ..Limits::default() };
    let shared = Shared::new(limits, Arc::default());
    let dialer = dial::Dialer::new(target.clone(), None, Duration::from_secs(1));
    Workload::new(target, request::Rewrite::default(), dialer, shared)
}

/// Asks and expects a whole answer or a fault.
async fn ask(workload: &Workload, mut request: Request) -> Result<Said, Fault> {
    let (mut stream, edge, said) = stream();
    let result = workload.serve(&mut stream, &mut request).await;
    drop((stream, edge));
    result.map(|()| Rc::try_unwrap(said).unwrap().into_inner())
}

async fn serve(workload: &Workload, stream: &mut Fake, mut request: Request) -> Result<(), Fault> {
    workload.serve(stream, &mut request).await
}

/// A raw workload: `script` is run with each connection and its number.
async fn raw<F, R>(script: F) -> Workload
where
    F: Fn(TcpStream, usize) -> R + 'static,
    R: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "workload", async move {
        for number in 0.. {
            let (connection, _) = listener.accept().await.unwrap();
            mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "connection", script(connection, number));
        }
    });
    workload_at(format!("127.0.0.1:{port}").parse().unwrap())
}

/// Reads a head, and the body where its length is stated; `None` at the end.
async fn hear(connection: &mut TcpStream) -> Option<String> {
    let mut heard = Vec::new();
    let head_len = loop {
        if let Some(at) = heard.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if connection.read_buf(&mut heard).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head = String::from_utf8(heard[..head_len].to_vec()).unwrap();
    let length =
        head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse::<usize>().unwrap());
    let chunked = head.contains("transfer-encoding: chunked");
    while heard.len() < head_len + length || (chunked && !heard.ends_with(b"0\r\n\r\n")) {
        if connection.read_buf(&mut heard).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&heard).into_owned())
}

fn local<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = tokio::task::LocalSet::new();
    set.block_on(&runtime, async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("test hangs") })
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers every request on every connection with the same bytes.
async fn always(answer: &'static [u8]) -> Workload {
    raw(move |mut connection, _| async move {
        while hear(&mut connection).await.is_some() {
            connection.write_all(answer).await.unwrap();
        }
    })
    .await
}

#[test]
fn a_small_answer_is_one_frame_and_the_connection_is_used_again() {
    local(async {
        let workload = raw(|mut connection, number| async move {
            while let Some(heard) = hear(&mut connection).await {
                assert!(heard.starts_with("GET /x HTTP/1.1\r\nhost: app.test\r\n"), "{heard}");
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nDate: x\r\n\r\n{number}");
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await;
        for _ in 0..5 {
            let said = ask(&workload, request("GET", "/x", b"")).await.unwrap();
            assert_eq!((said.status(), said.body.as_slice(), said.frames, said.ended), (200, &b"0"[..], 1, true));
            assert_eq!(workload.pool.len(), 1);
        }
    });
}

#[test]
fn a_chunked_answer_in_one_read_is_one_frame_too() {
    local(async {
        let workload =
            always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
        let said = ask(&workload, request("GET", "/", b"")).await.unwrap();
        assert_eq!((said.body.as_slice(), said.frames, said.ended), (&b"abcde"[..], 1, true));
        assert_eq!(workload.pool.len(), 1);
    });
}

#[test]
fn bodies_go_up_with_length_and_with_chunks() {
    local(async {
        let workload = raw(|mut connection, _| async move {
            let heard = hear(&mut connection).await.unwrap();
            let (head, body) = heard.split_once("\r\n\r\n").unwrap();
            let framing = head.lines().filter(|l| l.starts_with("content-length") || l.starts_with("transfer")).count();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{framing}{body}", body.len() + 1);
            connection.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let said = ask(&workload, request("POST", "/", b"hello")).await.unwrap();
        assert_eq!(said.body, b"1hello");

        let (mut stream, edge, said) = stream();
        let mut streaming = request("POST", "/", b"first");
        streaming.end = false;
        let feed = async {
            for piece in ["second", "third"] {
                edge.send(Ok(Incoming::Data(Bytes::from(piece)))).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut trailers = Headers::new();
            trailers.push(b"x-sum", b"1").unwrap();
            trailers.push(b"content-length", b"1").unwrap();
            edge.send(Ok(Incoming::Trailers(trailers))).await.unwrap();
        };
        // The trailer line ends the body for this test's workload, too.
        let workload2 = raw(|mut connection, _| async move {
            let mut heard = Vec::new();
            while !heard.ends_with(b"x-sum: 1\r\n\r\n") {
                connection.read_buf(&mut heard).await.unwrap();
            }
            let text = String::from_utf8(heard).unwrap();
            let body = text.split_once("\r\n\r\n").unwrap().1;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            connection.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let (served, ()) = tokio::join!(workload2.serve(&mut stream, &mut streaming), feed);
        served.unwrap();
        // Chunks may be joined on the way; what they hold may not change.
        let mut sent = said.borrow().body.clone();
        let mut decoder = chunked::Decoder::default();
        let decoded = decoder.decode(&mut sent).unwrap();
        assert!(decoded.done && decoded.consumed == sent.len());
        assert_eq!(&sent[decoded.payload], b"firstsecondthird");
        let trailers = decoder.take_trailers().unwrap();
        assert_eq!((trailers.len(), trailers.find_name(b"x-sum")), (1, Some(&b"1"[..])));
        assert_eq!(workload2.pool.len(), 1);
    });
}

#[test]
fn a_length_that_lies_is_refused_before_or_as_it_shows() {
    local(async {
        let workload = always(OK).await;
        let mut short = request("POST", "/", b"abc");
        short.head.headers.push(b"content-length", b"5").unwrap();
        assert_eq!(ask(&workload, short).await.unwrap_err(), Fault::BadRequest);

        let (mut stream, edge, _) = stream();
        let mut long = request("POST", "/", b"abc");
        long.head.headers.push(b"content-length", b"5").unwrap();
        long.end = false;
        edge.send(Ok(Incoming::Data(Bytes::from_static(b"defg")))).await.unwrap();
        assert_eq!(workload.serve(&mut stream, &mut long).await, Err(Fault::BadRequest));
        assert_eq!(workload.pool.len(), 0);
    });
}

#[test]
fn after_a_bad_answer_the_next_user_gets_his_own() {
    local(async {
        let bad: &[&[u8]] = &[
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"garbage\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n",
        ];
        for answer in bad {
            let answer = *answer;
            let workload = raw(move |mut connection, number| async move {
                while hear(&mut connection).await.is_some() {
                    connection.write_all(if number == 0 { answer } else { OK }).await.unwrap();
                }
            })
            .await;
            let fault = ask(&workload, request("GET", "/", b"")).await.unwrap_err();
            assert!(matches!(fault, Fault::BadResponse(_)), "{fault} for {:?}", String::from_utf8_lossy(answer));
            assert_eq!(ask(&workload, request("GET", "/", b"")).await.unwrap().body, b"ok");
        }
    });
}

#[test]
fn surplus_bytes_end_the_connection_not_the_answer() {
    local(async {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"[..],
            b"HTTP/1.1 204 No Content\r\n\r\nevil",
            b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ] {
            let workload = always(answer).await;
            let said = ask(&workload, request("GET", "/", b"")).await.unwrap();
            assert!(said.ended && !said.body.ends_with(b"evil"));
            assert_eq!(workload.pool.len(), 0, "{:?}", String::from_utf8_lossy(answer));
        }
    });
}

#[test]
fn bytes_said_while_idle_spoil_the_connection() {
    local(async {
        let workload = raw(|mut connection, _| async move {
            hear(&mut connection).await.unwrap();
            connection.write_all(OK).await.unwrap();
            tokio::task::yield_now().await;
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").await.unwrap();
            std::future::pending::<()>().await;
        })
        .await;
        for _ in 0..3 {
            assert_eq!(ask(&workload, request("GET", "/", b"")).await.unwrap().body, b"ok");
            while workload.pool.sweep(tokio::time::Instant::now()) > 0 {
                tokio::task::yield_now().await;
            }
        }
    });
}

#[test]
fn the_keep_alive_race() {
    // The workload closes as it hears the second request: repeatable ones are said again, others are not.
    for (method, retried) in [("GET", true), ("PUT", true), ("DELETE", true), ("POST", false), ("PATCH", false)] {
        local(async {
            let workload = raw(|mut connection, number| async move {
                hear(&mut connection).await.unwrap();
                connection.write_all(OK).await.unwrap();
                if number == 0 {
                    hear(&mut connection).await.unwrap();
                    return;
                }
                std::future::pending::<()>().await;
            })
            .await;
            ask(&workload, request("GET", "/", b"")).await.unwrap();
            assert_eq!(workload.pool.len(), 1);
            let second = ask(&workload, request(method, "/", b"x")).await;
            assert_eq!(second.is_ok(), retried, "{method}");
            if !retried {
                assert_eq!(second.unwrap_err(), Fault::Closed);
            }
        });
    }
}

#[test]
fn a_fresh_connection_that_closes_is_not_tried_again() {
    local(async {
        let tries = Rc::new(std::cell::Cell::new(0));
        let count = tries.clone();
        let workload = raw(move |mut connection, _| {
            count.set(count.get() + 1);
            async move {
                hear(&mut connection).await;
            }
        })
        .await;
        assert_eq!(ask(&workload, request("GET", "/", b"")).await.unwrap_err(), Fault::Closed);
        assert_eq!(tries.get(), 1);
    });
}

#[test]
fn nobody_listens_and_nobody_answers() {
    local(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let nobody = workload_at(format!("127.0.0.1:{free}").parse().unwrap());
        assert_eq!(ask(&nobody, request("GET", "/", b"")).await.unwrap_err(), Fault::Refused);
        let silent = raw(|mut connection, _| async move {
            hear(&mut connection).await;
            std::future::pending::<()>().await;
        })
        .await;
        assert_eq!(ask(&silent, request("GET", "/", b"")).await.unwrap_err(), Fault::Timeout);
    });
}

#[test]
fn every_chunk_is_passed_on_as_it_comes() {
    local(async {
        let (go, mut gone) = mpsc::channel::<()>(1);
        let gone = Rc::new(tokio::sync::Mutex::new(std::mem::replace(&mut gone, mpsc::channel(1).1)));
        let workload = raw(move |mut connection, _| {
            let gone = gone.clone();
            async move {
                hear(&mut connection).await.unwrap();
                connection
                    .write_all(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
                    )
                    .await
                    .unwrap();
                for _ in 0..3 {
                    gone.lock().await.recv().await;
                    connection.write_all(b"9\r\ndata: 1\n\n\r\n").await.unwrap();
                }
                connection.write_all(b"0\r\nGrpc-Status: 0\r\n\r\n").await.unwrap();
            }
        })
        .await;
        let (mut stream, _edge, said) = stream();
        let watch = async {
            for seen in [0usize, 9, 18, 27] {
                while said.borrow().head.is_none() || said.borrow().body.len() < seen {
                    tokio::task::yield_now().await;
                }
                let _ = go.send(()).await;
            }
        };
        let (served, ()) = tokio::join!(serve(&workload, &mut stream, request("GET", "/", b"")), watch);
        served.unwrap();
        assert_eq!(said.borrow().trailers.as_ref().unwrap().find(known::GRPC_STATUS), Some(&b"0"[..]));
    });
}

#[test]
fn a_slow_client_gets_every_byte() {
    local(async {
        let workload = raw(|mut connection, _| async move {
            hear(&mut connection).await.unwrap();
            let body: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
            connection
                .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes())
                .await
                .unwrap();
            connection.write_all(&body).await.unwrap();
            hear(&mut connection).await;
        })
        .await;
        let (mut stream, _edge, said) = stream();
        said.borrow_mut().window = Some((0..500).map(|i| (i * 37) % 3000).collect());
        workload.serve(&mut stream, &mut request("GET", "/", b"")).await.unwrap();
        let said = said.borrow();
        assert!(said.ended && said.body.len() == 300_000);
        assert!(said.body.iter().enumerate().all(|(i, b)| *b == (i as u32 % 251) as u8));
        assert_eq!(workload.pool.len(), 1);
    });
}

#[test]
fn expect_is_relayed_and_an_early_refusal_ends_the_upload() {
    local(async {
        let workload = raw(|mut connection, number| async move {
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                connection.read_buf(&mut heard).await.unwrap();
            }
            assert!(String::from_utf8_lossy(&heard).contains("expect: 100-continue"));
            if number == 0 {
                connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
                let mut body = [0u8; 5];
                connection.read_exact(&mut body).await.unwrap();
                connection.write_all(OK).await.unwrap();
            } else {
                connection.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            }
            std::future::pending::<()>().await;
        })
        .await;
        let with_expect = || {
            let mut it = request("POST", "/", b"");
            it.head.headers.push(b"content-length", b"5").unwrap();
            it.head.headers.push(b"expect", b"100-continue").unwrap();
            it.end = false;
            it
        };
        let (mut stream1, edge, said) = stream();
        let client = async {
            while said.borrow().interim.is_empty() {
                tokio::task::yield_now().await;
            }
            edge.send(Ok(Incoming::Data(Bytes::from_static(b"hello")))).await.unwrap();
            edge.send(Ok(Incoming::End)).await.unwrap();
        };
        let (served, ()) = tokio::join!(serve(&workload, &mut stream1, with_expect()), client);
        served.unwrap();
        assert_eq!((said.borrow().interim.as_slice(), said.borrow().status()), (&[100][..], 200));
        assert_eq!(workload.pool.len(), 1);
        workload.pool.take(true, tokio::time::Instant::now());

        let (mut stream2, edge, said) = stream();
        let client = async {
            while said.borrow().head.is_none() {
                tokio::task::yield_now().await;
            }
            edge.send(Ok(Incoming::End)).await.unwrap();
        };
        let (served, ()) = tokio::join!(serve(&workload, &mut stream2, with_expect()), client);
        served.unwrap();
        assert_eq!(said.borrow().status(), 413);
        assert_eq!(workload.pool.len(), 0, "a connection with an unfinished upload was kept");
    });
}

#[test]
fn a_workload_that_answers_and_closes_mid_upload_is_still_heard() {
    local(async {
        let workload = raw(|mut connection, _| async move {
            let mut some = [0u8; 16];
            connection.read_exact(&mut some).await.unwrap();
            connection.write_all(b"HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
            connection.shutdown().await.unwrap();
            let mut sink = Vec::new();
            let _ = connection.read_to_end(&mut sink).await;
        })
        .await;
        let (mut stream, edge, said) = stream();
        let mut upload = request("POST", "/", b"");
        upload.end = false;
        for _ in 0..64 {
            edge.send(Ok(Incoming::Data(Bytes::from(vec![0u8; 16 * 1024])))).await.unwrap();
        }
        edge.send(Ok(Incoming::End)).await.unwrap();
        workload.serve(&mut stream, &mut upload).await.unwrap();
        assert_eq!((said.borrow().status(), said.borrow().body.as_slice()), (403, &b"no"[..]));
    });
}

#[test]
fn a_client_that_leaves_ends_the_work() {
    local(async {
        let (told, mut closed) = mpsc::channel(1);
        let workload = raw(move |mut connection, _| {
            let told = told.clone();
            async move {
                hear(&mut connection).await;
                assert!(hear(&mut connection).await.is_none());
                told.send(()).await.unwrap();
            }
        })
        .await;
        let (mut stream, edge, _) = stream();
        edge.send(Err(Fault::EdgeGone)).await.unwrap();
        assert_eq!(workload.serve(&mut stream, &mut request("GET", "/", b"")).await, Err(Fault::EdgeGone));
        closed.recv().await.unwrap();
        assert_eq!(workload.pool.len(), 0);
    });
}

#[test]
fn a_parked_request_waits_for_go() {
    local(async {
        let workload = always(OK).await;
        let (mut stream1, edge, said) = stream();
        let mut parked = request("POST", "/", b"a");
        (parked.park, parked.end) = (true, false);
        edge.send(Ok(Incoming::Data(Bytes::from_static(b"b")))).await.unwrap();
        edge.send(Ok(Incoming::End)).await.unwrap();
        let go = async {
            while !said.borrow().ready {
                tokio::task::yield_now().await;
            }
            assert!(said.borrow().head.is_none());
            edge.send(Ok(Incoming::Go)).await.unwrap();
        };
        let (served, ()) = tokio::join!(workload.serve(&mut stream1, &mut parked), go);
        served.unwrap();
        assert_eq!(said.borrow().body, b"ok");

        let (mut stream2, _edge, _) = stream();
        let mut parked = request("POST", "/", b"a");
        parked.park = true;
        assert_eq!(workload.serve(&mut stream2, &mut parked).await, Err(Fault::Parked));
    });
}

#[test]
fn websockets_go_raw_only_after_a_proven_101() {
    local(async {
        let workload = raw(|mut connection, number| async move {
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                connection.read_buf(&mut heard).await.unwrap();
            }
            let head = String::from_utf8(heard).unwrap();
            let key = head.lines().find_map(|l| l.strip_prefix("sec-websocket-key: ")).unwrap();
            assert!(head.contains("connection: Upgrade\r\nupgrade: websocket\r\n"));
            let proof = aws_lc_rs::digest::digest(
                &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
                format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes(),
            );
            let accept = if number == 0 { "wrong".to_owned() } else { websocket::base64(proof.as_ref()) };
            connection
                .write_all(format!("HTTP/1.1 101 Up\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\nhi").as_bytes())
                .await
                .unwrap();
            // Half-close from the client arrives as such, and the way back stays open.
            let mut rest = Vec::new();
            connection.read_to_end(&mut rest).await.unwrap();
            connection.write_all(&rest).await.unwrap();
        })
        .await;
        let upgrade = || {
            let mut it = request("GET", "/ws", b"early");
            it.head.upgrade = Some(Upgrade::WebSocket);
            it.end = false;
            it
        };
        let (mut stream1, _edge, _) = stream();
        let refused = workload.serve(&mut stream1, &mut upgrade()).await;
        assert_eq!(refused, Err(Fault::BadResponse(BadResponse::WebSocketAccept)));

        let (mut stream2, edge, said) = stream();
        edge.send(Ok(Incoming::Data(Bytes::from_static(b"-late")))).await.unwrap();
        edge.send(Ok(Incoming::End)).await.unwrap();
        workload.serve(&mut stream2, &mut upgrade()).await.unwrap();
        let said = said.borrow();
        assert_eq!((said.status(), said.body.as_slice(), said.ended), (101, &b"hiearly-late"[..], true));
        assert!(said.head.as_ref().unwrap().headers.is_empty());
        assert_eq!(workload.pool.len(), 0);
    });
}

#[test]
fn in_process_workloads_need_no_socket() {
    local(async {
        let (target, mut acceptor) = Target::in_process();
        let workload = workload_at(target);
        mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "server", async move {
            let mut connection = acceptor.accept().await.unwrap();
            let mut heard = Vec::new();
            while connection.read_buf(&mut heard).await.unwrap() > 0 {
                if heard.ends_with(b"\r\n\r\n") {
                    heard.clear();
                    connection.write_all(OK).await.unwrap();
                }
            }
        });
        for _ in 0..3 {
            assert_eq!(ask(&workload, request("GET", "/", b"")).await.unwrap().body, b"ok");
        }
        assert_eq!(workload.pool.len(), 1);
    });
}

/// A request is one task and its future is copied once into it: growth here is paid for by every request.
#[test]
fn futures_stay_small() {
    local(async {
        let workload = always(OK).await;
        let (mut stream, _edge, _) = stream();
        let mut request = request("GET", "/", b"");
        let future = workload.serve(&mut stream, &mut request);
        assert!(size_of_val(&future) <= 640, "{}", size_of_val(&future));
    });
}
