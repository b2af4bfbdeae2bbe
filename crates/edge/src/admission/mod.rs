//! Who may connect at all: the gates before any work is done.
//!
//! In order: connections of the process, connections of one address, handshakes of one worker. Each is a bounded
//! count with one cheap refusal (the socket is closed; nothing is written, nothing is parsed). Every refusal is
//! counted by its reason.

mod addresses;
mod handshakes;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mezu_model::Limits;

use self::addresses::Addresses;
pub(crate) use self::handshakes::Handshakes;
use crate::metrics::Shed;

/// Why a connection was closed before its first byte was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the edge holds as many connections as it may")]
    Full,
    #[error("this address holds as many connections as it may")]
    AddressFull,
    #[error("this address connects too often")]
    AddressRate,
    #[error("too many handshakes are under way")]
    Handshakes,
}

impl From<Refused> for Shed {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Connections,
            Refused::AddressFull => Self::Address,
            Refused::AddressRate => Self::AddressRate,
            Refused::Handshakes => Self::Handshakes,
        }
    }
}

/// What counts as one client: an IPv4 address or an IPv6 /64, for any one of them can make up the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    V4([u8; 4]),
    V6(u64),
}

impl Client {
    #[inline]
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments().map(u64::from);
                Self::V6(a << 48 | b << 32 | c << 16 | d)
            }
        }
    }
}

/// The counts that all workers share.
pub(crate) struct Admission {
    open: AtomicUsize,
    most: usize,
    addresses: Addresses,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { open: AtomicUsize::new(0), most: limits.connections, addresses: Addresses::new(limits) }
    }

    /// Takes a place for a new connection. Dropping the permit gives it back.
    pub(crate) fn admit(self: &Arc<Self>, client: IpAddr) -> Result<Permit, Refused> {
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let permit = Global(Arc::clone(self));
        if open >= self.most {
            return Err(Refused::Full);
        }
        self.addresses.enter(client, self.most - open)?;
        Ok(Permit { client: Some(client), all: permit })
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether idle connections should be closed sooner: nine tenths of the places are taken.
    pub(crate) fn under_pressure(&self) -> bool {
        self.open() > self.most / 10 * 9
    }
}

/// One place among the connections of the process.
struct Global(Arc<Admission>);

impl Drop for Global {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right of one connection to exist.
pub(crate) struct Permit {
    /// Whose count it is in.
    client: Option<IpAddr>,
    all: Global,
}

impl Permit {
    /// The peer has shown a key and is bounded by that: it counts no longer against its address, behind which many may
    /// stand.
    pub(crate) fn vouch(&mut self) {
        if let Some(client) = self.client.take() {
            self.all.0.addresses.excuse(client);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(client) = self.client {
            self.all.0.addresses.leave(client);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn admission(connections: usize, per_address: usize) -> Arc<Admission> {
        Arc::new(Admission::new(&Limits { connections, connections_per_address: per_address, ..Limits::default() }))
    }

    #[test]
    fn places_are_given_back() {
        let all = admission(2, 10);
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        let first = all.admit(client).unwrap();
        let second = all.admit("192.0.2.2".parse().unwrap()).unwrap();
        assert_eq!(all.admit(client).err(), Some(Refused::Full));
        assert!(all.under_pressure());
        drop((first, second));
        assert_eq!(all.open(), 0);
        assert!(all.admit(client).is_ok());
    }

    #[test]
    fn who_is_vouched_for_counts_no_longer_against_its_address() {
        let limits =
            Limits { connections_per_address: 1, connect_burst: 2, connects_per_second: 1, ..Limits::default() };
        let all = Arc::new(Admission::new(&limits));
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        let mut held = Vec::new();
        for _ in 0..5 {
            let mut permit = all.admit(client).unwrap();
            permit.vouch();
            held.push(permit);
        }
        assert_eq!(all.open(), 5);
        let one = all.admit(client).unwrap();
        held.clear();
        assert_eq!(all.admit(client).err(), Some(Refused::AddressFull));
        drop(one);
        assert!(all.admit(client).is_ok());
    }

    #[test]
    fn a_refused_address_takes_no_place() {
        let all = admission(10, 1);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let held = all.admit(one).unwrap();
        assert_eq!(all.admit(one).err(), Some(Refused::AddressFull));
        assert_eq!(all.open(), 1);
        assert!(all.admit("192.0.2.2".parse().unwrap()).is_ok());
        drop(held);
        assert!(all.admit(one).is_ok());
    }
}
