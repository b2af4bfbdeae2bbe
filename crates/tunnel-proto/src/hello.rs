//! The first exchange on a carrier (docs/protocol.md §4): who is there, which version, which workloads.
//!
//! HELLO, WELCOME and REFUSED are rare, so they are JSON: easy to read in a trace and to extend. Unknown members are
//! ignored. Nothing here verifies a signature: that needs the TLS exporter and belongs to the driver.

use std::collections::{BTreeMap, HashSet};

use bytes::{Buf, BytesMut};
use mezu_model::{GateId, GateLabel, Label, WorkloadId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ask::{Ask, Told};
use crate::error::Violation;
use crate::frames::{HEADER_LEN, Header, Kind, MAX_PAYLOAD, header};

/// ALPN protocol name of a tunnel carrier.
pub const ALPN: &[u8] = b"mezu-tunnel/1";
/// Label of the TLS exporter (RFC 8446 §7.5); no context, 32 bytes.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-mezusphere-tunnel-1";
/// The highest protocol version that this crate speaks; it speaks all below.
pub const VERSION: u16 = 2;
/// The version from which on gates may wear labels. An edge that does not know of them would send such a gate what is
/// meant for the others.
pub const VERSION_OF_LABELS: u16 = 2;
/// The version from which on a REQUEST may say NARROW: before, a gate takes that for a violation.
pub const VERSION_OF_NARROW: u16 = 2;
/// Workloads that one gate may register.
pub const MAX_WORKLOADS: usize = 64;
/// Labels of one workload, and bytes of a label's key or value.
pub const MAX_LABELS: usize = 16;
/// Bytes of any one text.
pub const MAX_TEXT: usize = 256;

const DOMAIN: &[u8] = b"mezusphere tunnel hello v1\0";

/// Gate → edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol versions that the gate speaks.
    pub versions: Vec<u16>,
    /// Ed25519 public key of the service account.
    #[serde(with = "hex_array")]
    pub public_key: [u8; 32],
    /// Ed25519 signature of [`signed_bytes`].
    #[serde(with = "hex_array")]
    pub signature: [u8; 64],
    /// The TLS server name that the gate dialled, lowercase.
    pub edge_name: String,
    /// Chosen anew by each Warpgate process and the same on all its carriers.
    pub gate_id: GateId,
    /// Requests name a workload by its position here.
    pub workloads: Vec<HelloWorkload>,
    /// Program and version, for people.
    #[serde(default)]
    pub agent: String,
}

/// A workload that a gate offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloWorkload {
    pub name: Label,
    /// What sets this gate apart from the workload's others: it takes only what is sent to this label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<GateLabel>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The versions that a gate with these workloads can make do with.
pub fn versions(workloads: &[HelloWorkload]) -> Vec<u16> {
    let least = if workloads.iter().any(|one| one.label.is_some()) { VERSION_OF_LABELS } else { 1 };
    (least..=VERSION).collect()
}

/// Edge → gate: the carrier is in use from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// One of the gate's versions.
    pub version: u16,
    /// Which worker of the edge holds this carrier, and how many there are: a gate dials until it holds one carrier
    /// to every worker, or has reached its own cap.
    pub worker: u32,
    pub workers: u32,
    pub gate_id: GateId,
    /// Failure domain of the edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// In the order of the HELLO.
    pub workloads: Vec<WelcomeWorkload>,
    #[serde(default)]
    pub limits: Agreed,
}

/// A workload that is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WelcomeWorkload {
    pub name: Label,
    /// Public URL.
    pub url: String,
    pub workload_id: WorkloadId,
}

/// Limits that both sides keep on this carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agreed {
    /// Streams that are open at once, resting ones included.
    pub max_streams: u32,
    /// Bytes of an encoded head; at most 65 000.
    pub max_head: u32,
    /// Fields of a head.
    pub max_fields: u32,
}

impl Default for Agreed {
    fn default() -> Self {
        Self { max_streams: 5000, max_head: 65_000, max_fields: 200 }
    }
}

/// Either side: this carrier ends, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub code: RefusedCode,
    /// One sentence for people, with what to do.
    #[serde(default)]
    pub message: String,
    /// Not to dial again before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// Why a carrier is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedCode {
    /// HELLO cannot be read.
    BadHello,
    /// No version in common.
    Version,
    /// The signature does not fit key, exporter and name.
    Signature,
    /// No such key.
    UnknownKey,
    /// The key was revoked: dialling again is of no use.
    Revoked,
    /// `edge_name` is no name of this edge.
    EdgeName,
    /// A workload's name may not be registered by this key.
    NotAllowed,
    /// The key has as many carriers as it may.
    TooMany,
    /// No room now.
    Overloaded,
    /// The edge is going away.
    Draining,
    /// Whoever was asked to let the machine in has refused.
    Denied,
    /// Nobody has let the machine in in time.
    Expired,
    /// The peer broke the protocol.
    Violation,
    /// A fault of the sender, and every code of later versions.
    #[serde(other)]
    Internal,
}

impl RefusedCode {
    /// Whether every edge will say so for ever. Others that are not [temporary](Self::is_temporary) may be the word of
    /// one edge that knows less than the rest.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Revoked)
    }

    /// Whether dialling the same address again with the same key and settings may succeed.
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::TooMany | Self::Overloaded | Self::Draining | Self::Internal | Self::Violation)
    }
}

