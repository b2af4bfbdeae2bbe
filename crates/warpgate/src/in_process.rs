//! Workloads inside this process: a program can be on the internet without opening a port.

use std::fmt;

use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};

use crate::Target;

/// Connections that wait to be accepted before new ones are refused.
const BACKLOG: usize = 1024;
/// Bytes held per direction of such a connection.
const PIPE: usize = 64 * 1024;

/// The dialling end of an in-process workload.
#[derive(Clone)]
pub struct Connector(mpsc::Sender<DuplexStream>);

/// The accepting end: hand each connection to an HTTP/1.1 server, for example through `axum::serve::Listener`.
#[derive(Debug)]
pub struct Acceptor(mpsc::Receiver<DuplexStream>);

impl Target {
    /// A target in this process and the end at which its connections arrive.
    pub fn in_process() -> (Self, Acceptor) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Self::InProcess(Connector(sender)), Acceptor(receiver))
    }
}

impl Connector {
    /// A new connection to the server.
    pub(crate) fn connect(&self) -> std::io::Result<DuplexStream> {
        let (ours, theirs) = duplex(PIPE);
        match self.0.try_send(theirs) {
            Ok(()) => Ok(ours),
            Err(_) => Err(std::io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

impl Acceptor {
    /// The next connection; `None` once Warpgate is gone.
    pub async fn accept(&mut self) -> Option<DuplexStream> {
        self.0.recv().await
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}
