//! A service for the fronts' own tests: answers by path, remembers what it was asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
};

use bytes::Bytes;
use mezu_model::{Headers, RequestHead, ResponseHead};
use mezu_tunnel::proto::ByteBudget;

use super::{BadRequest, BodyPart, ClientGone, ConnInfo, Exchange, ResponseLength, Serve};

#[derive(Default)]
pub(crate) struct Toy {
    /// `METHOD host path` and so on, in order of arrival.
    pub(crate) seen: RefCell<Vec<String>>,
    pub(crate) refused: RefCell<Vec<BadRequest>>,
    pub(crate) gone: Cell<Option<ClientGone>>,
    /// Exchanges under way.
    pub(crate) working: Cell<usize>,
    /// What windows grow from.
    pub(crate) memory: Option<ByteBudget>,
}

struct Working<'t>(&'t Cell<usize>);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

pub(crate) fn describe(head: &RequestHead) -> String {
    let mut text = format!("{} {}", head.method, head.host);
    if let Some(port) = head.port {
        text += &format!(":{port}");
    }
    text += &format!(" {}", head.path);
    if let Some(query) = &head.query {
        text += &format!("?{query}");
    }
    for field in head.headers.iter() {
        text += &format!(" {}={}", String::from_utf8_lossy(field.name), String::from_utf8_lossy(field.value));
    }
    if head.upgrade.is_some() {
        text += " UPGRADE";
    }
    text
}

impl Serve for Toy {
    async fn serve<X: Exchange>(&self, _conn: &ConnInfo, head: &mut RequestHead, exchange: &mut X) {
        self.working.set(self.working.get() + 1);
        let _working = Working(&self.working);
        self.seen.borrow_mut().push(describe(head));
        if let Err(gone) = self.answer(head, exchange).await {
            self.gone.set(Some(gone));
            let status = match gone {
                ClientGone::Malformed(_) => 400,
                ClientGone::TooSlow => 408,
                _ => 0,
            };
            if status == 0 || exchange.started() {
                return exchange.abort();
            }
            exchange.start(&plain(status), ResponseLength::Empty);
            exchange.finish();
        }
    }

    fn memory(&self) -> Option<ByteBudget> {
        self.memory.clone()
    }

    fn refuse(&self, _conn: &ConnInfo, problem: BadRequest, answer: &mut ResponseHead) -> Bytes {
        self.refused.borrow_mut().push(problem);
        *answer = plain(problem.status());
        Bytes::from_static(b"no")
    }
}

impl Toy {
    async fn answer<X: Exchange>(&self, head: &RequestHead, x: &mut X) -> Result<(), ClientGone> {
        match head.path.as_str() {
            "/early" => return reply(x, 200, b"early").await,
            "/continue" => {
                x.interim(&ResponseHead::new(100));
                poll_fn(|cx| x.poll_flush(cx)).await?;
            }
            "/hints" => {
                let mut hints = ResponseHead::new(103);
                hints.headers.push(b"link", b"</a.css>").unwrap();
                x.interim(&hints);
                poll_fn(|cx| x.poll_flush(cx)).await?;
            }
            "/ws" | "/ws-refused" if head.upgrade.is_some() => return upgrade(head, x).await,
            "/parts" => return parts(x).await,
            "/chunked" => return chunked(x).await,
            "/sized-trailers" => return sized_with_trailers(x).await,
            "/204" => return reply(x, 204, b"").await,
            "/304" => return reply(x, 304, b"12345").await,
            "/short" => {
                x.start(&plain(200), ResponseLength::Sized(10));
                send(x, Bytes::from_static(b"five!")).await?;
                x.finish();
                return Ok(());
            }
            "/long" => {
                x.start(&plain(200), ResponseLength::Sized(2));
                return send(x, Bytes::from_static(b"five!")).await;
            }
            "/abort" => {
                x.start(&plain(200), ResponseLength::Unknown);
                send(x, Bytes::from_static(b"some")).await?;
                x.abort();
                return Ok(());
            }
            "/hang" => return Err(poll_fn(|cx| x.poll_gone(cx)).await),
            "/big" => {
                x.start(&plain(200), ResponseLength::Sized(1 << 20));
                for _ in 0..64 {
                    send(x, Bytes::from(vec![b'x'; 1 << 14])).await?;
                }
                x.finish();
                return Ok(());
            }
            _ => {}
        }
        echo(x).await
    }
}

