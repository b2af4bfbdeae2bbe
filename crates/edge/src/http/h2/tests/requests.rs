//! What is served, and what is not (threats 1, 4, 5, 8).

use std::future::poll_fn;

use bytes::Bytes;
use h2::{Reason, ext::Protocol};
use http::{HeaderMap, Method, Request};

use super::{Answer, Peer, collect, get, run};

fn post(path: &str) -> Request<()> {
    Request::post(format!("https://a.test{path}")).body(()).unwrap()
}

#[test]
fn bodies_lengths_and_trailers_both_ways() {
    run(async {
        let mut peer = Peer::new().await;
        let answer = peer.ask(get("/x?y=z"), None, None).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));

        let answer = peer.ask(post("/"), Some("hello"), None).await;
        assert_eq!(answer.body, "hello");
        assert!(answer.fields.contains(&("content-length".into(), "5".into())), "{answer:?}");

        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        trailers.insert("x-forwarded-for", "1".parse().unwrap());
        trailers.insert("mezu-user", "1".parse().unwrap());
        let answer = peer.ask(post("/"), Some("abc"), Some(trailers)).await;
        assert_eq!((answer.body.as_str(), answer.trailers), ("abc", vec![("x-sum".into(), "1".into())]));

        let answer = peer.ask(get("/chunked"), None, None).await;
        assert_eq!(answer.body, "onetwo, which is longer than fifteen");
        assert_eq!(answer.trailers, [("grpc-status".into(), "0".into())]);
        assert!(!answer.fields.iter().any(|f| f.0 == "content-length"));

        let answer = peer.ask(get("/big"), None, None).await;
        assert_eq!((answer.body.len(), answer.reset), (1 << 20, None));
        assert_eq!(peer.seen()[..2], ["GET a.test /x?y=z", "POST a.test /"]);
    });
}

#[test]
fn a_large_upload_passes_the_windows() {
    run(async {
        let mut peer = Peer::new().await;
        let body = "x".repeat(3 << 20);
        let answer = peer.ask(post("/"), Some(&body), None).await;
        assert_eq!((answer.body.len(), answer.reset), (body.len(), None));
    });
}

#[test]
fn answers_without_a_body_have_none() {
    run(async {
        let mut peer = Peer::new().await;
        for (method, path, status, length) in [
            (Method::HEAD, "/early", 200, Some("5")),
            (Method::HEAD, "/chunked", 200, None),
            (Method::GET, "/204", 204, None),
            (Method::GET, "/304", 304, Some("5")),
        ] {
            let mut request = get(path);
            *request.method_mut() = method;
            let answer = peer.ask(request, None, None).await;
            assert_eq!((answer.status, answer.body.as_str(), answer.reset), (status, "", None), "{path}");
            let said = answer.fields.iter().find(|f| f.0 == "content-length").map(|f| f.1.as_str());
            assert_eq!(said, length, "{path}");
        }
    });
}

#[test]
fn a_refusal_of_head_has_no_body_either() {
    run(async {
        let mut peer = Peer::new().await;
        let mut request = get("/a;b");
        *request.method_mut() = Method::HEAD;
        let answer = peer.ask(request, None, None).await;
        assert_eq!((answer.status, answer.body.as_str(), answer.reset), (400, "", None));
    });
}

#[test]
fn answers_that_break_their_promise_are_reset() {
    run(async {
        let mut peer = Peer::new().await;
        for path in ["/short", "/long", "/abort"] {
            let answer = peer.ask(get(path), None, None).await;
            assert_eq!(answer.reset, Some(Reason::INTERNAL_ERROR), "{path}");
        }
        assert_eq!(peer.ask(get("/early"), None, None).await.body, "early");
    });
}

#[test]
fn early_answers_are_whole_and_the_upload_stops() {
    run(async {
        let mut peer = Peer::new().await;
        let body = "x".repeat(1 << 20);
        let answer = peer.ask(post("/early"), Some(&body), None).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "early"));
        assert_eq!(peer.ask(get("/early"), None, None).await.body, "early");
    });
}

#[test]
fn interim_answers_pass() {
    run(async {
        let mut peer = Peer::new().await;
        for (path, status) in [("/continue", 100), ("/hints", 103)] {
            let (mut response, _) = peer.client.send_request(get(path), true).unwrap();
            let interim = poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
            assert_eq!(interim.status().as_u16(), status);
            assert_eq!(collect(response.await).await.status, 200);
        }
    });
}

#[test]
fn fields_are_cleaned_and_crumbs_joined() {
    run(async {
        let mut peer = Peer::new().await;
        let request = Request::get("https://A.Test:8443/a/../b?c")
            .header("cookie", "a=b")
            .header("x-mezu-user", "x")
            .header("x-forwarded-for", "x")
            .header("cookie", "c=d")
            .header("te", "trailers")
            .header("accept", "*/*")
            .header("proxy-x", "x")
            .header("host", "a.test:8443")
            .body(())
            .unwrap();
        peer.ask(request, None, None).await;
        assert_eq!(peer.seen(), ["GET a.test:8443 /b?c te=trailers accept=*/* cookie=a=b; c=d"]);
    });
}

