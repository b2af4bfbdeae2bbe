//! Why an instance did not start. Each message says what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use mezu_store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum UpError {
    #[error("cannot use {path}: {source}; choose another directory with --data", path = path.display())]
    DataDir { path: PathBuf, source: io::Error },
    #[error("another mezusphere (process {pid}) already uses {path}; stop it, or choose another directory with --data",
        path = path.display())]
    InUse { path: PathBuf, pid: String },
    #[error("cannot listen on {address}: {source}; choose another address with --{flag}")]
    Listen { address: SocketAddr, flag: &'static str, source: io::Error },
    #[error(
        "the admin listener at {0} could be reached from other machines; give it a loopback address with --admin, \
             or pass --admin-public if that is what you want"
    )]
    AdminPublic(SocketAddr),
    #[error("cannot make the socket {path}: {source}", path = path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error("{path}: {reason}", path = path.display())]
    Certificate { path: PathBuf, reason: String },
    #[error("cannot make a certificate: {0}")]
    Authority(#[source] rcgen::Error),
    #[error("{fault}{}", hint(fault))]
    Store {
        #[from]
        fault: StoreError,
    },
    #[error(transparent)]
    Backup(#[from] mezu_store::BackupError),
    #[error("there is no store at {path}; name the data directory with --data, or the store with --store", path = path.display())]
    NoStore { path: PathBuf },
    #[error(
        "there is a store at {path} already; restore into another directory, named with --data, or another store, \
         named with --store",
        path = path.display()
    )]
    StoreThere { path: PathBuf },
    #[error("the edge did not start: {0}")]
    Edge(String),
    #[error("this should not happen: {0}")]
    Internal(&'static str),
}

/// What to do about a store that does not open.
fn hint(error: &StoreError) -> &'static str {
    match error {
        StoreError::Open { .. } => "; see that it is there, and what --store and --data say",
        _ => "",
    }
}
