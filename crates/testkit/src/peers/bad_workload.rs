//! Answers that no workload should give. The client must get a 502, or an answer visibly cut short; the next request
//! must get its own answer, whole.

use crate::Step;

/// The answers, by name.
pub fn cases() -> Vec<(&'static str, Vec<Step>)> {
    let send = |text: &str| vec![Step::send(text)];
    let send_close = |text: &str| vec![Step::send(text), Step::Close];
    let many = |line: &str, count: usize| {
        vec![Step::send(format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", line.repeat(count))), Step::Hang]
    };
    vec![
        ("closes at once", vec![Step::Close]),
        ("resets at once", vec![Step::Reset]),
        ("no HTTP", send_close("SSH-2.0-OpenSSH\r\n\r\n")),
        ("noise", send_close("\u{1}\u{2}\u{3}\r\n\r\n")),
        ("a cut head", send_close("HTTP/1.1 200 OK\r\ncontent-le")),
        ("a status that is no number", send_close("HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n")),
        ("a status too short", send_close("HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n")),
        ("a status too large", send_close("HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n")),
        ("a version from the future", send_close("HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n")),
        ("two lengths", send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab")),
        ("a signed length", send("HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na")),
        ("a length too long for a number", send("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\na")),
        (
            "length and chunked",
            send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("an unknown coding", send("HTTP/1.1 200 OK\r\ntransfer-encoding: zip\r\n\r\nabc")),
        ("a folded line", send("HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n")),
        ("a blank before a colon", send("HTTP/1.1 200 OK\r\nx-a : b\r\ncontent-length: 0\r\n\r\n")),
        ("a bare line feed", send("HTTP/1.1 200 OK\r\nx-a: b\nx-c: d\r\ncontent-length: 0\r\n\r\n")),
        ("a bare carriage return", send("HTTP/1.1 200 OK\r\nx-a: b\rx-c: d\r\ncontent-length: 0\r\n\r\n")),
        ("a NUL in a value", send("HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: 0\r\n\r\n")),
        ("a name with a blank", send("HTTP/1.1 200 OK\r\nx a: b\r\ncontent-length: 0\r\n\r\n")),
        (
            "a megabyte in one header",
            vec![Step::send(format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n", "a".repeat(1 << 20))), Step::Hang],
        ),
        ("a thousand headers", many("x-a: b\r\n", 1000)),
        (
            "headers without end",
            vec![Step::send("HTTP/1.1 200 OK\r\n"), Step::Repeat(bytes::Bytes::from_static(b"x-a: b\r\n"), 64 << 20)],
        ),
        (
            "interim answers without end",
            vec![Step::Repeat(bytes::Bytes::from_static(b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"), 16 << 20)],
        ),
        (
            "101 that nobody asked for",
            send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
        ),
    ]
}

/// Answers that begin well and break off: the client must notice.
pub fn cut_short() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("a body cut short", vec![Step::send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"), Step::Close]),
        (
            "a chunked body cut short",
            vec![Step::send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"), Step::Close],
        ),
        (
            "a chunk cut short",
            vec![Step::send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc"), Step::Close],
        ),
        (
            "a chunk size that is no number",
            vec![Step::send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"), Step::Hang],
        ),
        ("a body ended by a reset", vec![Step::send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"), Step::Reset]),
    ]
}

/// Answers with bytes too many: this client must get its own answer, and nobody else the surplus.
pub fn surplus() -> Vec<(&'static str, Vec<Step>)> {
    let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    vec![
        ("a second answer", vec![Step::send(format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok{poison}"))]),
        ("204 with a body", vec![Step::send(format!("HTTP/1.1 204 No Content\r\n\r\n{poison}"))]),
        ("304 with a body", vec![Step::send(format!("HTTP/1.1 304 Not Modified\r\n\r\n{poison}"))]),
        (
            "bytes behind the last chunk",
            vec![Step::send(format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{poison}"
            ))],
        ),
    ]
}