#[test]
fn malformed_requests_are_reset_and_bad_ones_refused() {
    let reset = |reason| Answer { reset: Some(reason), ..Answer::default() };
    run(async {
        let mut peer = Peer::new().await;
        for (name, value) in [
            ("host", "b.test"),
            ("host", "a.test:1"),
            ("content-length", "+1"),
            ("content-length", "1, 1"),
            ("x", " a"),
            ("x", "a\t"),
        ] {
            let mut request = get("/");
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_eq!(peer.ask(request, None, None).await, reset(Reason::PROTOCOL_ERROR), "{name}: {value}");
        }
        for (uri, name, value, status) in [
            ("https://a.test/a%2fb", "x", "y", 400),
            ("https://a.test/a;b", "x", "y", 400),
            ("https://u@a.test/", "x", "y", 400),
            ("https://a.test/", "x_y", "z", 400),
            ("https://a.test/", "x.y", "z", 400),
            ("https://a.test/", "expect", "tea", 417),
        ] {
            let request = Request::get(uri).header(name, value).body(()).unwrap();
            let answer = peer.ask(request, None, None).await;
            assert_eq!((answer.status, answer.body.as_str()), (status, "no"), "{uri} {name}");
        }
        let trace = Request::builder().method("TRACE").uri("https://a.test/").body(()).unwrap();
        assert_eq!(peer.ask(trace, None, None).await.status, 405);
        let connect = Request::builder().method("CONNECT").uri("a.test:443").body(()).unwrap();
        assert_ne!(peer.ask(connect, Some("x"), None).await.status, 200);
        assert_eq!(peer.seen(), Vec::<String>::new());
        assert_eq!(peer.ask(get("/early"), None, None).await.body, "early");
    });
}

#[test]
fn heads_are_bounded_with_every_crumb_counted() {
    run(async {
        let mut peer = Peer::new().await;
        for (name, count, size) in [("cookie", 101, 1), ("x", 101, 1), ("x", 3, 6000), ("x", 1, 20_000)] {
            let mut request = get("/");
            for _ in 0..count {
                request.headers_mut().append(name, "v".repeat(size).parse().unwrap());
            }
            assert_eq!(peer.ask(request, None, None).await.status, 431, "{name} {count} {size}");
        }
        assert_eq!(peer.ask(get(&format!("/{}", "a".repeat(8200))), None, None).await.status, 414);
        assert_eq!(peer.seen(), Vec::<String>::new());
    });
}

#[test]
fn a_length_that_is_not_kept_is_a_stream_error() {
    run(async {
        let mut peer = Peer::new().await;
        for (length, body) in [("3", "hello"), ("9", "hello")] {
            let mut request = post("/");
            request.headers_mut().insert("content-length", length.parse().unwrap());
            let answer = peer.ask(request, Some(body), None).await;
            assert_eq!((answer.status, answer.reset), (0, Some(Reason::PROTOCOL_ERROR)), "{length}");
        }
    });
}

#[test]
fn an_answer_may_have_both_length_and_trailers() {
    run(async {
        let mut peer = Peer::new().await;
        let answer = peer.ask(get("/sized-trailers"), None, None).await;
        assert_eq!((answer.status, answer.body.as_str(), answer.reset), (200, "hi", None));
        assert_eq!(answer.trailers, [("grpc-status".to_owned(), "5".to_owned())]);
        assert!(answer.fields.contains(&("content-length".to_owned(), "2".to_owned())));
    });
}

#[test]
fn websockets_by_extended_connect() {
    run(async {
        let mut peer = Peer::new().await;
        let ask = |protocol: &'static str, version: &'static str| {
            let mut request = Request::builder()
                .method("CONNECT")
                .uri("https://a.test/ws")
                .header("sec-websocket-version", version)
                .body(())
                .unwrap();
            request.extensions_mut().insert(Protocol::from_static(protocol));
            request
        };
        peer.ask(get("/early"), None, None).await;
        assert!(peer.client.is_extended_connect_protocol_enabled());
        for (protocol, version, status) in [("websocket", "8", 426), ("webtransport", "13", 405)] {
            let (response, _keep) = peer.client.send_request(ask(protocol, version), false).unwrap();
            assert_eq!(collect(response.await).await.status, status, "{protocol}");
        }
        let (response, mut stream) = peer.client.send_request(ask("websocket", "13"), false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("content-length"));
        let mut body = response.into_body();
        stream.send_data(Bytes::from_static(b"ping"), false).unwrap();
        assert_eq!(body.data().await.unwrap().unwrap(), "ping");
        stream.send_data(Bytes::new(), true).unwrap();
        assert_eq!(body.data().await.unwrap().unwrap(), "bye");
        assert!(body.data().await.is_none());
        assert_eq!(peer.seen()[1], "GET a.test /ws sec-websocket-version=13 UPGRADE");
    });
}