pub(crate) fn plain(status: u16) -> ResponseHead {
    let mut head = ResponseHead::new(status);
    head.headers.push(b"date", b"now").unwrap();
    head
}

async fn send<X: Exchange>(x: &mut X, mut data: Bytes) -> Result<(), ClientGone> {
    poll_fn(|cx| x.poll_send(cx, &mut data)).await
}

async fn reply<X: Exchange>(x: &mut X, status: u16, body: &'static [u8]) -> Result<(), ClientGone> {
    x.start(&plain(status), ResponseLength::Sized(body.len() as u64));
    send(x, Bytes::from_static(body)).await?;
    x.finish();
    Ok(())
}

/// Reads all of the body, then answers with it: what was buffered is shown before a `|`.
async fn echo<X: Exchange>(x: &mut X) -> Result<(), ClientGone> {
    let (buffered, mut end) = x.buffered(1 << 14);
    let mut body = buffered.to_vec();
    let n = body.len();
    x.consume(n);
    let mut trailers = None;
    while !end {
        match poll_fn(|cx| x.poll_body(cx)).await? {
            BodyPart::Data(data) => body.extend_from_slice(&data),
            BodyPart::Trailers(t) => trailers = Some(t),
            BodyPart::End => end = true,
        }
    }
    match trailers {
        None => {
            x.start(&plain(200), ResponseLength::Sized(body.len() as u64));
            send(x, body.into()).await?;
            x.finish();
        }
        Some(trailers) => {
            x.start(&plain(200), ResponseLength::Unknown);
            send(x, body.into()).await?;
            x.trailers(&trailers);
            x.finish();
        }
    }
    Ok(())
}

/// Answers with the number of pieces that the body came in.
async fn parts<X: Exchange>(x: &mut X) -> Result<(), ClientGone> {
    let mut parts = 0;
    while let BodyPart::Data(_) = poll_fn(|cx| x.poll_body(cx)).await? {
        parts += 1;
    }
    let body = Bytes::from(parts.to_string());
    x.start(&plain(200), ResponseLength::Sized(body.len() as u64));
    send(x, body).await?;
    x.finish();
    Ok(())
}

async fn chunked<X: Exchange>(x: &mut X) -> Result<(), ClientGone> {
    x.start(&plain(200), ResponseLength::Unknown);
    for part in [&b"one"[..], b"", b"two, which is longer than fifteen"] {
        send(x, Bytes::from_static(part)).await?;
        poll_fn(|cx| x.poll_flush(cx)).await?;
    }
    let mut trailers = Headers::new();
    trailers.push(b"grpc-status", b"0").unwrap();
    trailers.push(b"content-length", b"0").unwrap();
    x.trailers(&trailers);
    x.finish();
    Ok(())
}

/// As gRPC workloads do that know the length.
async fn sized_with_trailers<X: Exchange>(x: &mut X) -> Result<(), ClientGone> {
    x.start(&plain(200), ResponseLength::Sized(2));
    send(x, Bytes::from_static(b"hi")).await?;
    poll_fn(|cx| x.poll_flush(cx)).await?;
    let mut trailers = Headers::new();
    trailers.push(b"grpc-status", b"5").unwrap();
    x.trailers(&trailers);
    x.finish();
    Ok(())
}

async fn upgrade<X: Exchange>(head: &RequestHead, x: &mut X) -> Result<(), ClientGone> {
    if head.path == "/ws-refused" {
        return reply(x, 200, b"no").await;
    }
    x.upgraded(&ResponseHead::new(101));
    poll_fn(|cx| x.poll_flush(cx)).await?;
    loop {
        match poll_fn(|cx| x.poll_body(cx)).await? {
            BodyPart::Data(data) => send(x, data).await?,
            BodyPart::Trailers(_) => {}
            BodyPart::End => break,
        }
        poll_fn(|cx| x.poll_flush(cx)).await?;
    }
    send(x, Bytes::from_static(b"bye")).await?;
    x.finish();
    poll_fn(|cx| x.poll_flush(cx)).await
}
