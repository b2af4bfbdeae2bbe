//! Against the h2 crate's client, and by raw frames where that is too well-behaved.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod abuse;
mod frames;
mod lifetime;
mod mutated;
mod requests;
mod rules;
mod windows;

use std::rc::Rc;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Request, Response};
use mezu_model::Limits;
use tokio::{
    io::DuplexStream,
    task::{JoinHandle, LocalSet, spawn_local},
};

use crate::http::{Alpn, ConnInfo, Drain, toy::Toy};

struct Peer {
    client: SendRequest<Bytes>,
    toy: Rc<Toy>,
    drain: Drain,
    front: JoinHandle<()>,
    /// The client's side of the connection; how it ended.
    ended: JoinHandle<Result<(), h2::Error>>,
}

/// A front with its service, and the other end of its connection.
struct Raw {
    io: DuplexStream,
    toy: Rc<Toy>,
    drain: Drain,
    front: JoinHandle<()>,
}

fn raw(limits: Limits) -> Raw {
    raw_with(limits, Rc::new(Toy::default()))
}

#[allow(clippy::disallowed_methods, reason = "a test's own task")]
fn raw_with(limits: Limits, toy: Rc<Toy>) -> Raw {
    let (io, theirs) = tokio::io::duplex(4 << 20);
    let drain = Drain::new();
    let conn = ConnInfo { client: ([192, 0, 2, 1], 5000).into(), local_port: 443, sni: None, alpn: Alpn::H2 };
    let front = spawn_local(super::serve(theirs, conn, toy.clone(), Rc::new(limits), drain.clone()));
    Raw { io, toy, drain, front }
}

impl Peer {
    async fn new() -> Self {
        Self::with(Limits::default(), &Builder::new()).await
    }

    #[allow(clippy::disallowed_methods, reason = "a test's own task")]
    async fn with(limits: Limits, builder: &Builder) -> Self {
        let Raw { io, toy, drain, front } = raw(limits);
        let (client, connection) = builder.handshake(io).await.unwrap();
        let ended = spawn_local(connection);
        Self { client, toy, drain, front, ended }
    }

    /// Sends a request with its whole body and trailers, returns the whole answer.
    async fn ask(&mut self, request: Request<()>, body: Option<&str>, trailers: Option<HeaderMap>) -> Answer {
        let mut client = self.client.clone().ready().await.unwrap();
        let end = body.is_none() && trailers.is_none();
        let (response, mut stream) = client.send_request(request, end).unwrap();
        if let Some(body) = body {
            let _ = stream.send_data(Bytes::from(body.to_owned()), trailers.is_none());
        }
        if let Some(trailers) = trailers {
            let _ = stream.send_trailers(trailers);
        }
        collect(response.await).await
    }

    fn seen(&self) -> Vec<String> {
        self.toy.seen.borrow().clone()
    }
}

#[derive(Debug, Default, PartialEq)]
struct Answer {
    /// 0 when the stream was reset before an answer.
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
    trailers: Vec<(String, String)>,
    reset: Option<h2::Reason>,
}

async fn collect(response: Result<Response<h2::RecvStream>, h2::Error>) -> Answer {
    let mut answer = Answer::default();
    let mut stream = match response {
        Ok(response) => {
            answer.status = response.status().as_u16();
            answer.fields = list(response.headers());
            response.into_body()
        }
        Err(error) => {
            answer.reset = error.reason();
            return answer;
        }
    };
    while let Some(data) = stream.data().await {
        match data {
            Ok(data) => {
                let _ = stream.flow_control().release_capacity(data.len());
                answer.body += std::str::from_utf8(&data).unwrap();
            }
            Err(error) => {
                answer.reset = error.reason();
                return answer;
            }
        }
    }
    answer.trailers = stream.trailers().await.unwrap().map_or(vec![], |map| list(&map));
    answer
}

fn list(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter().map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect()
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("https://a.test{path}")).body(()).unwrap()
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}
