//! Mail addresses, as names of people. Whether one is real only a mail can tell, so only the form is checked here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Hostname;

/// A mail address in lower case: `local@domain`, at most 254 bytes of visible ASCII (RFC 5321 §4.5.3.1.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(Box<str>);

/// The text is no mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a mail address: expected the form name@example.com")]
pub struct InvalidEmail;

impl Email {
    /// The address's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    /// Two spellings that differ only in case are the same person here: an account must not be doubled by a capital.
    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let plain = |byte: u8| {
            byte.is_ascii_graphic()
                && !matches!(byte, b'@' | b'"' | b'<' | b'>' | b',' | b';' | b':' | b'\\' | b'(' | b')' | b'[' | b']')
        };
        let fits = text.len() <= 254 && (1..=64).contains(&local.len());
        if !fits || !local.bytes().all(plain) || domain.parse::<Hostname>().is_err() {
            return Err(InvalidEmail);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn case_does_not_make_another_person() {
        let email: Email = "Ada.L+ops@Example.COM".parse().unwrap();
        assert_eq!(email.as_str(), "ada.l+ops@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        for text in [
            "",
            "a",
            "@example.com",
            "a@",
            "a@b@c",
            "a b@example.com",
            "a\n@example.com",
            "ä@example.com",
            "a@-b",
            &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text}");
        }
    }
}
