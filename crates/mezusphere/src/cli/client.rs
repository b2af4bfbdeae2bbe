//! Asks a running instance over its local socket.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::args::ClientArgs;
use super::out::Failure;
use crate::api;

const PATIENCE: Duration = Duration::from_secs(30);
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
}

impl Client {
    pub(super) fn new(args: &ClientArgs) -> Self {
        Self { socket: args.data.directory().join(api::SOCKET) }
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
        let (status, answer) = tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .map_err(|_| Failure::NotReached(format!("the instance did not answer in {} s", PATIENCE.as_secs())))??;
        if status.is_success() {
            let told = serde_json::from_slice(&answer);
            return told.map_err(|_| Failure::Refused("the instance is of another version: stop and start it".into()));
        }
        Err(Failure::Refused(match serde_json::from_slice::<api::Problem>(&answer) {
            Ok(problem) => problem.detail,
            Err(_) => format!("the instance answered {status}"),
        }))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.not_reached(&error))?;
        let lost = |error: &dyn std::fmt::Display| Failure::NotReached(format!("the instance went away: {error}"));
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| lost(&error))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER).collect().await.map_err(|error| lost(&error))?;
            Ok((status, body.to_bytes()))
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
