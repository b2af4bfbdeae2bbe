use std::time::Duration;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use mezu_model::known;
use tokio::net::TcpListener;

use super::{
    super::{
        Fault,
        edge_stream::{Incoming, Request},
        tests::{Fake, request, stream, workload_at},
    },
    *,
};

/// An HTTP/2 server; `answer` is run with each request.
async fn server<F, R>(answer: F) -> Workload
where
    F: Fn(http::Request<RecvStream>, SendResponse<Bytes>) -> R + Clone + 'static,
    R: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn_local(&Scope::new(), "server", async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            spawn_local(&Scope::new(), "connection", async move {
                let mut connection = server::handshake(tcp).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    spawn_local(&Scope::new(), "stream", answer(request, respond));
                }
            });
        }
    });
    workload_at(format!("h2c://127.0.0.1:{port}").parse().unwrap())
}

async fn ask(workload: &Workload, stream: &mut Fake, mut request: Request) -> Result<(), Fault> {
    workload.serve(stream, &mut request).await
}

fn local<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = tokio::task::LocalSet::new();
    set.block_on(&runtime, async { timeout(Duration::from_secs(20), test).await.expect("test hangs") })
}

fn grpc(path: &str, body: &[u8]) -> Request {
    let mut it = request("POST", path, body);
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers"), ("x-mezu-user", "root")] {
        it.head.headers.push(name.as_bytes(), value.as_bytes()).unwrap();
    }
    it
}

/// Echoes the body and says in trailers what it saw.
async fn echo(request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (parts, mut body) = request.into_parts();
    assert_eq!(parts.headers.get("te").unwrap(), "trailers");
    assert!(parts.headers.get("x-mezu-user").is_none());
    assert_eq!(parts.headers.get("x-forwarded-host").unwrap(), "app.test");
    assert_eq!(parts.uri.authority().unwrap(), "app.test");
    let mut out = respond.send_response(http::Response::new(()), false).unwrap();
    let mut bytes = 0;
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        bytes += piece.len();
        body.flow_control().release_capacity(piece.len()).unwrap();
        assert!(send(&mut out, piece, false).await);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert("x-bytes", HeaderValue::from_str(&bytes.to_string()).unwrap());
    trailers.insert("content-length", HeaderValue::from_static("7"));
    out.send_trailers(trailers).unwrap();
}

#[test]
fn a_call_keeps_its_trailers_and_calls_share_a_connection() {
    local(async {
        let workload = server(echo).await;
        for _ in 0..3 {
            let (mut stream, _edge, said) = stream();
            ask(&workload, &mut stream, grpc("/svc/Call", b"hello")).await.unwrap();
            let said = said.borrow();
            assert_eq!((said.status(), said.body.as_slice(), said.ended), (200, &b"hello"[..], true));
            let trailers = said.trailers.as_ref().unwrap();
            assert_eq!(trailers.find(known::GRPC_STATUS), Some(&b"0"[..]));
            assert_eq!(trailers.find(known::CONTENT_LENGTH), None);
        }
    });
}

#[test]
fn both_ways_stream_at_once_and_beyond_the_window() {
    local(async {
        let workload = server(echo).await;
        let (mut stream, edge, said) = stream();
        let mut call = grpc("/svc/Chat", b"");
        call.end = false;
        let client = async {
            for round in 1..=40usize {
                edge.send(Ok(Incoming::Data(Bytes::from(vec![7; 100_000])))).await.unwrap();
                // Each piece comes back before the next is sent.
                while said.borrow().body.len() < round * 100_000 {
                    tokio::task::yield_now().await;
                }
            }
            edge.send(Ok(Incoming::End)).await.unwrap();
        };
        let (served, ()) = tokio::join!(ask(&workload, &mut stream, call), client);
        served.unwrap();
        assert_eq!(said.borrow().trailers.as_ref().unwrap().find_name(b"x-bytes"), Some(&b"4000000"[..]));
    });
}

#[test]
fn a_requests_trailers_say_nothing_that_is_ours_to_say() {
    local(async {
        let (tell, mut told) = tokio::sync::mpsc::channel(1);
        let workload = server(move |request, mut respond| {
            let tell = tell.clone();
            async move {
                let mut body = request.into_body();
                while let Some(piece) = body.data().await {
                    piece.unwrap();
                }
                let trailers = body.trailers().await.unwrap().unwrap();
                let names: Vec<String> = trailers.keys().map(|name| name.as_str().to_owned()).collect();
                tell.send(names).await.unwrap();
                respond.send_response(http::Response::new(()), true).unwrap();
            }
        })
        .await;
        let (mut stream, edge, _) = stream();
        let mut call = grpc("/", b"x");
        call.end = false;
        let mut trailers = Headers::new();
        for name in ["x-checksum", "mezu-user", "x-mezu-user", "mezu-ray", "x-forwarded-for", "x-request-id", "cookie"]
        {
            trailers.push(name.as_bytes(), b"1").unwrap();
        }
        edge.send(Ok(Incoming::Trailers(trailers))).await.unwrap();
        ask(&workload, &mut stream, call).await.unwrap();
        assert_eq!(told.recv().await.unwrap(), ["x-checksum"]);
    });
}

