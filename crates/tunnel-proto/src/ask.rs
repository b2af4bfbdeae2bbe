//! A machine without a key asks to be let in, or gives its key up (docs/protocol.md §4.1). It happens instead of HELLO,
//! on a carrier that serves nothing else.

use mezu_model::{Label, MachineCode};
use serde::{Deserialize, Serialize};

use crate::hello::{MAX_TEXT, VERSION, hex_array, is_plain};

/// Bytes of what a machine says of itself, each.
pub const MAX_CLAIM: usize = 64;

const DOMAIN: &[u8] = b"mezusphere tunnel ask v1\0";

/// Gate → edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Protocol versions that the gate speaks.
    pub versions: Vec<u16>,
    pub wish: Wish,
    /// Ed25519 public key: the one that shall be let in, or is given up.
    #[serde(with = "hex_array")]
    pub public_key: [u8; 32],
    /// Ed25519 signature of [`signed_bytes`].
    #[serde(with = "hex_array")]
    pub signature: [u8; 64],
    /// The TLS server name that the gate dialled, lowercase.
    pub edge_name: String,
    /// The only org that may let it in, if the person at the machine has named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Label>,
    /// What the machine is called. Nobody can check it.
    #[serde(default)]
    pub host: String,
    /// Who asks there. Nobody can check it.
    #[serde(default)]
    pub user: String,
    /// Program and version, for people.
    #[serde(default)]
    pub agent: String,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// That a person lets the key in.
    LetIn,
    /// That the key is revoked: whoever holds it may ask that.
    GiveUp,
}

/// Edge → gate, each a frame; the last but `Waiting` ends the carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Told {
    /// Nobody has decided yet. Said again from time to time, so that nothing on the way forgets the connection.
    Waiting {
        code: MachineCode,
        /// How long the code is still good.
        seconds: u32,
    },
    /// The key is good from now on.
    LetIn {
        org: Label,
        /// The service account.
        account: Label,
        /// When the key ends, RFC 3339, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<String>,
    },
    /// The key is revoked.
    GivenUp,
}

/// What the gate signs: bound to this purpose, this TLS connection and the edge's name.
pub fn signed_bytes(exporter: &[u8; 32], edge_name: &str) -> Vec<u8> {
    [DOMAIN, exporter, edge_name.as_bytes()].concat()
}

impl Ask {
    pub(crate) fn is_sound(&self) -> bool {
        (1..=16).contains(&self.versions.len())
            && self.edge_name.len() <= MAX_TEXT
            && [&self.host, &self.user, &self.agent].into_iter().all(|claim| is_claim(claim))
    }

    /// The highest version that both sides speak.
    pub fn version(&self) -> Option<u16> {
        self.versions.contains(&VERSION).then_some(VERSION)
    }
}

impl Told {
    pub(crate) fn is_sound(&self) -> bool {
        match self {
            Self::LetIn { expires_at, .. } => expires_at.as_deref().is_none_or(is_plain),
            Self::Waiting { .. } | Self::GivenUp => true,
        }
    }

    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Waiting { .. })
    }
}

/// A claim as it may be sent: others are shown as question marks, and what is too long is cut.
pub fn claim(text: &str) -> String {
    text.chars().take(MAX_CLAIM).map(|c| if is_shown(c) { c } else { '?' }).collect()
}

/// It is shown to whoever decides: nothing that looks like something else, moves the cursor or turns the line around.
fn is_claim(text: &str) -> bool {
    text.len() <= MAX_CLAIM && text.chars().all(is_shown)
}

fn is_shown(c: char) -> bool {
    c.is_ascii_graphic() || c == ' '
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::BytesMut;

    use super::*;
    use crate::error::Violation;
    use crate::frames::{Kind, header};
    use crate::hello::{HelloFrame, decode, encode};

    fn ask() -> Ask {
        Ask {
            versions: vec![VERSION],
            wish: Wish::LetIn,
            public_key: [0xa5; 32],
            signature: [1; 64],
            edge_name: "edge.test".into(),
            org: Some("acme".parse().unwrap()),
            host: "laptop".into(),
            user: "eve".into(),
            agent: "warpgate/1".into(),
        }
    }

    fn framed(kind: Kind, json: &str) -> BytesMut {
        let mut bytes = BytesMut::from(&header(kind, false, 0, json.len())[..]);
        bytes.extend_from_slice(json.as_bytes());
        bytes
    }

    #[test]
    fn frames_round_trip() {
        let code: MachineCode = "ABCD-EF29".parse().unwrap();
        let (org, account) = ("acme".parse().unwrap(), "laptop".parse().unwrap());
        for frame in [
            HelloFrame::Ask(ask()),
            HelloFrame::Told(Told::Waiting { code, seconds: 600 }),
            HelloFrame::Told(Told::LetIn { org, account, expires_at: None }),
            HelloFrame::Told(Told::GivenUp),
        ] {
            let mut bytes = BytesMut::from(&encode(&frame).unwrap()[..]);
            assert_eq!(decode(&mut bytes), Ok(Some(frame)));
        }
    }

    #[test]
    fn the_json_is_as_documented_and_unknown_members_are_taken() {
        let code: MachineCode = "ABCD-EF29".parse().unwrap();
        let json = serde_json::to_value(Told::Waiting { code, seconds: 9 }).unwrap();
        assert_eq!(json, serde_json::json!({"state": "waiting", "code": "ABCD-EF29", "seconds": 9}));
        let mut json = serde_json::to_value(ask()).unwrap();
        assert_eq!((&json["wish"], &json["org"]), (&"let_in".into(), &"acme".into()));
        json["later"] = 1.into();
        for gone in ["org", "host", "user", "agent"] {
            json.as_object_mut().unwrap().remove(gone);
        }
        assert!(matches!(decode(&mut framed(Kind::Ask, &json.to_string())), Ok(Some(HelloFrame::Ask(_)))));
    }

    #[test]
    fn what_could_deceive_whoever_decides_is_refused() {
        for unsound in [
            Ask { host: "a\u{1b}[2Jb".into(), ..ask() },
            Ask { host: "laptop\u{202e}".into(), ..ask() },
            Ask { user: "r\u{43e}ot".into(), ..ask() },
            Ask { user: "x".repeat(MAX_CLAIM + 1), ..ask() },
            Ask { agent: "a\nb".into(), ..ask() },
            Ask { edge_name: "n".repeat(MAX_TEXT + 1), ..ask() },
            Ask { versions: vec![], ..ask() },
        ] {
            let json = serde_json::to_string(&unsound).unwrap();
            assert_eq!(encode(&HelloFrame::Ask(unsound)), None);
            assert_eq!(decode(&mut framed(Kind::Ask, &json)), Err(Violation::BadPayload(0x0f)), "{json}");
        }
        assert_eq!(claim("büro\n1"), "b?ro?1");
        assert_eq!(claim(&"x".repeat(100)).len(), MAX_CLAIM);
    }

    #[test]
    fn what_is_signed_is_of_no_use_as_a_hello() {
        assert_ne!(signed_bytes(&[9; 32], "edge"), crate::hello::signed_bytes(&[9; 32], "edge"));
    }
}
