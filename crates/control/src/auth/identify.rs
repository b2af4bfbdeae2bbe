//! From what a request brings to who is asking.

use axum::http::{HeaderMap, header};
use mezu_api::Code;
use mezu_api::paths::COOKIE;
use mezu_model::{MemberId, OrgId, Role};
use mezu_store::{Actor, Micros, Store};

use super::secret::{SESSION, TOKEN};
use crate::{Control, Refused};

/// A session that was not used for so long is over: 30 minutes.
const IDLE_MICROS: i64 = 30 * 60 * 1_000_000;
/// How exactly the last use is known: writing it at every request would cost a write each.
const TOUCH_MICROS: i64 = 60 * 1_000_000;

/// Which way a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The socket in the data directory: who may open it is the operator.
    Socket,
    /// The admin listener: who asks must show it.
    Http,
}

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) actor: Actor,
    /// What the actor may do at all.
    pub(crate) reach: Reach,
}

/// How far an asker's word carries.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    Nobody,
    /// Every org, as an owner.
    Everywhere,
    /// The orgs that the member belongs to.
    Member {
        member: MemberId,
        session: [u8; 32],
    },
    /// One org, with a role that its member's has bounded already.
    Token {
        member: MemberId,
        org: OrgId,
        role: Role,
    },
}

/// What a request has shown of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    Nothing,
    Session([u8; 32]),
    Token([u8; 32]),
    /// Something that cannot be a credential of ours.
    Nonsense,
}

impl Presented {
    /// Reads the credentials. More than one is nobody's: which of them counts must not be a matter of taste.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut found = bearers(headers).chain(cookies(headers));
        match (found.next(), found.next()) {
            (None, _) => Self::Nothing,
            (Some(one), None) => one,
            (Some(_), Some(_)) => Self::Nonsense,
        }
    }
}

/// Whether a browser may have sent a session along, of its own accord.
pub(crate) fn has_cookie(headers: &HeaderMap) -> bool {
    cookies(headers).next().is_some()
}

fn bearers(headers: &HeaderMap) -> impl Iterator<Item = Presented> {
    headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let token = value.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        token.and_then(|(_, token)| TOKEN.hash(token.trim_start())).map_or(Presented::Nonsense, Presented::Token)
    })
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = Presented> {
    let values = headers.get_all(header::COOKIE).iter();
    let pairs = values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    pairs.filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        // A look-alike that differs in case or white space is someone's trick.
        let name = name.trim();
        name.eq_ignore_ascii_case(COOKIE).then(|| match SESSION.hash(value.trim()) {
            Some(hash) if name == COOKIE => Presented::Session(hash),
            _ => Presented::Nonsense,
        })
    })
}

/// Finds out who is asking. Someone without credentials is nobody, which is no error; wrong credentials are.
///
/// # Errors
/// [`Code::Unauthenticated`], or when the store does not answer.
pub(crate) async fn identify(control: &Control, door: Door, presented: &Presented) -> Result<Identity, Refused> {
    if door == Door::Socket {
        return Ok(Identity { actor: Actor::Operator, reach: Reach::Everywhere });
    }
    let now = control.now();
    match presented {
        Presented::Nothing => Ok(Identity { actor: Actor::Anonymous, reach: Reach::Nobody }),
        Presented::Nonsense => {
            Err(Refused::new(Code::Unauthenticated, "the request must carry one session or one token, in its whole"))
        }
        Presented::Session(hash) => session(control.store()?, hash, now).await,
        Presented::Token(hash) => token(control.store()?, hash, now).await,
    }
}

async fn session(store: &Store, hash: &[u8; 32], now: Micros) -> Result<Identity, Refused> {
    let over = || Refused::new(Code::Unauthenticated, "the session is over; sign in again");
    let (session, member) = store.view().await?.signed_in(hash, now).await?.ok_or_else(over)?;
    let unused = now.0.saturating_sub(session.seen_at.0);
    if unused > IDLE_MICROS {
        return Err(over());
    }
    if unused > TOUCH_MICROS {
        store.touch_session(hash, now).await?;
    }
    let reach = Reach::Member { member: member.id, session: *hash };
    Ok(Identity { actor: Actor::Member(member.id), reach })
}

async fn token(store: &Store, hash: &[u8; 32], now: Micros) -> Result<Identity, Refused> {
    let no = || Refused::new(Code::Unauthenticated, "the token is unknown, expired or revoked");
    let (token, role) = store.view().await?.bearer(hash, now).await?.ok_or_else(no)?;
    if token.used_at.is_none_or(|used| now.0.saturating_sub(used.0) > TOUCH_MICROS) {
        store.touch_token(token.id, now).await?;
    }
    let reach = Reach::Token { member: token.member, org: token.org, role };
    Ok(Identity { actor: Actor::Token(token.id, token.member), reach })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn presented(headers: &[(HeaderName, String)]) -> Presented {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        Presented::of(&map)
    }

    #[test]
    fn one_credential_counts_and_two_do_not() {
        let (session, token) = (SESSION.make(), TOKEN.make());
        let (cookie, bearer) = (format!("{COOKIE}={session}"), format!("Bearer {token}"));
        let shown = |value: &str| (header::COOKIE, value.to_string());
        let asked = |value: &str| (header::AUTHORIZATION, value.to_string());
        let hashes = (SESSION.hash(&session).unwrap(), TOKEN.hash(&token).unwrap());
        assert_eq!(presented(&[]), Presented::Nothing);
        assert_eq!(presented(&[shown("other=1")]), Presented::Nothing);
        assert_eq!(presented(&[shown(&cookie)]), Presented::Session(hashes.0));
        assert_eq!(presented(&[shown(&format!("a=b; {cookie}; c=d"))]), Presented::Session(hashes.0));
        assert_eq!(presented(&[asked(&bearer)]), Presented::Token(hashes.1));
        for bad in [
            &[shown(&cookie), shown(&cookie)][..],
            &[shown(&format!("{cookie}; {cookie}"))],
            &[shown(&cookie), asked(&bearer)],
            &[asked(&bearer), asked(&bearer)],
            &[shown(&cookie.to_lowercase())],
            &[shown(&format!("{COOKIE}=x"))],
            &[asked("Basic eDp5")],
            &[asked(&token)],
        ] {
            assert_eq!(presented(bad), Presented::Nonsense, "{bad:?}");
        }
    }
}
