//! Networks: addresses that share their first bits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Such as `192.0.2.0/24`, `2001:db8::/32`, or one address. The two families never match each other, except that an
/// IPv4-mapped IPv6 address counts as the IPv4 address that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    first: IpAddr,
    /// Fixed bits: 0 to 32, or 0 to 128.
    length: u8,
}

/// Why a text is no network, for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidNetwork(String);

impl Network {
    /// Whether the address is one of the network's.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                address.to_bits() & mask == first.to_bits()
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                address.to_bits() & mask == first.to_bits()
            }
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
        let (first, bits) = match address {
            IpAddr::V4(address) => {
                let bits = bits(length, 32)?;
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                (IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask)), bits)
            }
            IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
                let advice = "write IPv4 networks as such: 192.0.2.0/24, not ::ffff:192.0.2.0/120";
                return Err(InvalidNetwork(advice.to_owned()));
            }
            IpAddr::V6(address) => {
                let bits = bits(length, 128)?;
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                (IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask)), bits)
            }
        };
        // A network that says more than its fixed bits is probably not the one that was meant.
        if first != address {
            let advice =
                format!("{address} has bits beyond the first {bits}: write {first}/{bits}, or {address} alone");
            return Err(InvalidNetwork(advice));
        }
        Ok(Self { first, length: bits })
    }
}

fn bits(length: Option<&str>, most: u8) -> Result<u8, InvalidNetwork> {
    let Some(length) = length else { return Ok(most) };
    // Not "+8", not "08": one spelling per network.
    let plain = length == "0" || !length.starts_with(['0', '+']);
    let bits = length.parse().ok().filter(|bits| plain && *bits <= most);
    bits.ok_or_else(|| InvalidNetwork(format!("the count of fixed bits is a number from 0 to {most}")))
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
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
