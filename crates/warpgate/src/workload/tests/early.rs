//! Answers that end before their requests do.

use super::*;

/// Answers each request as soon as it has its head, then reads the body, and says which connection it is.
async fn hasty() -> Workload {
    hasty_after("").await
}

/// The same, with an interim answer before.
async fn hasty_after(interim: &'static str) -> Workload {
    raw(move |mut connection, number| async move {
        let mut heard = Vec::new();
        loop {
            let Some(head) = take_until(&mut connection, &mut heard, b"\r\n\r\n").await else { return };
            let answer = format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            connection.write_all(answer.as_bytes()).await.unwrap();
            let head = String::from_utf8(head).unwrap();
            if head.contains("transfer-encoding: chunked") {
                take_until(&mut connection, &mut heard, b"0\r\n\r\n").await;
            } else if let Some(length) = head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
                let length: usize = length.parse().unwrap();
                while heard.len() < length {
                    if connection.read_buf(&mut heard).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                heard.drain(..length);
            }
        }
    })
    .await
}

async fn take_until(connection: &mut TcpStream, heard: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = heard.windows(end.len()).position(|window| window == end) {
            return Some(heard.drain(..at + end.len()).collect());
        }
        if connection.read_buf(heard).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

fn upload(length: Option<usize>) -> Request {
    let mut it = request("POST", "/", b"");
    if let Some(length) = length {
        it.head.headers.push(b"content-length", length.to_string().as_bytes()).unwrap();
    }
    it.end = false;
    it
}

/// Uploads `events` once the answer has ended; says how that went and how many connections were kept.
async fn after_the_answer(workload: &Workload, request: Request, events: Vec<Result<Incoming, Fault>>) -> usize {
    let (mut stream, edge, said) = stream();
    let client = async {
        while !said.borrow().ended {
            tokio::task::yield_now().await;
        }
        for event in events {
            edge.send(event).await.unwrap();
        }
    };
    let (served, ()) = tokio::join!(serve(workload, &mut stream, request), client);
    assert_eq!((served, said.borrow().status()), (Ok(()), 200));
    workload.pool.len()
}

fn data(len: usize) -> Result<Incoming, Fault> {
    Ok(Incoming::Data(Bytes::from(vec![b'x'; len])))
}

#[test]
fn a_short_rest_is_passed_on_and_saves_the_connection() {
    local(async {
        let workload = hasty().await;
        for length in [None, Some(MAX_REST)] {
            let events = vec![data(MAX_REST / 2), data(MAX_REST / 2), Ok(Incoming::End)];
            assert_eq!(after_the_answer(&workload, upload(length), events).await, 1, "{length:?}");
            // The rest was the request's, not the beginning of the next one.
            let said = ask(&workload, request("GET", "/", b"")).await.unwrap();
            assert_eq!(said.body, b"0");
        }
    });
}

#[test]
fn a_long_rest_costs_the_connection() {
    local(async {
        let workload = hasty().await;
        let announced = after_the_answer(&workload, upload(Some(MAX_REST + 1)), vec![Ok(Incoming::End)]).await;
        assert_eq!(announced, 0);
        let events = vec![data(MAX_REST), data(1), Ok(Incoming::End)];
        assert_eq!(after_the_answer(&workload, upload(None), events).await, 0);
    });
}

#[test]
fn a_rest_that_is_cut_short_or_does_not_come_costs_the_connection() {
    local(async {
        let workload = hasty().await;
        for (length, events) in [
            (None, vec![data(10), Err(Fault::EdgeGone)]),
            (Some(20), vec![data(10), Err(Fault::EdgeGone)]),
            (Some(20), vec![data(10), Ok(Incoming::End)]),
            (Some(20), vec![data(30), Ok(Incoming::End)]),
            (None, vec![data(10)]),
        ] {
            assert_eq!(after_the_answer(&workload, upload(length), events).await, 0);
        }
    });
}

#[test]
fn a_workload_that_was_asked_first_and_said_no_gets_no_body() {
    local(async {
        // Hints say nothing about the body.
        for (interim, kept) in [("", 0), ("HTTP/1.1 103 Early Hints\r\n\r\n", 0), ("HTTP/1.1 100 Continue\r\n\r\n", 1)]
        {
            let workload = hasty_after(interim).await;
            let mut asking = upload(Some(5));
            asking.head.headers.push(b"expect", b"100-continue").unwrap();
            let events = vec![data(5), Ok(Incoming::End)];
            assert_eq!(after_the_answer(&workload, asking, events).await, kept, "{interim}");
        }
    });
}
