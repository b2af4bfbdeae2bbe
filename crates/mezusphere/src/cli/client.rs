//! Asks a running instance over its local socket.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use mezu_api::{Page, paths};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use mezu_model::Label;

use super::args::ClientArgs;
use super::out::Failure;
use crate::api;

const PATIENCE: Duration = Duration::from_secs(30);
/// Why a change is not served yet.
const LATE: &str = "mezu-late";
const ANSWER: usize = 256 * 1024 * 1024;

/// Runs a command's future on a small runtime.
///
/// # Errors
/// The command's.
pub(super) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// The instance of a data directory.
#[derive(Debug)]
pub(super) struct Client {
    socket: PathBuf,
    org: Option<Label>,
}

impl Client {
    pub(super) fn new(args: &ClientArgs) -> Self {
        Self { socket: args.data.directory().join(api::SOCKET), org: args.org.clone() }
    }

    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, None::<&()>).await
    }

    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::PUT, path, Some(body)).await
    }

    /// Asks for something to be done that needs no further words.
    ///
    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn order<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::POST, path, None::<&()>).await
    }

    /// All of a list, part by part. `path` may have a query.
    ///
    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let mut all = Vec::new();
        let mut part = format!("{path}{sign}limit=200");
        loop {
            let page: Page<T> = self.get(&part).await?;
            all.extend(page.items);
            match page.next {
                Some(next) => part = format!("{path}{sign}limit=200&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// The path of what the org owns: of the one that was named, or of the only one there is.
    ///
    /// # Errors
    /// What the instance refuses, that it was not reached, or that an org must be named.
    pub(super) async fn org(&self, below: &str) -> Result<String, Failure> {
        let name = match &self.org {
            Some(name) => name.to_string(),
            None => {
                let orgs: Vec<mezu_api::org::Org> = self.all(&format!("{}/orgs", paths::BASE)).await?;
                let names: Vec<String> = orgs.iter().map(|org| org.name.to_string()).collect();
                match names.as_slice() {
                    [only] => only.clone(),
                    [] => return Err(Failure::Refused("there is no org yet; see `mezusphere org create`".into())),
                    several => {
                        let detail = format!("there are several orgs; say --org with one of {}", several.join(", "));
                        return Err(Failure::Refused(detail));
                    }
                }
            }
        };
        Ok(format!("{}/orgs/{name}{below}", paths::BASE))
    }

    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.ask(Method::DELETE, path, None::<&()>).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let body = body.map(serde_json::to_vec).transpose().map_err(std::io::Error::other)?.unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "mezusphere")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(std::io::Error::other)?;
        let (status, headers, answer) = tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .map_err(|_| Failure::NotReached(format!("the instance did not answer in {} s", PATIENCE.as_secs())))??;
        if status.is_success() {
            if let Some(late) = headers.get(LATE).and_then(|late| late.to_str().ok()) {
                super::out::note(format_args!("warning: it is stored and not served yet: {late}"));
            }
            let told = serde_json::from_slice(if answer.is_empty() { b"null" } else { &answer });
            return told.map_err(|_| Failure::Refused("the instance is of another version: stop and start it".into()));
        }
        let problem: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let text = |field: &str| problem.get(field).and_then(Value::as_str);
        Err(Failure::Refused(match (text("detail"), text("pointer").filter(|pointer| !pointer.is_empty())) {
            (Some(detail), Some(pointer)) => format!("{pointer}: {detail}"),
            (Some(detail), None) => detail.to_string(),
            (None, _) => format!("the instance answered {status}"),
        }))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, HeaderMap, Bytes), Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.not_reached(&error))?;
        let lost = |error: &dyn std::fmt::Display| Failure::NotReached(format!("the instance went away: {error}"));
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| lost(&error))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = Limited::new(answer.into_body(), ANSWER).collect().await.map_err(|error| lost(&error))?;
            Ok((status, headers, body.to_bytes()))
        };
        tokio::pin!(answer);
        // The connection makes no progress by itself; it is driven beside the question.
        tokio::select! {
            answer = &mut answer => answer,
            _ = connection => answer.await,
        }
    }

    fn not_reached(&self, error: &std::io::Error) -> Failure {
        use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
        let directory = self.socket.parent().unwrap_or(&self.socket).display();
        Failure::NotReached(match error.kind() {
            NotFound | ConnectionRefused => format!(
                "no instance runs with the data directory {directory}\n       start one with `mezusphere up`, or name \
                 its directory with --data"
            ),
            PermissionDenied => format!("{directory} belongs to another user; run this command as that user"),
            _ => format!("cannot reach the instance at {}: {error}", self.socket.display()),
        })
    }
}
