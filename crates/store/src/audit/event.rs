//! What an event says.

use std::fmt;
use std::str::FromStr;

use mezu_model::{KeyId, MemberId, OrgId, TokenId};
use serde_json::Value as Json;

use crate::Micros;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Whoever may use the socket on the machine itself.
    Operator,
    /// Mezusphere by its own clock: a scheduled publish, a clean-up.
    System,
    /// Nobody that is known: a failed sign-in.
    Anonymous,
    /// A member in a session.
    Member(MemberId),
    /// A member by a token.
    Token(TokenId, MemberId),
    /// A machine by its service account's key.
    Key(KeyId),
}

/// The text names no actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an actor: expected operator, system, anonymous, member:ID, token:ID:MEMBER or key:ID")]
pub struct InvalidActor;

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Done,
    Refused,
}

/// An event to be appended.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Whose log it belongs in. `None`: the operator's alone.
    pub org: Option<OrgId>,
    pub actor: Actor,
    /// Where the actor is: an address, or `socket`.
    pub source: String,
    pub request_id: String,
    /// Noun and verb, such as `route.create`.
    pub action: &'static str,
    /// The id or name of what it was done to.
    pub object: String,
    pub outcome: Outcome,
    /// What was there before, without secrets.
    pub before: Option<Json>,
    /// What is there now, or what was asked for and refused.
    pub after: Option<Json>,
}

/// An event as kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// 1, 2, 3 … without a gap.
    pub seq: u64,
    pub at: Micros,
    pub org: Option<OrgId>,
    pub actor: Actor,
    pub source: String,
    pub request_id: String,
    pub action: String,
    pub object: String,
    pub outcome: Outcome,
    pub before: Option<Json>,
    pub after: Option<Json>,
    /// Over this event and the hash of the one before.
    pub hash: [u8; 32],
}

impl NewEvent {
    /// An event of something done, by the operator at the machine itself, until told otherwise.
    #[must_use]
    pub fn done(action: &'static str, object: impl fmt::Display) -> Self {
        Self {
            org: None,
            actor: Actor::Operator,
            source: "socket".into(),
            request_id: String::new(),
            action,
            object: object.to_string(),
            outcome: Outcome::Done,
            before: None,
            after: None,
        }
    }

    /// The same in an org's log.
    #[must_use]
    pub fn of(self, org: OrgId) -> Self {
        Self { org: Some(org), ..self }
    }

    /// The same by another actor.
    #[must_use]
    pub fn by(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// The same with what was there before and what is there now.
    #[must_use]
    pub fn with(self, before: Option<Json>, after: Option<Json>) -> Self {
        Self { before, after, ..self }
    }
}

impl Outcome {
    /// The outcome's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

impl FromStr for Outcome {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Done, Self::Refused].into_iter().find(|outcome| outcome.as_str() == text).ok_or(())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
            Self::Anonymous => f.write_str("anonymous"),
            Self::Member(member) => write!(f, "member:{member}"),
            Self::Token(token, member) => write!(f, "token:{token}:{member}"),
            Self::Key(key) => write!(f, "key:{key}"),
        }
    }
}

impl FromStr for Actor {
    type Err = InvalidActor;

    fn from_str(text: &str) -> Result<Self, InvalidActor> {
        let mut parts = text.split(':');
        let actor = match (parts.next(), parts.next(), parts.next()) {
            (Some("operator"), None, None) => Some(Self::Operator),
            (Some("system"), None, None) => Some(Self::System),
            (Some("anonymous"), None, None) => Some(Self::Anonymous),
            (Some("member"), Some(id), None) => id.parse().ok().map(Self::Member),
            (Some("token"), Some(id), Some(member)) => {
                id.parse().ok().zip(member.parse().ok()).map(|(id, member)| Self::Token(id, member))
            }
            (Some("key"), Some(id), None) => id.parse().ok().map(Self::Key),
            _ => None,
        };
        actor.filter(|_| parts.next().is_none()).ok_or(InvalidActor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_round_trip() {
        let member = MemberId::from_bytes([1; 16]);
        for actor in [
            Actor::Operator,
            Actor::System,
            Actor::Anonymous,
            Actor::Member(member),
            Actor::Token(TokenId::from_bytes([2; 16]), member),
            Actor::Key(KeyId::from_bytes([3; 16])),
        ] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        for text in ["", "root", "operator:", "member:1", "key:", "operator:a:b:c"] {
            assert_eq!(text.parse::<Actor>(), Err(InvalidActor), "{text}");
        }
    }
}
