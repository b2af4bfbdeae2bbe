//! WebSocket over HTTP/1.1 (RFC 6455, threat 5).

use tokio::io::AsyncWriteExt;

use super::{Peer, run, status, talk};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const ASK: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";

fn get(path: &str, fields: &[&str]) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{}\r\n", fields.concat())
}

#[test]
fn after_101_bytes_are_raw_both_ways() {
    run(async {
        let mut peer = Peer::new();
        peer.send(get("/ws", &[ASK, KEY, VERSION, "Sec-WebSocket-Protocol: chat\r\n"])).await;
        let head = peer.until("\r\n\r\n").await;
        assert_eq!(
            head,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
        assert_eq!(peer.seen(), ["GET a.test /ws sec-websocket-version=13 sec-websocket-protocol=chat UPGRADE"]);
        peer.send("GET / HTTP/1.1\r\n\r\n").await;
        assert_eq!(peer.until("\r\n\r\n").await, "GET / HTTP/1.1\r\n\r\n");
        // Half-close: ours is noticed, theirs comes with the last bytes.
        peer.io.shutdown().await.unwrap();
        assert_eq!(peer.rest().await, "bye");
        assert_eq!(peer.seen().len(), 1);
    });
}

#[test]
fn bytes_behind_a_refused_upgrade_are_not_a_request() {
    run(async {
        let next = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
        let (answer, seen) = talk(format!("{}{next}", get("/ws-refused", &[ASK, KEY, VERSION]))).await;
        assert_eq!((status(&answer), seen.len()), (200, 1), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    });
}

#[test]
fn half_hearted_upgrades_are_refused_or_ignored() {
    let table: &[(&[&str], u16, bool)] = &[
        (&[ASK, KEY], 426, false),
        (&[ASK, KEY, "Sec-WebSocket-Version: 8\r\n"], 426, false),
        (&[ASK, VERSION], 400, false),
        (&[ASK, KEY, KEY, VERSION], 400, false),
        (&[ASK, "Sec-WebSocket-Key: short\r\n", VERSION], 400, false),
        (&[ASK, KEY, VERSION, "Content-Length: 3\r\n"], 400, false),
        // No upgrade asked for: an ordinary request.
        (&["Upgrade: websocket\r\n", KEY, VERSION], 200, true),
        (&["Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"], 200, true),
    ];
    run(async {
        for (fields, expected, served) in table {
            let (answer, seen) = talk(get("/", fields)).await;
            assert_eq!((status(&answer), seen.len() == 1), (*expected, *served), "{fields:?} {answer}");
            assert!(!seen.iter().any(|s| s.contains("UPGRADE") || s.contains("key")), "{seen:?}");
        }
        let post = get("/", &[ASK, KEY, VERSION]).replace("GET", "POST");
        assert_eq!(status(&talk(post).await.0), 400);
    });
}
