//! Proving to be a member: the password, and the code for whoever has a second factor. Whether there is such an account
//! can be told neither by the answer nor by the time that it takes.

use std::net::IpAddr;
use std::time::Instant;

use mezu_api::Code;
use mezu_model::{Email, MemberId};
use mezu_store::{Actor, Change, Credentials, Micros, NewEvent, NewSession, StoreError};
use serde_json::json;

use super::{Caller, passwords, recovery, secret, totp};
use crate::{Control, Refused};

/// A session ends after so long, however much it is used: 12 hours.
const LIFE_MICROS: i64 = 12 * 60 * 60 * 1_000_000;

/// A member, proven. The code is still to be used up, in the change that this is for.
pub(crate) struct Proof {
    pub(crate) member: MemberId,
    code: Option<Shown>,
    again: Option<passwords::Again>,
}

/// A code that fits.
enum Shown {
    /// That of a step in time.
    Step(i64),
    /// The recovery code of this hash.
    Recovery([u8; 32]),
}

/// A session that was begun: its secret is for the cookie.
pub(crate) struct Begun {
    pub(crate) secret: String,
    pub(crate) expires_at: Micros,
}

/// Checks address, password and code.
///
/// # Errors
/// [`Code::WrongCredentials`], [`Code::CodeRequired`], [`Code::WrongCode`], [`Code::TooManyAttempts`].
pub(crate) async fn prove(
    control: &Control,
    source: &str,
    email: &Email,
    password: &str,
    code: Option<&str>,
) -> Result<Proof, Refused> {
    let (doors, network, now) = (control.doors(), network(source), Instant::now());
    let account = format!("{email} {network}");
    doors.account.take(&account, now).map_err(Refused::wait)?;
    doors.network.take(&network, now).map_err(Refused::wait)?;
    let mut view = control.view().await?;
    let member = view.member_by_email(email).await?.filter(|member| member.disabled_at.is_none());
    // The same questions, whether there is such a member or not.
    let id = member.map_or_else(mezu_runtime::id::new, |member| member.id);
    let kept = match view.credentials(id).await {
        Ok(kept) => kept,
        Err(StoreError::NotFound { .. }) => Credentials { password: None, totp_secret: None, totp_step: None },
        Err(error) => return Err(error.into()),
    };
    drop(view);
    let checked = doors.passwords.check_in(kept.password, password).await?;
    if !checked.is_right {
        return Err(Refused::new(Code::WrongCredentials, "there is no account with this address and password"));
    }
    doors.account.give_back(&account);
    doors.network.give_back(&network);
    let code = match kept.totp_secret {
        Some(sealed) => Some(check_code(control, id, &network, &sealed, code).await?),
        None => None,
    };
    Ok(Proof { member: id, code, again: checked.again })
}

async fn check_code(
    control: &Control,
    member: MemberId,
    network: &str,
    sealed: &str,
    code: Option<&str>,
) -> Result<Shown, Refused> {
    let Some(code) = code else {
        let detail = "send the six digits of your second factor as `code` too, or one of your recovery codes";
        return Err(Refused::new(Code::CodeRequired, detail));
    };
    let doors = control.doors();
    let key = format!("{member} {network}");
    doors.codes.take(&key, Instant::now()).map_err(Refused::wait)?;
    if let Some(hash) = recovery::hash(member, code) {
        // It needs no seal key: it also helps who has lost that.
        if !control.view().await?.has_recovery_code(member, &hash).await? {
            return Err(wrong_code());
        }
        doors.codes.give_back(&key);
        return Ok(Shown::Recovery(hash));
    }
    let unreadable = || Refused::new(Code::Internal, "the second factor cannot be read: the seal key is another one");
    let secret = doors.seal.open(&sealed_for(member), sealed).ok_or_else(unreadable)?;
    let step = totp::step_of(&secret, code, control.now()).ok_or_else(wrong_code)?;
    doors.codes.give_back(&key);
    Ok(Shown::Step(step))
}

fn wrong_code() -> Refused {
    Refused::new(Code::WrongCode, "the code is wrong, too old or was used before; wait for the next one")
}

/// What a member's second factor is sealed for.
pub(crate) fn sealed_for(member: MemberId) -> String {
    format!("totp:{member}")
}

impl Proof {
    /// Uses the code up, and keeps the password's hash if it was made anew.
    ///
    /// # Errors
    /// [`Code::WrongCode`] when the code was used before.
    pub(crate) async fn spend(&self, change: &mut Change, caller: &Caller) -> Result<(), Refused> {
        let member = self.member;
        let is_spent = match &self.code {
            None => true,
            Some(Shown::Step(step)) => change.use_totp_step(member, *step).await?,
            Some(Shown::Recovery(hash)) => {
                let is_spent = change.use_recovery_code(member, hash).await?;
                let left = json!({ "recovery_codes": change.recovery_codes(member).await? });
                let event = caller.event(member).by(Actor::Member(member)).with(None, Some(left));
                change.log(&NewEvent { action: "me.use_recovery_code", ..event }).await?;
                is_spent
            }
        };
        if !is_spent {
            return Err(wrong_code());
        }
        if let Some(passwords::Again { old, new }) = &self.again {
            change.rehash_password(member, old, new).await?;
        }
        Ok(())
    }
}

/// Begins a session.
///
/// # Errors
/// The store's.
pub(crate) async fn begin(change: &mut Change, member: MemberId, from: &str, agent: &str) -> Result<Begun, Refused> {
    let secret = secret::SESSION.make();
    let expires_at = Micros(change.at().0.saturating_add(LIFE_MICROS));
    let hash = secret::hash(secret.as_bytes());
    change.create_session(NewSession { hash, member, expires_at, source: from.into(), agent: agent.into() }).await?;
    Ok(Begun { secret, expires_at })
}

/// The network of an address: what one household or attacker has at least.
pub(crate) fn network(source: &str) -> String {
    match source.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Err(_) => source.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_those_of_one_attacker() {
        for (source, expected) in [
            ("192.0.2.7", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("socket", "socket"),
        ] {
            assert_eq!(network(source), expected);
        }
    }
}
