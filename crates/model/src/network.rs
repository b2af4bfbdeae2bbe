//! Networks: addresses that share their first bits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Such as `192.0.2.0/24`, `2001:db8::/32`, or one address. The two families never match each other, except that an
/// IPv4-mapped IPv6 address counts as the IPv4 address that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(Form);

/// The mask has a bit for each fixed one, so that asking costs one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    V4 { first: u32, mask: u32 },
    V6 { first: u128, mask: u128 },
}

/// Why a text is no network, for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidNetwork(String);

impl Network {
    /// Whether the address is one of the network's.
    #[must_use]
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.0, address.to_canonical()) {
            (Form::V4 { first, mask }, IpAddr::V4(address)) => address.to_bits() & mask == first,
            (Form::V6 { first, mask }, IpAddr::V6(address)) => address.to_bits() & mask == first,
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            let shape = "not a network: write an address, or one with the count of its fixed bits: 192.0.2.0/24";
            return Err(InvalidNetwork(shape.to_owned()));
        };
        let network = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - bits(length, 32)?).unwrap_or(0);
                Self(Form::V4 { first: address.to_bits() & mask, mask })
            }
            IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
                let advice = "write IPv4 networks as such: 192.0.2.0/24, not ::ffff:192.0.2.0/120";
                return Err(InvalidNetwork(advice.to_owned()));
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - bits(length, 128)?).unwrap_or(0);
                Self(Form::V6 { first: address.to_bits() & mask, mask })
            }
        };
        // A network that says more than its fixed bits is probably not the one that was meant.
        let (first, bits) = network.parts();
        if first != address {
            let advice =
                format!("{address} has bits beyond the first {bits}: write {first}/{bits}, or {address} alone");
            return Err(InvalidNetwork(advice));
        }
        Ok(network)
    }
}

impl Network {
    /// The first address and the count of fixed bits.
    fn parts(self) -> (IpAddr, u32) {
        match self.0 {
            Form::V4 { first, mask } => (Ipv4Addr::from_bits(first).into(), mask.leading_ones()),
            Form::V6 { first, mask } => (Ipv6Addr::from_bits(first).into(), mask.leading_ones()),
        }
    }
}

fn bits(length: Option<&str>, most: u32) -> Result<u32, InvalidNetwork> {
    let Some(length) = length else { return Ok(most) };
    // Not "+8", not "08": one spelling per network.
    let plain = length == "0" || !length.starts_with(['0', '+']);
    let bits = length.parse().ok().filter(|bits| plain && *bits <= most);
    bits.ok_or_else(|| InvalidNetwork(format!("the count of fixed bits is a number from 0 to {most}")))
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, bits) = self.parts();
        write!(f, "{first}/{bits}")
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let table = [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::/0", "::1", true),
            ("::/0", "192.0.2.1", false),
        ];
        for (network, address, holds) in table {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), holds, "{network} {address}");
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let bad = [
            "",
            "a/8",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "::1/64",
            "1.2.3.4/-1",
            "1.2.3.4/8/8",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "::ffff:192.0.2.0/120",
        ];
        for text in bad {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
