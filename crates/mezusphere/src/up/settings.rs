//! What an instance is started with.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mezu_edge::access_log::AccessLogTarget;
use mezu_model::{Hostname, Limits};
use mezu_store::StoreUrl;

use super::UpError;
use super::authority::Source;

/// The domain of a fresh install. Names under `localhost` lead to the machine itself (RFC 6761 §6.3).
pub const BASE_DOMAIN: &str = "mezusphere.localhost";
/// Where health and metrics are, by default.
pub const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9470);

/// Settings of one instance.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data: PathBuf,
    /// None: a file in the data directory.
    pub store: Option<StoreUrl>,
    /// None: 443 where allowed, else 8443.
    pub https: Option<SocketAddr>,
    /// The redirect from plain HTTP.
    pub http: HttpWish,
    pub admin: SocketAddr,
    /// Lets the admin listener be reached from other machines.
    pub admin_public: bool,
    pub base_domain: Hostname,
    /// None: one per core.
    pub workers: Option<NonZeroUsize>,
    pub drain_timeout: Duration,
    /// None: no access log.
    pub access_log: Option<AccessLogTarget>,
    /// The port that clients use, where a mapping in front changes it.
    pub public_port: Option<u16>,
    pub certificate: Source,
    pub limits: Limits,
}

/// Where plain HTTP is redirected from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HttpWish {
    /// 80 where allowed, else 8080.
    #[default]
    Default,
    Off,
    At(SocketAddr),
}

impl Settings {
    /// The defaults, for a data directory.
    ///
    /// # Errors
    /// Never in practice: the default domain is a valid name.
    pub fn new(data: &Path) -> Result<Self, UpError> {
        let limits = Limits::default();
        Ok(Self {
            data: data.to_path_buf(),
            store: None,
            https: None,
            http: HttpWish::Default,
            admin: ADMIN,
            admin_public: false,
            base_domain: BASE_DOMAIN.parse().map_err(|_| UpError::Internal("the default base domain"))?,
            workers: None,
            drain_timeout: limits.drain,
            access_log: None,
            public_port: None,
            certificate: Source::Private,
            limits,
        })
    }

    /// For a test: any free ports on loopback.
    ///
    /// # Errors
    /// As [`Settings::new`].
    pub fn on_free_ports(data: &Path) -> Result<Self, UpError> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Self { https: Some(any), http: HttpWish::At(any), admin: any, ..Self::new(data)? })
    }
}
