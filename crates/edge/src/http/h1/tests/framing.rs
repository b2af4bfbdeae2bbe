//! Which heads are taken and which are refused (threats 1, 2, 3, 13).

use super::{run, status, talk};

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn bad_heads_are_refused_and_close_the_connection() {
    let table: &[(&str, u16)] = &[
        // line ends
        ("GET / HTTP/1.1\nHost: a.test\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\rX: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\r\n\r\n", 400),
        ("GET / HTTP/1.1\rHost: a.test\r\n\r\n", 400),
        ("\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        // folding and white space
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n\tb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX\t: b\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n", 400),
        ("GET /\tHTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        // names and values
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX_Y: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX.Y: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX-Mezu_User: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\n: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nnocolon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x7fb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX\u{fc}: b\r\n\r\n", 400),
        // Host
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nhost: b.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test:+1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test:65536\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test:1:2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a..test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: .a.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: [a.test]\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 400),
        // request target
        ("GET a HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET https://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET https://a.test:1/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET https:///x HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET /#f HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET /a%2fb HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET /a\\b HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET /?a#b HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        // methods and versions
        ("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", 405),
        ("TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405),
        ("G@T / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET / HTTP/1.2\r\nHost: a.test\r\n\r\n", 505),
        ("GET / HTTP/2.0\r\nHost: a.test\r\n\r\n", 505),
        ("GET / http/1.1\r\nHost: a.test\r\n\r\n", 505),
        ("GET /\r\n\r\n", 400),
        // lengths
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +4\r\n\r\nabcd", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -4\r\n\r\nabcd", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4 4\r\n\r\nabcd", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x4\r\n\r\nabcd", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4,4\r\n\r\nabcd", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\n\r\nabcd", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999999999999999999\r\n\r\nabcd", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400),
        // codings
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        // expectations
        ("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 200-ok\r\n\r\n", 417),
    ];
    run(async {
        for (raw, expected) in table {
            // A second request behind the bad one must never be served.
            let smuggled = format!("{raw}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n");
            let (answer, seen) = talk(smuggled).await;
            assert_eq!((status(&answer), seen.len()), (*expected, 0), "{raw:?}: {answer:?} {seen:?}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{raw:?}: {answer:?}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{raw:?}: {answer:?}");
        }
    });
}

#[test]
fn good_heads_reach_the_service_in_one_spelling() {
    let table: &[(&str, &str)] = &[
        ("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET a.test /"),
        ("\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET a.test /"),
        ("GET /a/../b?c=%20?d HTTP/1.1\r\nhOsT:\t A.Test. \r\n\r\n", "GET a.test /b?c=%20?d"),
        ("GET /? HTTP/1.1\r\nHost: a.test:8443\r\n\r\n", "GET a.test:8443 /?"),
        ("GET https://a.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET a.test /x?y"),
        ("GET HTTP://A.test HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET a.test /"),
        ("GET http://a.test?q HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET a.test /?q"),
        ("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", "OPTIONS a.test *"),
        ("GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", "GET [::1]:8443 /"),
        ("PROPFIND / HTTP/1.1\r\nHost: a.test\r\n\r\n", "PROPFIND a.test /"),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX-A: \t b c \t\r\nX-E:\r\n\r\n", "GET a.test / x-a=b c x-e="),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nX-A: \u{fc}\r\n\r\n", "GET a.test / x-a=\u{fc}"),
        // hop by hop, nominated, reserved, forwarding
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, X-Gone, te, host\r\nX-Gone: 1\r\nKeep-Alive: 5\r\n\
             TE: gzip, trailers;q=0.5, trailers\r\nProxy-Connection: x\r\nProxy-Foo: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\
             Accept: */*\r\n\r\n",
            "GET a.test / te=trailers accept=*/*",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\nMezu-Ray: 1\r\nX-MEZU-User: x\r\nx-mezu-user: y\r\nMezu-Anything: z\r\n\
             X-Forwarded-For: 1\r\nX-Forwarded-User: 1\r\nForwarded: for=1\r\nX-Real-IP: 1\r\nX-Original-URL: /admin\r\n\
             X-Rewrite-Url: /admin\r\nX-Mezuzah: kept\r\n\r\n",
            "GET a.test / x-mezuzah=kept",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\nCookie: a=b\r\nX: y\r\nCookie: c=d\r\n\r\n",
            "GET a.test / x=y cookie=a=b; c=d",
        ),
        ("GET / HTTP/1.0\r\nHost: a.test\r\nExpect: anything\r\n\r\n", "GET a.test /"),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", "POST a.test / content-length=0"),
    ];
    run(async {
        for (raw, expected) in table {
            let (answer, seen) = talk(raw).await;
            assert_eq!(seen, [*expected], "{raw:?}: {answer:?}");
            assert_eq!(status(&answer), 200, "{raw:?}");
        }
    });
}

#[test]
fn sizes_are_bounded() {
    run(async {
        let long = "a".repeat(9000);
        let (answer, _) = talk(format!("GET /{long} HTTP/1.1\r\nHost: a.test\r\n\r\n")).await;
        assert_eq!(status(&answer), 414);
        let (answer, _) = talk(format!("GET /{}", "a".repeat(9000))).await;
        assert_eq!(status(&answer), 414);
        let (answer, seen) = talk(format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "a".repeat(8000))).await;
        assert_eq!((status(&answer), seen.len()), (200, 1));
        for fields in [
            "X: y\r\n".repeat(100),
            "X: y\r\n".repeat(200),
            format!("X: {}\r\n", "a".repeat(16_400)),
            format!("X: {}\r\n", "a".repeat(8_200)).repeat(2),
            format!("{}: y\r\n", "a".repeat(300)),
        ] {
            let (answer, seen) = talk(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).await;
            assert_eq!((status(&answer), seen.len()), (431, 0), "{}", fields.len());
        }
        let fields = "X: y\r\n".repeat(99);
        let (answer, seen) = talk(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).await;
        assert_eq!((status(&answer), seen.len()), (200, 1));
        // Endless heads are cut off before they end.
        let (answer, _) = talk(format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {}", "a".repeat(40_000))).await;
        assert_eq!(status(&answer), 431);
    });
}
