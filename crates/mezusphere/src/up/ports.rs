//! Which addresses the edge listens on.
//!
//! Without a wish it is 443 and 80 where this process may have them, else 8443 and 8080. An address that somebody
//! else listens on is found here, with a sentence that helps: the edge's own listeners share their port
//! (`SO_REUSEPORT`) and would not notice.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use super::UpError;

/// A chosen address, and why it is not the standard port, where it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub address: SocketAddr,
    pub note: Option<String>,
}

/// The address for HTTPS.
///
/// # Errors
/// When the wished address, or each of the defaults, cannot be had.
pub(super) fn https(wish: Option<SocketAddr>) -> Result<Choice, UpError> {
    choose(wish, 443, 8443, "https")
}

/// The address for the redirect from plain HTTP.
///
/// # Errors
/// When the wished address, or each of the defaults, cannot be had.
pub(super) fn http(wish: Option<SocketAddr>) -> Result<Choice, UpError> {
    choose(wish, 80, 8080, "http")
}

fn choose(wish: Option<SocketAddr>, standard: u16, other: u16, flag: &'static str) -> Result<Choice, UpError> {
    let fault = |address| move |source| UpError::Listen { address, flag, source };
    if let Some(address) = wish {
        probe(address).map_err(fault(address))?;
        return Ok(Choice { address, note: None });
    }
    let any = any_address();
    let refused = match probe(SocketAddr::new(any, standard)) {
        Ok(()) => return Ok(Choice { address: SocketAddr::new(any, standard), note: None }),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => "needs root or CAP_NET_BIND_SERVICE",
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => "is used by another program",
        Err(_) => "cannot be used",
    };
    let address = SocketAddr::new(any, other);
    probe(address).map_err(fault(address))?;
    Ok(Choice { address, note: Some(format!("port {standard} {refused}; using {other}")) })
}

/// Whether the address can be listened on now, alone.
fn probe(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 { Ok(()) } else { TcpListener::bind(address).map(drop) }
}

/// All addresses, of both families where the machine has IPv6.
fn any_address() -> IpAddr {
    let six = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
    if TcpListener::bind(six).is_ok() { six.ip() } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_taken_wish_is_refused_and_a_taken_default_moves_on() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert!(matches!(https(Some(address)), Err(UpError::Listen { .. })));

        let any = TcpListener::bind(SocketAddr::new(any_address(), 0)).unwrap();
        let standard = any.local_addr().unwrap().port();
        let free = {
            let probe = TcpListener::bind(SocketAddr::new(any_address(), 0)).unwrap();
            probe.local_addr().unwrap().port()
        };
        let choice = choose(None, standard, free, "https").unwrap();
        assert_eq!(choice.address.port(), free);
        assert!(choice.note.unwrap().contains("another program"));
    }
}
