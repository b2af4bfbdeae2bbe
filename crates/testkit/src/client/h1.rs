//! HTTP/1.1, written and read by hand: nothing is added, mended or hidden.

use super::{BodyPlan, Fields, Request, Response};
use crate::http1::{Chunk, Framing, Head, Reader};
use crate::target::Tls;
use crate::{Target, patiently, websocket};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use std::fmt::Write as _;
use tokio::io::AsyncWriteExt as _;

pub struct Connection {
    io: Tls,
    reader: Reader,
    authority: String,
}

impl Connection {
    pub(super) async fn open(target: &Target) -> Result<Self> {
        let io = target.tls(&["http/1.1"]).await?;
        Ok(Self { io, reader: Reader::default(), authority: target.authority() })
    }

    /// Any bytes at all.
    pub async fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        patiently("a write", self.io.write_all(bytes)).await??;
        Ok(patiently("a flush", self.io.flush()).await??)
    }

    pub(super) async fn start(&mut self, request: Request) -> Result<Exchange<'_>> {
        let mut bytes = self.text(&request, &request.method).into_bytes();
        let mut chunked = false;
        match &request.body {
            BodyPlan::None => bytes.extend(b"\r\n"),
            BodyPlan::Whole(body) => {
                bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
                bytes.extend(body);
            }
            BodyPlan::Sized(size) => bytes.extend(format!("content-length: {size}\r\n\r\n").bytes()),
            BodyPlan::Streamed => {
                bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
                chunked = true;
            }
        }
        self.raw(&bytes).await?;
        let bodyless = request.method == "HEAD";
        Ok(Exchange { connection: self, chunked, bodyless, state: State::Head, trailers: Fields::new() })
    }

    pub(super) async fn websocket(&mut self, request: Request) -> Result<Exchange<'_>> {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let mut text = self.text(&request, "GET");
        let _ = write!(
            text,
            "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
        );
        self.raw(text.as_bytes()).await?;
        let mut exchange =
            Exchange { connection: self, chunked: false, bodyless: false, state: State::Head, trailers: Fields::new() };
        let answer = exchange.head().await?;
        ensure!(answer.status == 101, "no upgrade: {answer:?}");
        ensure!(answer.header("sec-websocket-accept") == Some(&websocket::accept(key)), "wrong accept: {answer:?}");
        exchange.state = State::Raw;
        Ok(exchange)
    }

    fn text(&self, request: &Request, method: &str) -> String {
        let host = request.host.as_ref().unwrap_or(&self.authority);
        let mut text = format!("{method} {} HTTP/1.1\r\nHost: {host}\r\n", request.path);
        for (name, value) in &request.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text
    }

    pub(super) async fn closed(&mut self) -> Result<()> {
        let rest = self.reader.some(&mut self.io, 64).await.unwrap_or_default();
        ensure!(rest.is_empty(), "bytes instead of an end: {:?}", String::from_utf8_lossy(&rest));
        Ok(())
    }

    /// The next head, for tests that pipeline by [`Self::raw`].
    pub async fn next_head(&mut self) -> Result<Option<Head>> {
        self.reader.head(&mut self.io).await
    }

    /// The next answer to what was sent by [`Self::raw`].
    pub async fn next_response(&mut self) -> Result<Response> {
        let exchange =
            Exchange { connection: self, chunked: false, bodyless: false, state: State::Head, trailers: Fields::new() };
        super::Exchange::H1(exchange).response().await
    }
}

enum State {
    Head,
    Sized(u64),
    Chunked,
    /// To the end of the connection: an answer without length, or after an upgrade.
    Raw,
    Over,
}

pub struct Exchange<'a> {
    connection: &'a mut Connection,
    chunked: bool,
    bodyless: bool,
    state: State,
    trailers: Fields,
}

impl Exchange<'_> {
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.chunked {
            return self.connection.raw(bytes).await;
        }
        let wire = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.connection.raw(&wire).await
    }

    pub(super) async fn finish(&mut self, trailers: &[(&str, &str)]) -> Result<()> {
        if !self.chunked {
            if matches!(self.state, State::Raw) {
                self.connection.io.shutdown().await?;
            }
            return Ok(());
        }
        let mut text = "0\r\n".to_owned();
        for (name, value) in trailers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        self.connection.raw(format!("{text}\r\n").as_bytes()).await
    }

    pub(super) async fn interim(&mut self) -> Result<(u16, Fields)> {
        let head = self.next_head().await?;
        ensure!(head.status()? < 200, "a final answer instead of an interim one: {head:?}");
        Ok((head.status()?, head.headers))
    }

    async fn next_head(&mut self) -> Result<Head> {
        self.connection.next_head().await?.context("closed instead of an answer")
    }

    pub(super) async fn head(&mut self) -> Result<Response> {
        let mut response = Response::default();
        loop {
            let head = self.next_head().await?;
            let status = head.status()?;
            if (100..200).contains(&status) && status != 101 {
                response.interim.push((status, head.headers));
                continue;
            }
            self.state = match head.framing()? {
                _ if self.bodyless || matches!(status, 101 | 204 | 304) => State::Over,
                Framing::Sized(size) => State::Sized(size),
                Framing::Chunked => State::Chunked,
                Framing::None => State::Raw,
            };
            (response.status, response.headers) = (status, head.headers);
            return Ok(response);
        }
    }

    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let Connection { io, reader, .. } = &mut *self.connection;
        match &mut self.state {
            State::Head => anyhow::bail!("the head comes first"),
            State::Over | State::Sized(0) => Ok(None),
            State::Sized(left) => {
                let some = reader.some(io, usize::try_from(*left)?.min(1 << 20)).await?;
                ensure!(!some.is_empty(), "the body was cut short by {left}");
                *left -= some.len() as u64;
                Ok(Some(some.into()))
            }
            State::Raw => Ok(Some(reader.some(io, 1 << 20).await?).filter(|some| !some.is_empty()).map(Bytes::from)),
            State::Chunked => match reader.chunk(io).await? {
                Chunk::Data(data) => Ok(Some(data.into())),
                Chunk::Last(trailers) => {
                    self.trailers = trailers;
                    self.state = State::Over;
                    Ok(None)
                }
            },
        }
    }

    pub(super) fn trailers(&mut self) -> Fields {
        std::mem::take(&mut self.trailers)
    }
}
