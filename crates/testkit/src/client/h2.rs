//! HTTP/2 by the `h2` crate.

use super::{BodyPlan, Fields, Request, Response};
use crate::{Target, patiently};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use std::future::poll_fn;
use tokio::task::JoinHandle;

pub struct Connection {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
    authority: String,
}

impl Connection {
    pub(super) async fn open(target: &Target) -> Result<Self> {
        let io = target.tls(&["h2"]).await?;
        ensure!(io.get_ref().1.alpn_protocol() == Some(b"h2"), "the edge does not speak h2");
        let (sender, connection) = patiently("an h2 handshake", h2::client::handshake(io)).await??;
        let driver = tokio::spawn(connection);
        Ok(Self { sender, driver, authority: target.authority() })
    }

    pub(super) async fn start(&mut self, request: Request) -> Result<Exchange> {
        let built = self.build(&request)?;
        let length = match &request.body {
            BodyPlan::Whole(body) => Some(body.len() as u64),
            BodyPlan::Sized(size) => Some(*size),
            BodyPlan::None | BodyPlan::Streamed => None,
        };
        let mut built = built.body(())?;
        if let Some(length) = length {
            built.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
        }
        let bodyless = matches!(request.body, BodyPlan::None);
        let mut exchange = self.open_stream(built, bodyless).await?;
        if let BodyPlan::Whole(body) = request.body {
            exchange.send.send_data(body, true)?;
        }
        Ok(exchange)
    }

    pub(super) async fn websocket(&mut self, request: Request) -> Result<Exchange> {
        let sender = self.ready().await?;
        // The setting arrives with the edge's first frames; a request and its answer make sure that they are read.
        ensure!(sender.is_extended_connect_protocol_enabled(), "extended CONNECT is not offered");
        let built = self.build(&Request { method: "CONNECT".into(), ..request })?.header("sec-websocket-version", "13");
        let mut built = built.body(())?;
        built.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        let mut exchange = self.open_stream(built, false).await?;
        let answer = exchange.head().await?;
        ensure!(answer.status == 200, "no WebSocket: {answer:?}");
        Ok(exchange)
    }

    fn build(&self, request: &Request) -> Result<http::request::Builder> {
        let authority = request.host.as_ref().unwrap_or(&self.authority);
        let uri =
            http::Uri::builder().scheme("https").authority(authority.as_str()).path_and_query(request.path.as_str());
        let mut built = http::Request::builder().method(request.method.as_str()).uri(uri.build()?);
        for (name, value) in &request.headers {
            built = built.header(name.to_ascii_lowercase(), value);
        }
        Ok(built)
    }

    async fn ready(&self) -> Result<SendRequest<Bytes>> {
        Ok(patiently("room for a stream", self.sender.clone().ready()).await??)
    }

    async fn open_stream(&self, request: http::Request<()>, end: bool) -> Result<Exchange> {
        let mut sender = self.ready().await?;
        let (answer, send) = sender.send_request(request, end)?;
        Ok(Exchange { answer, send, body: None })
    }

    pub(super) async fn closed(&mut self) -> Result<()> {
        let _ = patiently("the connection's end", &mut self.driver).await?;
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

pub struct Exchange {
    answer: ResponseFuture,
    send: SendStream<Bytes>,
    body: Option<RecvStream>,
}

impl Exchange {
    pub(super) async fn send(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            self.send.reserve_capacity(bytes.len());
            let capacity = patiently("h2 capacity", poll_fn(|cx| self.send.poll_capacity(cx))).await?;
            let size = capacity.context("the stream was reset")??;
            self.send.send_data(bytes.split_to(size.min(bytes.len())), false)?;
        }
        Ok(())
    }

    pub(super) async fn finish(&mut self, trailers: &[(&str, &str)]) -> Result<()> {
        if trailers.is_empty() {
            return Ok(self.send.send_data(Bytes::new(), true)?);
        }
        let mut map = http::HeaderMap::new();
        for (name, value) in trailers {
            map.append(http::HeaderName::try_from(*name)?, value.parse()?);
        }
        Ok(self.send.send_trailers(map)?)
    }

    pub(super) async fn interim(&mut self) -> Result<(u16, Fields)> {
        let interim = patiently("an interim answer", poll_fn(|cx| self.answer.poll_informational(cx))).await?;
        let interim = interim.context("a final answer instead of an interim one")??;
        Ok((interim.status().as_u16(), fields(interim.headers())))
    }

    pub(super) async fn head(&mut self) -> Result<Response> {
        let mut response = Response::default();
        while let Some(interim) = patiently("an answer", poll_fn(|cx| self.answer.poll_informational(cx))).await? {
            let interim = interim?;
            response.interim.push((interim.status().as_u16(), fields(interim.headers())));
        }
        let answer = patiently("an answer", &mut self.answer).await??;
        response.status = answer.status().as_u16();
        response.headers = fields(answer.headers());
        self.body = Some(answer.into_body());
        Ok(response)
    }

    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let body = self.body.as_mut().context("the head comes first")?;
        // An empty DATA frame that only ends the stream is no piece.
        while let Some(chunk) = patiently("a piece of the body", body.data()).await? {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    pub(super) async fn trailers(&mut self) -> Result<Fields> {
        let body = self.body.as_mut().context("the head comes first")?;
        Ok(patiently("trailers", body.trailers()).await??.as_ref().map(fields).unwrap_or_default())
    }
}

fn fields(map: &http::HeaderMap) -> Fields {
    map.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}
