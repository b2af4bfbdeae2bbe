//! One client for both protocols, so that one test body runs over each.

mod h1;
mod h2;

use crate::Target;
use anyhow::{Result, ensure};
use bytes::Bytes;

pub type Fields = Vec<(String, String)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    H1,
    H2,
}

/// A request to be sent. Names are written as given on h1 and lowercased on h2.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub host: Option<String>,
    pub headers: Fields,
    pub body: BodyPlan,
}

/// How a request's body is announced.
#[derive(Debug, Clone, Default)]
pub enum BodyPlan {
    #[default]
    None,
    /// Sent at once, with its length.
    Whole(Bytes),
    /// Announced by length; the test sends it piece by piece.
    Sized(u64),
    /// Of unknown length; the test sends it piece by piece.
    Streamed,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), ..Self::default() }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", path).body(BodyPlan::Whole(body.into()))
    }

    #[must_use]
    pub fn body(mut self, body: BodyPlan) -> Self {
        self.body = body;
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Another name in `Host` or `:authority` than the target's.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.into());
        self
    }
}

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// Interim answers that came before it.
    pub interim: Vec<(u16, Fields)>,
}

impl Response {
    /// The only value of a header; a header that is there twice fails the test.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let first = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {:?}", self.headers);
        first.map(|(_, value)| value.as_str())
    }

    /// The number under which the workload keeps this request.
    pub fn nonce(&self) -> u64 {
        self.header("x-nonce").and_then(|nonce| nonce.parse().ok()).unwrap_or(0)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection to an edge.
#[allow(clippy::large_enum_variant, reason = "a test has a handful")]
pub enum Client {
    H1(h1::Connection),
    H2(h2::Connection),
}

impl Client {
    pub async fn connect(target: &Target, protocol: Protocol) -> Result<Self> {
        Ok(match protocol {
            Protocol::H1 => Self::H1(h1::Connection::open(target).await?),
            Protocol::H2 => Self::H2(h2::Connection::open(target).await?),
        })
    }

    /// Sends a request and reads its answer to the end.
    pub async fn send(&mut self, request: Request) -> Result<Response> {
        let whole = matches!(request.body, BodyPlan::None | BodyPlan::Whole(_));
        ensure!(whole, "a streamed body needs start()");
        self.start(request).await?.response().await
    }

    pub async fn get(&mut self, path: &str) -> Result<Response> {
        self.send(Request::get(path)).await
    }

    /// Sends the head (and a whole body), leaving the rest to the test.
    pub async fn start(&mut self, request: Request) -> Result<Exchange<'_>> {
        Ok(match self {
            Self::H1(connection) => Exchange::H1(connection.start(request).await?),
            Self::H2(connection) => Exchange::H2(connection.start(request).await?),
        })
    }

    /// Opens a WebSocket: `Upgrade` on h1, extended CONNECT on h2. The exchange then carries raw bytes.
    pub async fn websocket(&mut self, request: Request) -> Result<Exchange<'_>> {
        Ok(match self {
            Self::H1(connection) => Exchange::H1(connection.websocket(request).await?),
            Self::H2(connection) => Exchange::H2(connection.websocket(request).await?),
        })
    }

    /// Whether the edge has closed the connection; waits for it, as long as a test may wait.
    pub async fn closed(&mut self) -> Result<()> {
        match self {
            Self::H1(connection) => connection.closed().await,
            Self::H2(connection) => connection.closed().await,
        }
    }

    pub fn protocol(&self) -> Protocol {
        match self {
            Self::H1(_) => Protocol::H1,
            Self::H2(_) => Protocol::H2,
        }
    }
}

/// One request under way.
pub enum Exchange<'a> {
    H1(h1::Exchange<'a>),
    H2(h2::Exchange),
}

impl Exchange<'_> {
    /// A piece of the body.
    pub async fn send(&mut self, bytes: impl Into<Bytes>) -> Result<()> {
        match self {
            Self::H1(exchange) => exchange.send(&bytes.into()).await,
            Self::H2(exchange) => exchange.send(bytes.into()).await,
        }
    }

    /// The body's end, with trailers or without.
    pub async fn finish(&mut self, trailers: &[(&str, &str)]) -> Result<()> {
        match self {
            Self::H1(exchange) => exchange.finish(trailers).await,
            Self::H2(exchange) => exchange.finish(trailers).await,
        }
    }

    /// The final head, body still to come. Interim answers before it are in [`Response::interim`].
    pub async fn head(&mut self) -> Result<Response> {
        match self {
            Self::H1(exchange) => exchange.head().await,
            Self::H2(exchange) => exchange.head().await,
        }
    }

    /// The next interim answer, before the final head was asked for.
    pub async fn interim(&mut self) -> Result<(u16, Fields)> {
        match self {
            Self::H1(exchange) => exchange.interim().await,
            Self::H2(exchange) => exchange.interim().await,
        }
    }

    /// The next piece of the answer's body; none at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::H1(exchange) => exchange.chunk().await,
            Self::H2(exchange) => exchange.chunk().await,
        }
    }

    /// Trailers, once [`Self::chunk`] has given none.
    pub async fn trailers(&mut self) -> Result<Fields> {
        match self {
            Self::H1(exchange) => Ok(exchange.trailers()),
            Self::H2(exchange) => exchange.trailers().await,
        }
    }

    /// The rest of the body, once the head was read.
    pub async fn response_body(mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Everything that is still to come.
    pub async fn response(mut self) -> Result<Response> {
        let mut response = self.head().await?;
        while let Some(chunk) = self.chunk().await? {
            response.body.extend_from_slice(&chunk);
        }
        response.trailers = self.trailers().await?;
        Ok(response)
    }
}
