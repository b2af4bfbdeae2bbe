//! Runs N request/response exchanges between two ends in memory, for callgrind and perf to count:
//! `cargo build --release -p mezu-tunnel-proto --example echo_cost && valgrind --tool=callgrind target/release/examples/echo_cost 10000`.
//!
//! Arguments: exchanges (100000), in flight at once (64), body bytes each way (1024).
#![allow(clippy::print_stdout, reason = "a measuring program")]

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mezu_model::{Context, Method, RequestHead, ResponseHead};
use mezu_tunnel_proto::{ByteBudget, Config, Connection, Event, Incoming, OpenOptions, Role};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Ends {
    edge: Connection,
    gate: Connection,
    to_edge: BytesMut,
    to_gate: BytesMut,
    now: Instant,
    request: RequestHead,
    response: ResponseHead,
    /// Decoded into, again and again.
    seen_request: RequestHead,
    seen_response: ResponseHead,
    body: Vec<u8>,
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let mut next = |default| args.next().unwrap_or(Ok(default));
    let (exchanges, at_once, size) = (next(100_000)?, next(64)?.max(1), next(1024)?);
    let mut ends = Ends::new(size)?;
    ends.round(at_once)?;
    let start = Instant::now();
    let mut done = 0;
    while done < exchanges {
        done += ends.round(at_once)?;
    }
    let each = start.elapsed().as_nanos() / done.max(1) as u128;
    println!("{done} exchanges of {size} bytes each way, {at_once} at once: {each} ns each for both ends");
    Ok(())
}

impl Ends {
    fn new(size: usize) -> Result<Self> {
        let now = Instant::now();
        let config = Config::new(ByteBudget::new(1 << 30));
        let mut request = RequestHead {
            method: Method::Post,
            host: "app.mezusphere.localhost".into(),
            path: "/api/v1/items".into(),
            query: Some("page=2&sort=name".into()),
            ..RequestHead::default()
        };
        for (name, value) in [
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
            ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ("accept-language", "en-GB,en;q=0.5"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
            ("content-length", "1024"),
            ("x-trace", "1"),
        ] {
            request.headers.push(name.as_bytes(), value.as_bytes())?;
        }
        let mut response = ResponseHead::new(200);
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("content-length", "1024"),
            ("date", "Tue, 24 Nov 2026 06:00:00 GMT"),
            ("cache-control", "private, max-age=0"),
            ("x-served-by", "app-1"),
        ] {
            response.headers.push(name.as_bytes(), value.as_bytes())?;
        }
        Ok(Self {
            edge: Connection::new(Role::Edge, config.clone(), now),
            gate: Connection::new(Role::Gate, config, now),
            to_edge: BytesMut::with_capacity(256 * 1024),
            to_gate: BytesMut::with_capacity(256 * 1024),
            now,
            request,
            response,
            seen_request: RequestHead::default(),
            seen_response: ResponseHead::default(),
            body: vec![b'x'; size],
        })
    }

    /// One turn of both drivers with `n` exchanges; the number completed.
    fn round(&mut self, n: usize) -> Result<usize> {
        self.now += Duration::from_micros(100);
        let context = Context::default();
        for _ in 0..n {
            let options = OpenOptions { inline: &self.body, end: true, ..OpenOptions::default() };
            self.edge.open(&context, &self.request, 0, options)?;
        }
        shift(&mut self.edge, &mut self.to_gate);
        self.gate.handle_input(self.now, &mut self.to_gate)?;
        while let Some(event) = self.gate.poll_event() {
            let Event::Opened(id) = event else { continue };
            if let Some(Incoming::Request(request)) = self.gate.recv(id)? {
                request.decode(&mut self.seen_request)?;
                let body = request.into_body();
                self.gate.send_response(id, &self.response, &body, true)?;
            }
            self.gate.release(id);
        }
        shift(&mut self.gate, &mut self.to_edge);
        self.edge.handle_input(self.now, &mut self.to_edge)?;
        let mut done = 0;
        while let Some(event) = self.edge.poll_event() {
            let Event::Readable(id) = event else { continue };
            if let Some(Incoming::Response(response)) = self.edge.recv(id)? {
                response.decode(&mut self.seen_response)?;
                done += usize::from(response.into_body().len() == self.body.len());
            }
            self.edge.release(id);
        }
        Ok(done)
    }
}

fn shift(from: &mut Connection, to: &mut BytesMut) {
    to.extend_from_slice(from.output());
    from.advance_output(from.output().len());
}
