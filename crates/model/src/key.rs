//! The text form of a service-account key: `mzs_gate_<43 base62>_<6 base62>`.
//!
//! The 43 digits are the 32-byte Ed25519 seed as a big-endian number; the last six are the CRC-32 of everything before
//! their underscore, so that a mistyped key is told apart from an unknown one and secret scanners have no false finds.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

const PREFIX: &str = "mzs_gate_";
const SEED_DIGITS: usize = 43;
const CRC_DIGITS: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a service-account key begins with '{PREFIX}'")]
    Prefix,
    #[error("the key has the wrong length: part of it may be missing")]
    Length,
    #[error("the key holds a character that no key has")]
    Digit,
    #[error("the key's check digits do not match: it was mistyped or cut")]
    Checksum,
}

/// The secret half of a key. Wiped from memory when dropped; never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

/// The half that the edge stores: an Ed25519 public key (RFC 8032).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl Seed {
    /// Wraps 32 random bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 secret bytes, for the signer.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the text form; white space around it is ignored.
    ///
    /// # Errors
    /// Says which part of the text is wrong; never repeats the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let rest = text.strip_prefix(PREFIX).ok_or(KeyError::Prefix)?;
        let (seed, crc) = rest.split_once('_').ok_or(KeyError::Length)?;
        if seed.len() != SEED_DIGITS || crc.len() != CRC_DIGITS {
            return Err(KeyError::Length);
        }
        let mut checked = [0; 4];
        decode(crc, &mut checked)?;
        let body = text.len() - CRC_DIGITS - 1;
        let expected = crc32fast::hash(text.as_bytes().get(..body).ok_or(KeyError::Length)?);
        let mut bytes = [0; 32];
        decode(seed, &mut bytes)?;
        if u32::from_be_bytes(checked) != expected {
            bytes.zeroize();
            return Err(KeyError::Checksum);
        }
        Ok(Self(bytes))
    }

    /// Writes the text form. The caller shows it once and forgets it.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(PREFIX.len() + SEED_DIGITS + 1 + CRC_DIGITS);
        text.push_str(PREFIX);
        encode(&self.0, SEED_DIGITS, &mut text);
        let crc = crc32fast::hash(text.as_bytes());
        text.push('_');
        encode(&crc.to_be_bytes(), CRC_DIGITS, &mut text);
        text
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(secret)")
    }
}

impl PublicKey {
    /// Reads 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Its first half, for people to compare: eight groups of four hex digits. To make another key with the same one
    /// takes 2^128 tries.
    pub fn fingerprint(&self) -> String {
        let (half, _) = self.0.split_at(16);
        let groups = half.chunks(2).map(|group| group.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        groups.collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Base 62, big-endian, padded to `digits`.
fn encode(number: &[u8], digits: usize, out: &mut String) {
    let mut number = number.to_vec();
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = (rest << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(0);
            rest = value % 62;
        }
        *digit = DIGITS.get(rest as usize).copied().unwrap_or(b'0');
    }
    number.zeroize();
    out.extend(text.iter().map(|b| char::from(*b)));
    text.zeroize();
}

/// The reverse of [`encode`]; a number that does not fit is an error.
fn decode(text: &str, out: &mut [u8]) -> Result<(), KeyError> {
    out.fill(0);
    for byte in text.bytes() {
        let digit = DIGITS.iter().position(|d| *d == byte).ok_or(KeyError::Digit)?;
        let mut carry = u32::try_from(digit).unwrap_or(0);
        for place in out.iter_mut().rev() {
            let value = u32::from(*place) * 62 + carry;
            *place = u8::try_from(value & 0xff).unwrap_or(0);
            carry = value >> 8;
        }
        if carry != 0 {
            return Err(KeyError::Digit);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_form_round_trips() {
        for bytes in [[0; 32], [0xff; 32], std::array::from_fn(|i| u8::try_from(i * 7 % 256).unwrap())] {
            let text = Seed::from_bytes(bytes).to_text();
            assert_eq!(text.len(), PREFIX.len() + 43 + 1 + 6);
            assert_eq!(Seed::parse(&format!(" {text}\n")).unwrap().expose(), &bytes);
        }
    }

    #[test]
    fn damaged_keys_are_told_apart() {
        let text = Seed::from_bytes([7; 32]).to_text();
        let mut swapped = text.clone().into_bytes();
        swapped[20] = if swapped[20] == b'A' { b'B' } else { b'A' };
        for (bad, why) in [
            (String::from_utf8(swapped).unwrap(), KeyError::Checksum),
            (text[..text.len() - 1].to_string(), KeyError::Length),
            (text.replace("mzs_gate", "mzs_user"), KeyError::Prefix),
            (text.replace(&text[15..16], "!"), KeyError::Digit),
            (String::new(), KeyError::Prefix),
            (format!("{PREFIX}{}_000000", "z".repeat(43)), KeyError::Digit),
        ] {
            assert_eq!(Seed::parse(&bad).err(), Some(why), "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Seed::from_bytes([7; 32])), "Seed(secret)");
    }

    #[test]
    fn public_keys_round_trip() {
        let key = PublicKey([0xab; 32]);
        assert_eq!(PublicKey::from_hex(&key.to_string()), Some(key));
        assert_eq!(PublicKey::from_hex("zz"), None);
        let key = PublicKey(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        assert_eq!(key.fingerprint(), "0001 0203 0405 0607 0809 0a0b 0c0d 0e0f");
    }
}
