//! DNS labels and hostnames (RFC 1123 §2.1, lowercased).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing there, or an empty label between two dots.
    #[error("a name needs at least one letter or digit in every label")]
    Empty,
    /// More than 63 bytes in a label or 253 in all.
    #[error("too long: a label holds at most 63 characters, a hostname 253")]
    TooLong,
    /// Something other than a letter, a digit or an inner hyphen.
    #[error("only a-z, 0-9 and '-' inside a label may be used")]
    BadCharacter,
}

/// One DNS label: `[a-z0-9-]`, 1 to 63 bytes, no hyphen at either end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

/// A lowercased DNS name without trailing dot, at most 253 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(Box<str>);

impl Label {
    /// The label's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Hostname {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `label.parent`.
    ///
    /// # Errors
    /// [`InvalidName::TooLong`] when the result has more than 253 bytes.
    pub fn join(label: &Label, parent: &Self) -> Result<Self, InvalidName> {
        format!("{}.{}", label.0, parent.0).parse()
    }

    /// Whether this name lies below `parent` (not the parent itself).
    pub fn is_under(&self, parent: &Self) -> bool {
        self.0.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

impl FromStr for Label {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let lower = text.to_ascii_lowercase();
        check_label(&lower)?;
        Ok(Self(lower.into()))
    }
}

impl FromStr for Hostname {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let lower = text.to_ascii_lowercase();
        if lower.len() > 253 {
            return Err(InvalidName::TooLong);
        }
        lower.split('.').try_for_each(check_label)?;
        Ok(Self(lower.into()))
    }
}

/// Checks one already lowercased label.
fn check_label(label: &str) -> Result<(), InvalidName> {
    if label.is_empty() {
        return Err(InvalidName::Empty);
    }
    if label.len() > 63 {
        return Err(InvalidName::TooLong);
    }
    let inner = label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if !inner || label.starts_with('-') || label.ends_with('-') {
        return Err(InvalidName::BadCharacter);
    }
    Ok(())
}

macro_rules! text_type {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;

            fn try_from(text: &str) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_type!(Label);
text_type!(Hostname);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_lowercased_and_checked() {
        assert_eq!("Shop.Example".parse::<Hostname>().unwrap().as_str(), "shop.example");
        let long = "a".repeat(64);
        for (text, error) in [
            ("", InvalidName::Empty),
            ("a..b", InvalidName::Empty),
            ("a.", InvalidName::Empty),
            ("-a", InvalidName::BadCharacter),
            ("a-.b", InvalidName::BadCharacter),
            ("a_b", InvalidName::BadCharacter),
            ("ü", InvalidName::BadCharacter),
            (long.as_str(), InvalidName::TooLong),
        ] {
            assert_eq!(text.parse::<Hostname>(), Err(error), "{text}");
        }
    }

    #[test]
    fn under_means_strictly_below() {
        let base: Hostname = "mezusphere.localhost".parse().unwrap();
        let shop = Hostname::join(&"shop".parse().unwrap(), &base).unwrap();
        assert!(shop.is_under(&base));
        assert!(!base.is_under(&base));
        assert!(!"xmezusphere.localhost".parse::<Hostname>().unwrap().is_under(&base));
    }
}
