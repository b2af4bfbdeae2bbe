//! Where requests go: to the gates of a workload that wear no label, or to those that wear a certain one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Hostname, InvalidName, Label, WorkloadId};

/// What stands between a label and the first part of the hostname that it is put in front of.
const BETWEEN: &str = "--";
/// Names that are the product's own, or that people take for a site itself, or that DNS gives a meaning (RFC 5890).
const RESERVED: &[&str] = &["mezu", "mezusphere", "www", "xn"];

/// What gates of a workload wear that stand apart from the others: a preview, a canary. A DNS label without two hyphens
/// in a row, cheap to copy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GateLabel(Arc<str>);

/// Why a text is not a label for gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGateLabel {
    #[error("a label is 1 to 63 letters, digits and hyphens, with no hyphen at either end")]
    Name(#[from] InvalidName),
    #[error("a label has no two hyphens in a row: these stand between it and the name that it is put in front of")]
    Hyphens,
    #[error("this label is kept back; choose another one")]
    Reserved,
}

/// Some gates of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aim {
    pub workload: WorkloadId,
    /// The label that they wear. Without: those that wear none.
    pub label: Option<GateLabel>,
}

impl GateLabel {
    /// The label's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hostname under which gates with this label are reached alone: `label--shop.example` for `shop.example`. One
    /// name beside the other, because a wildcard certificate stands for one level of names.
    ///
    /// # Errors
    /// [`InvalidName::TooLong`] when label and first part together have more than 61 bytes.
    pub fn host(&self, parent: &Hostname) -> Result<Hostname, InvalidName> {
        format!("{self}{BETWEEN}{parent}").parse()
    }

    /// The label and the parent that a hostname may have been made from.
    #[must_use]
    pub fn split(host: &str) -> Option<(&str, &str)> {
        host.split_once(BETWEEN)
            .filter(|(label, parent)| !label.contains('.') && !label.is_empty() && !parent.is_empty())
    }
}

impl FromStr for GateLabel {
    type Err = InvalidGateLabel;

    fn from_str(text: &str) -> Result<Self, InvalidGateLabel> {
        let label: Label = text.parse()?;
        let text = label.as_str();
        if text.contains(BETWEEN) {
            return Err(InvalidGateLabel::Hyphens);
        }
        if RESERVED.contains(&text) {
            return Err(InvalidGateLabel::Reserved);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for GateLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GateLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for GateLabel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for GateLabel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl From<WorkloadId> for Aim {
    /// Its gates without a label.
    fn from(workload: WorkloadId) -> Self {
        Self { workload, label: None }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            None => write!(f, "workload {}", self.workload),
            Some(label) => write!(f, "workload {}, gates labelled {label}", self.workload),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn labels_are_names_that_stand_in_front_of_others() {
        assert_eq!("PR-123".parse::<GateLabel>().unwrap().as_str(), "pr-123");
        for (text, error) in [
            ("", InvalidGateLabel::Name(InvalidName::Empty)),
            ("-a", InvalidGateLabel::Name(InvalidName::BadCharacter)),
            ("a.b", InvalidGateLabel::Name(InvalidName::BadCharacter)),
            ("a--b", InvalidGateLabel::Hyphens),
            ("xn", InvalidGateLabel::Reserved),
            ("WWW", InvalidGateLabel::Reserved),
        ] {
            assert_eq!(text.parse::<GateLabel>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_host_is_made_of_label_and_parent_and_tells_them_again() {
        let label: GateLabel = "pr-1".parse().unwrap();
        let host = label.host(&"shop.example".parse().unwrap()).unwrap();
        assert_eq!(host.as_str(), "pr-1--shop.example");
        let long: Hostname = format!("{}.example", "a".repeat(58)).parse().unwrap();
        assert_eq!(label.host(&long), Err(InvalidName::TooLong));
        for (host, parts) in [
            ("pr-1--shop.example", Some(("pr-1", "shop.example"))),
            ("a--b--c.example", Some(("a", "b--c.example"))),
            ("shop.a--b.example", None),
            ("shop.example", None),
            ("--shop.example", None),
            ("shop--", None),
            ("", None),
        ] {
            assert_eq!(GateLabel::split(host), parts, "{host}");
        }
    }
}
