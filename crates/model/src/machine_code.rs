//! The code by which a person names a machine that asks to be let in: `ABCD-EFGH`.
//!
//! Eight of thirty characters that are not mistaken for one another, read aloud or written down: 30^8 codes. Small
//! letters, blanks and a missing or misplaced hyphen do not matter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const ALPHABET: &[u8; 30] = b"ABCDEFGHJKMNPQRSTVWXYZ23456789";
const LENGTH: usize = 8;
/// A byte from here on would make some characters more likely than others.
const FAIR: u8 = 240;

/// A machine's code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MachineCode([u8; LENGTH]);

/// Why a text is no such code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has eight letters or digits, such as ABCD-EFGH")]
pub struct InvalidCode;

impl MachineCode {
    /// A code of random bytes, each character as likely as any other.
    pub fn draw(mut byte: impl FnMut() -> u8) -> Self {
        let mut code = [0; LENGTH];
        for place in &mut code {
            *place = loop {
                let drawn = byte();
                if let Some(character) = ALPHABET.get(usize::from(drawn) % ALPHABET.len()).filter(|_| drawn < FAIR) {
                    break *character;
                }
            };
        }
        Self(code)
    }
}

impl FromStr for MachineCode {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        let mut code = [0; LENGTH];
        let mut said = text.bytes().filter(|byte| !matches!(byte, b'-' | b' ')).map(|byte| byte.to_ascii_uppercase());
        for place in &mut code {
            *place = said.next().filter(|byte| ALPHABET.contains(byte)).ok_or(InvalidCode)?;
        }
        if said.next().is_none() { Ok(Self(code)) } else { Err(InvalidCode) }
    }
}

impl fmt::Display for MachineCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let hyphen = if at == LENGTH / 2 { "-" } else { "" };
            write!(f, "{hyphen}{}", char::from(*byte))?;
        }
        Ok(())
    }
}

impl fmt::Debug for MachineCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineCode({self})")
    }
}

impl Serialize for MachineCode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MachineCode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_person_types_is_the_code_that_was_shown() {
        let code: MachineCode = "ABCD-EF29".parse().unwrap();
        assert_eq!(code.to_string(), "ABCD-EF29");
        for text in ["abcdef29", "ABCD EF29", " abcd-ef29 ", "ab-cd-ef-29"] {
            assert_eq!(text.parse(), Ok(code), "{text}");
        }
        for text in ["", "ABCD-EF2", "ABCD-EF299", "ABCD-EFO0", "ABCD-EFIL", "ABCD_EF29", "ÄBCD-EF29"] {
            assert_eq!(text.parse::<MachineCode>(), Err(InvalidCode), "{text}");
        }
    }

    #[test]
    fn every_character_is_as_likely_as_any_other() {
        let mut counts = std::collections::BTreeMap::new();
        for byte in 0..=u8::MAX {
            // A byte that is not fair is drawn again: here by one that is.
            let mut bytes = [byte].into_iter().chain(std::iter::repeat(0));
            let first = MachineCode::draw(|| bytes.next().unwrap()).0[0];
            if byte < FAIR {
                *counts.entry(first).or_insert(0) += 1;
            }
        }
        assert_eq!(counts.len(), 30);
        assert!(counts.values().all(|count| *count == 8), "{counts:?}");
    }
}
