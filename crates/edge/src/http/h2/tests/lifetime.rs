//! How long connections live, and how they leave without losing a request.

use std::time::Duration;

use h2::client::Builder;
use mezu_model::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use super::{
    Peer, collect,
    frames::{PREFACE, frame, good_head, split},
    get, raw, run,
};

#[test]
fn drain_answers_what_is_under_way_and_what_is_on_its_way() {
    run(async {
        let mut peer = Peer::new().await;
        peer.ask(get("/early"), None, None).await;
        let (hanging, mut stream) = peer.client.send_request(get("/"), false).unwrap();
        while peer.toy.working.get() == 0 {
            tokio::task::yield_now().await;
        }
        peer.drain.begin();
        // Sent before the client has seen the first GOAWAY.
        let (late, _) = peer.client.send_request(get("/early"), true).unwrap();
        assert_eq!(collect(late.await).await.body, "early");
        stream.send_data("end".into(), true).unwrap();
        assert_eq!(collect(hanging.await).await.body, "end");
        drop((stream, peer.client));
        assert!(timeout(Duration::from_secs(5), peer.ended).await.unwrap().unwrap().is_ok());
        timeout(Duration::from_secs(5), peer.front).await.unwrap().unwrap();
    });
}

#[test]
fn a_client_that_never_answers_the_goodbye_is_left_in_time_however_busy_it_is() {
    for every in [700, 1500] {
        run(async {
            let mut conn = raw(Limits::default());
            conn.io.write_all(PREFACE).await.unwrap();
            conn.drain.begin();
            let start = Instant::now();
            let mut heard = Vec::new();
            // It asks for something again and again, so that it is busy and idle by turns, and its PING never returns.
            for id in (1..).step_by(2) {
                if conn.io.write_all(&frame(1, 5, id, &good_head("GET", "/early"))).await.is_err() {
                    break;
                }
                let next = Instant::now() + Duration::from_millis(every);
                while let Ok(Ok(1..)) = timeout_at(next, conn.io.read_buf(&mut heard)).await {}
                tokio::time::sleep_until(next).await;
                assert!(start.elapsed() < Duration::from_secs(8), "it stays for ever");
            }
            let goodbyes = split(&heard).iter().filter(|(kind, _)| *kind == 7).count();
            assert_eq!(goodbyes, 2, "once to announce it, once with the last request that is served");
            assert!(start.elapsed() >= Duration::from_secs(5), "it had its time to answer");
        });
    }
}

#[test]
fn requests_end_with_the_connection_of_their_client() {
    run(async {
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        conn.io.write_all(&frame(1, 5, 1, &good_head("GET", "/hang"))).await.unwrap();
        while conn.toy.working.get() == 0 {
            tokio::task::yield_now().await;
        }
        drop(conn.io);
        timeout(Duration::from_secs(5), conn.front).await.unwrap().unwrap();
        assert_eq!(conn.toy.working.get(), 0);
    });
}

#[test]
fn an_idle_connection_says_goodbye() {
    run(async {
        let mut peer = Peer::new().await;
        peer.ask(get("/early"), None, None).await;
        let start = Instant::now();
        assert!((&mut peer.ended).await.unwrap().is_ok());
        let waited = start.elapsed().as_secs();
        assert!((119..=131).contains(&waited), "{waited}");
        drop(peer.client);
        timeout(Duration::from_secs(15), peer.front).await.unwrap().unwrap();
    });
}

#[test]
fn a_connection_with_an_answer_now_and_then_stays() {
    run(async {
        let mut peer = Peer::new().await;
        for _ in 0..10 {
            assert_eq!(peer.ask(get("/early"), None, None).await.body, "early");
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
        assert!(!peer.ended.is_finished());
    });
}

#[test]
fn a_connection_serves_so_many_requests_and_no_more() {
    run(async {
        let limits = Limits { streams_per_connection: 10, ..Limits::default() };
        let mut peer = Peer::with(limits, &Builder::new()).await;
        for _ in 0..10 {
            assert_eq!(peer.ask(get("/early"), None, None).await.body, "early");
        }
        drop(peer.client);
        assert!(timeout(Duration::from_secs(5), peer.ended).await.unwrap().unwrap().is_ok());
    });
}

#[test]
fn many_requests_at_once() {
    run(async {
        let mut peer = Peer::new().await;
        peer.ask(get("/early"), None, None).await;
        for _ in 0..20 {
            let mut answers = Vec::new();
            for _ in 0..100 {
                let mut client = peer.client.clone().ready().await.unwrap();
                answers.push(client.send_request(get("/early"), true).unwrap().0);
            }
            for answer in answers {
                assert_eq!(collect(answer.await).await.body, "early");
            }
        }
        assert_eq!(peer.toy.seen.borrow().len(), 2001);
    });
}