/// A frame of the first exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelloFrame {
    Hello(Hello),
    Welcome(Welcome),
    Refused(Refused),
    Ask(Ask),
    Told(Told),
}

/// What the gate signs: bound to this purpose, this TLS connection and the edge's name, so nothing that crosses the
/// wire can be replayed anywhere.
pub fn signed_bytes(exporter: &[u8; 32], edge_name: &str) -> Vec<u8> {
    [DOMAIN, exporter, edge_name.as_bytes()].concat()
}

/// Encodes a frame of the first exchange. `None` when it would be too long or could not be decoded by the peer.
pub fn encode(frame: &HelloFrame) -> Option<Vec<u8>> {
    let (kind, json) = match frame {
        HelloFrame::Hello(hello) => (Kind::Hello, hello.is_sound().then(|| serde_json::to_vec(hello).ok())?),
        HelloFrame::Welcome(welcome) => (Kind::Welcome, serde_json::to_vec(welcome).ok()),
        HelloFrame::Refused(refused) => (Kind::Refused, serde_json::to_vec(refused).ok()),
        HelloFrame::Ask(ask) => (Kind::Ask, ask.is_sound().then(|| serde_json::to_vec(ask).ok())?),
        HelloFrame::Told(told) => (Kind::Told, told.is_sound().then(|| serde_json::to_vec(told).ok())?),
    };
    let json = json.filter(|json| json.len() <= MAX_PAYLOAD)?;
    let mut out = header(kind, false, 0, json.len()).to_vec();
    out.extend_from_slice(&json);
    Some(out)
}

/// Takes one frame of the first exchange off the front of `input`; `Ok(None)` while it is incomplete. What follows it
/// belongs to the [`crate::Connection`] and stays in `input`.
///
/// # Errors
/// Anything but a sound HELLO, WELCOME, REFUSED, ASK or TOLD.
pub fn decode(input: &mut BytesMut) -> Result<Option<HelloFrame>, Violation> {
    let Some(head) = Header::parse(input)? else { return Ok(None) };
    let byte = input.get(3).copied().unwrap_or_default();
    let Some(kind @ (Kind::Hello | Kind::Welcome | Kind::Refused | Kind::Ask | Kind::Told)) = head.kind else {
        return Err(Violation::WrongRole(byte));
    };
    let Some(json) = input.get(HEADER_LEN..HEADER_LEN + head.len) else { return Ok(None) };
    let frame = match kind {
        Kind::Hello => parse(json).filter(Hello::is_sound).map(HelloFrame::Hello),
        Kind::Welcome => parse(json).filter(Welcome::is_sound).map(HelloFrame::Welcome),
        Kind::Ask => parse(json).filter(Ask::is_sound).map(HelloFrame::Ask),
        Kind::Told => parse(json).filter(Told::is_sound).map(HelloFrame::Told),
        _ => parse(json).map(|refused: Refused| HelloFrame::Refused(refused.tamed())),
    };
    input.advance(HEADER_LEN + head.len);
    frame.map(Some).ok_or(Violation::BadPayload(byte))
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_slice(json).ok()
}

impl Hello {
    fn is_sound(&self) -> bool {
        let mut names = HashSet::new();
        let labelled = self.workloads.iter().any(|workload| workload.label.is_some());
        (1..=16).contains(&self.versions.len())
            && !(labelled && self.versions.iter().any(|version| *version < VERSION_OF_LABELS))
            && self.edge_name.len() <= MAX_TEXT
            && is_plain(&self.agent)
            && (1..=MAX_WORKLOADS).contains(&self.workloads.len())
            && self.workloads.iter().all(|w| w.is_sound() && names.insert(w.name.as_str()))
    }

    /// The highest version that both sides speak.
    pub fn version(&self) -> Option<u16> {
        self.versions.iter().copied().filter(|version| (1..=VERSION).contains(version)).max()
    }
}

impl HelloWorkload {
    fn is_sound(&self) -> bool {
        self.labels.len() <= MAX_LABELS
            && self.labels.iter().all(|(key, value)| !key.is_empty() && is_plain(key) && is_plain(value))
    }
}

impl Welcome {
    fn is_sound(&self) -> bool {
        (1..=VERSION).contains(&self.version)
            && self.worker < self.workers
            && self.workloads.len() <= MAX_WORKLOADS
            && self.domain.as_deref().is_none_or(is_plain)
            && self.workloads.iter().all(|w| is_plain(&w.url))
            && self.limits.max_streams > 0
    }
}

impl Refused {
    pub fn new(code: RefusedCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }

    /// Fit to be printed on a terminal: the peer may be hostile.
    pub(crate) fn tamed(mut self) -> Self {
        self.message.retain(|c| !c.is_control());
        if let Some((end, _)) = self.message.char_indices().nth(MAX_TEXT) {
            self.message.truncate(end);
        }
        self
    }
}

/// Short and without control characters, so that it may be printed.
pub(crate) fn is_plain(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}

/// Byte arrays as lowercase hex.
pub(crate) mod hex_array {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
        let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
        let text: String = bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect();
        to.serialize_str(&text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        parse(text.as_bytes()).ok_or_else(|| Error::custom("expected hex digits of the right number"))
    }

    fn parse<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        if text.len() != 2 * N {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let [high, low] = *pair.first_chunk::<2>()?;
            let digit = |c: u8| char::from(c).to_digit(16).and_then(|n| u8::try_from(n).ok());
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests;