#[test]
fn trailers_only_answers_and_resets() {
    local(async {
        let workload = server(|request, mut respond| async move {
            let refuse = request.uri().path() == "/refuse";
            if refuse {
                return respond.send_reset(h2::Reason::REFUSED_STREAM);
            }
            let head = http::Response::builder().header("grpc-status", "12").body(()).unwrap();
            respond.send_response(head, true).unwrap();
        })
        .await;
        let (mut stream1, _edge, said) = stream();
        ask(&workload, &mut stream1, grpc("/none", b"x")).await.unwrap();
        assert_eq!(said.borrow().head.as_ref().unwrap().headers.find(known::GRPC_STATUS), Some(&b"12"[..]));
        assert!(said.borrow().ended && said.borrow().frames == 1);
        let (mut stream2, _edge, _) = stream();
        assert_eq!(ask(&workload, &mut stream2, grpc("/refuse", b"x")).await, Err(Fault::Refused));
    });
}

fn interim(status: u16) -> http::Response<()> {
    let head = http::Response::builder().status(status).header("link", "</a.css>; rel=preload");
    head.header("mezu-ray", "1").body(()).unwrap()
}

#[test]
fn interim_answers_are_passed_on_as_they_come() {
    local(async {
        let workload = server(|request, mut respond| async move {
            for status in [100, 103, 103] {
                respond.send_informational(interim(status)).unwrap();
            }
            // The client sends its body once it was told to go on.
            let mut body = request.into_body();
            assert_eq!(body.data().await.unwrap().unwrap(), "hello");
            let mut out = respond.send_response(http::Response::new(()), false).unwrap();
            assert!(send(&mut out, Bytes::from_static(b"done"), true).await);
        })
        .await;
        let (mut stream, edge, said) = stream();
        let mut call = grpc("/", b"");
        call.end = false;
        let client = async {
            while said.borrow().interim.len() < 3 {
                tokio::task::yield_now().await;
            }
            edge.send(Ok(Incoming::Data(Bytes::from_static(b"hello")))).await.unwrap();
            edge.send(Ok(Incoming::End)).await.unwrap();
        };
        let (served, ()) = tokio::join!(ask(&workload, &mut stream, call), client);
        served.unwrap();
        let said = said.borrow();
        assert_eq!((said.interim.as_slice(), said.status()), (&[100, 103, 103][..], 200));
        assert_eq!((said.body.as_slice(), said.ended), (&b"done"[..], true));
        let early = said.last_interim.as_ref().unwrap();
        assert_eq!(early.headers.len(), 1, "reserved names go no further: {early:?}");
        assert!(early.headers.find_name(b"link").is_some());
    });
}

#[test]
fn interim_answers_without_end_and_switched_protocols_are_refused() {
    local(async {
        let workload = server(|request, mut respond| async move {
            if request.uri().path() == "/switch" {
                respond.send_informational(http::Response::builder().status(101).body(()).unwrap()).unwrap();
                return respond.send_response(http::Response::new(()), true).map(drop).unwrap();
            }
            let most = if request.uri().path() == "/most" { MAX_INTERIM } else { MAX_INTERIM + 1 };
            for _ in 0..most {
                respond.send_informational(interim(103)).unwrap();
            }
            respond.send_response(http::Response::new(()), true).unwrap();
        })
        .await;
        for (path, outcome) in [
            ("/most", Ok(())),
            ("/more", Err(BadResponse::TooManyInterim.into())),
            ("/switch", Err(BadResponse::Status.into())),
        ] {
            let (mut stream, _edge, _) = stream();
            assert_eq!(ask(&workload, &mut stream, grpc(path, b"x")).await, outcome, "{path}");
        }
    });
}

#[test]
fn a_connection_that_went_away_is_replaced() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn_local(&Scope::new(), "server", async move {
            loop {
                // One request per connection, then a clean end.
                let (tcp, _) = listener.accept().await.unwrap();
                let mut connection = server::handshake(tcp).await.unwrap();
                let (_, mut respond) = connection.accept().await.unwrap().unwrap();
                respond.send_response(http::Response::new(()), true).unwrap();
                connection.graceful_shutdown();
                while connection.accept().await.is_some() {}
            }
        });
        let workload = workload_at(format!("h2c://127.0.0.1:{port}").parse().unwrap());
        for _ in 0..3 {
            let (mut stream, _edge, said) = stream();
            ask(&workload, &mut stream, request("GET", "/", b"")).await.unwrap();
            assert_eq!(said.borrow().status(), 200);
        }
    });
}

#[test]
fn a_client_that_leaves_cancels_the_call() {
    local(async {
        let (told, mut cancelled) = tokio::sync::mpsc::channel(1);
        let workload = server(move |request, respond| {
            let told = told.clone();
            async move {
                let error = request.into_body().data().await.unwrap().unwrap_err();
                assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
                told.send(()).await.unwrap();
                drop(respond);
            }
        })
        .await;
        let (mut stream, edge, _) = stream();
        let mut call = grpc("/", b"");
        call.end = false;
        let leave = async {
            tokio::task::yield_now().await;
            edge.send(Err(Fault::EdgeGone)).await.unwrap();
        };
        let (served, ()) = tokio::join!(ask(&workload, &mut stream, call), leave);
        assert_eq!(served, Err(Fault::EdgeGone));
        cancelled.recv().await.unwrap();
    });
}
