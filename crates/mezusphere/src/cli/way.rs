//! The way to an instance: the socket in its data directory, or its API at an address.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::api_url::ApiUrl;
use super::out::Failure;

/// An answer in all.
const PATIENCE: Duration = Duration::from_secs(40);
/// To reach a machine at all.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: usize = 256 * 1024 * 1024;

/// Where an instance is asked.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Socket(PathBuf),
    Remote { url: ApiUrl, ca: Option<PathBuf> },
}

/// A question.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(header::HeaderName, String)>,
    pub(super) body: Vec<u8>,
}

/// What came back.
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Way {
    /// Asks.
    ///
    /// # Errors
    /// That the instance was not reached, and why.
    pub(super) async fn ask(&self, asked: Asked) -> Result<Got, Failure> {
        let Asked { method, path, headers, body } = asked;
        let host = match self {
            Self::Socket(_) => "mezusphere",
            Self::Remote { url, .. } => url.authority(),
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
        request = request.header(header::USER_AGENT, concat!("mezusphere/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(std::io::Error::other)?;
        let late = |_| Failure::NotReached(format!("{self} did not answer in {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, self.exchange(request)).await.map_err(late)?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Got, Failure> {
        match self {
            Self::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| no_socket(path, &error))?;
                exchange(stream, request).await
            }
            Self::Remote { url, ca } => {
                let stream = connect(url).await?;
                if !url.is_tls {
                    return exchange(stream, request).await;
                }
                let tls = TlsConnector::from(trust(ca.as_deref())?);
                let name = ServerName::try_from(url.host.clone());
                let name = name.map_err(|_| Failure::NotReached(format!("{} is no host name", url.host)))?;
                let stream = tls.connect(name, stream).await.map_err(|error| no_tls(url, &error))?;
                exchange(stream, request).await
            }
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "the socket {}", path.display()),
            Self::Remote { url, .. } => url.fmt(f),
        }
    }
}

async fn connect(url: &ApiUrl) -> Result<TcpStream, Failure> {
    let no = |why: String| {
        let hint = "is it the right address, and may this machine reach it?";
        Failure::NotReached(format!("cannot connect to {url}: {why}\n       {hint}"))
    };
    let connecting = TcpStream::connect((url.host.as_str(), url.port));
    let connected = tokio::time::timeout(CONNECT, connecting).await;
    connected.map_err(|_| no(format!("no answer in {} s", CONNECT.as_secs())))?.map_err(|error| no(error.to_string()))
}

async fn exchange<I>(stream: I, request: Request<Full<Bytes>>) -> Result<Got, Failure>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let lost = |error: &dyn std::fmt::Display| Failure::NotReached(format!("the instance went away: {error}"));
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| lost(&error))?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = Limited::new(answer.into_body(), ANSWER).collect().await.map_err(|error| lost(&error))?;
        Ok(Got { status, headers, body: body.to_bytes() })
    };
    tokio::pin!(answer);
    // The connection makes no progress by itself; it is driven beside the question.
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

/// Trusts whom the system trusts, and those in a file.
fn trust(ca: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca {
        let odd = |why: String| Failure::Refused(format!("--ca {}: {why}", file.display()));
        let pem = std::fs::read(file).map_err(|error| odd(error.to_string()))?;
        let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let (added, _) = roots.add_parsable_certificates(certificates.map_err(|error| odd(error.to_string()))?);
        if added == 0 {
            return Err(odd("it holds no certificate in PEM form".into()));
        }
    }
    if roots.is_empty() {
        let detail = "this system knows no certificate authority; name a file of them with --ca";
        return Err(Failure::Refused(detail.into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Failure::Refused(format!("TLS cannot be set up: {error}")))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn no_tls(url: &ApiUrl, error: &std::io::Error) -> Failure {
    let hint = "a certificate of a private authority is trusted with --ca FILE";
    Failure::NotReached(format!("no secure connection to {url}: {error}\n       {hint}"))
}

fn no_socket(path: &Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    let directory = path.parent().unwrap_or(path).display();
    Failure::NotReached(match error.kind() {
        NotFound | ConnectionRefused => format!(
            "no instance runs with the data directory {directory}\n       start one with `mezusphere up`, name its \
             directory with --data, or sign in to one elsewhere with `mezusphere login`"
        ),
        PermissionDenied => format!("{directory} belongs to another user; run this command as that user"),
        _ => format!("cannot reach the instance at {}: {error}", path.display()),
    })
}
