//! What concerns the asker: who it is, the password and the second factor.

use std::time::Instant;

use mezu_api::Code;
use mezu_api::member::Me;
use mezu_api::session::{Again, Confirm, NewPassword, NewTotp, RecoveryCodes};
use mezu_model::MemberId;
use mezu_store::{Actor, Change};
use serde_json::json;

use crate::auth::sign_in::{network, sealed_for};
use crate::auth::{Caller, recovery, totp};
use crate::{Answer, Control, Refused, Reply};

/// Who is asking.
pub(crate) async fn read(control: &Control, caller: &Caller) -> Answer<Me> {
    let kind = match caller.actor() {
        Actor::Member(_) => "member",
        Actor::Token(..) => "token",
        _ => "operator",
    };
    let (member, recovery_codes) = match caller.member() {
        Some(member) => {
            let mut view = control.view().await?;
            (Some(view.member(member).await?), view.recovery_codes(member).await?)
        }
        None => (None, 0),
    };
    let recovery_codes = u64::try_from(recovery_codes).unwrap_or(u64::MAX);
    let has_second_factor = member.as_ref().is_some_and(|member| member.has_totp);
    let (member, email, name) =
        member.map_or((None, None, None), |one| (Some(one.id), Some(one.email), Some(one.name)));
    Ok(Reply::ok(Me { kind: kind.to_string(), member, email, name, has_second_factor, recovery_codes }))
}

/// Changes the password, and ends the member's other sessions.
pub(crate) async fn set_password(control: &Control, caller: &Caller, asked: NewPassword) -> Answer<()> {
    let (member, this) = caller.session()?;
    check_again(control, caller, member, &asked.current, "/current").await?;
    let known = control.view().await?.member(member).await?;
    let near = [known.email.as_str(), known.name.as_str()];
    let hash = control.doors().passwords.make(&asked.new, &near, "/new").await?;
    let mut change = control.change().await?;
    change.set_password(member, Some(hash)).await?;
    change.end_sessions(member, Some(&this)).await?;
    control.commit(change, caller, caller.event(member), Reply::done()).await
}

/// Makes a second factor, which counts once its first code is confirmed.
pub(crate) async fn begin_totp(control: &Control, caller: &Caller, asked: Again) -> Answer<NewTotp> {
    let (member, _) = caller.session()?;
    check_again(control, caller, member, &asked.password, "/password").await?;
    let known = control.view().await?.member(member).await?;
    if known.has_totp {
        return Err(Refused::new(Code::Conflict, "there is a second factor already; remove it first"));
    }
    let secret = totp::make();
    let shown = NewTotp { secret: totp::base32(&secret), uri: totp::uri(&secret, &known.email) };
    if !control.doors().enrolling.begin(member, secret, Instant::now()) {
        return Err(Refused::new(Code::Busy, "too many second factors are being set up; try again later"));
    }
    Ok(Reply::ok(shown))
}

/// Confirms the second factor. From now on signing in takes a code; the member's other sessions end. The answer holds the
/// recovery codes, for the day on which the second factor is lost.
pub(crate) async fn confirm_totp(control: &Control, caller: &Caller, asked: Confirm) -> Answer<RecoveryCodes> {
    let (member, this) = caller.session()?;
    let doors = control.doors();
    let none = || Refused::new(Code::Conflict, "no second factor is being set up, or that was long ago; begin again");
    let secret = doors.enrolling.secret(member, Instant::now()).ok_or_else(none)?;
    let key = format!("{member} {}", network(caller.source()));
    doors.codes.take(&key, Instant::now()).map_err(Refused::wait)?;
    let wrong = || Refused::new(Code::WrongCode, "the code is wrong; look at the clock of the device that shows it");
    let step = totp::step_of(&secret, &asked.code, control.now()).ok_or_else(wrong)?;
    doors.codes.give_back(&key);
    let unsealed = || Refused::new(Code::Internal, "the second factor could not be sealed");
    let sealed = doors.seal.close(&sealed_for(member), &secret).ok_or_else(unsealed)?;
    let mut change = control.change().await?;
    change.set_totp(member, Some(sealed)).await?;
    change.use_totp_step(member, step).await?;
    change.end_sessions(member, Some(&this)).await?;
    let shown = new_codes(&mut change, member).await?;
    let reply = control.commit(change, caller, caller.event(member), Reply::ok(shown)).await?;
    doors.enrolling.end(member);
    Ok(reply)
}

/// Makes new recovery codes; those of before work no more.
pub(crate) async fn renew_codes(control: &Control, caller: &Caller, asked: Again) -> Answer<RecoveryCodes> {
    let (member, _) = caller.session()?;
    check_again(control, caller, member, &asked.password, "/password").await?;
    let mut change = control.change().await?;
    if !change.member(member).await?.has_totp {
        return Err(Refused::new(Code::Conflict, "there is no second factor that the codes could stand in for"));
    }
    let left = json!({ "recovery_codes": change.recovery_codes(member).await? });
    let shown = new_codes(&mut change, member).await?;
    let made = json!({ "recovery_codes": shown.codes.len() });
    let event = caller.event(member).with(Some(left), Some(made));
    control.commit(change, caller, event, Reply::ok(shown)).await
}

async fn new_codes(change: &mut Change, member: MemberId) -> Result<RecoveryCodes, Refused> {
    let codes = recovery::make();
    let hashes: Vec<_> = codes.iter().filter_map(|code| recovery::hash(member, code)).collect();
    change.set_recovery_codes(member, &hashes).await?;
    Ok(RecoveryCodes { codes })
}

/// Removes the second factor.
pub(crate) async fn remove_totp(control: &Control, caller: &Caller, asked: Again) -> Answer<()> {
    let (member, this) = caller.session()?;
    check_again(control, caller, member, &asked.password, "/password").await?;
    let mut change = control.change().await?;
    let had = change.member(member).await?.has_totp;
    change.set_totp(member, None).await?;
    change.end_sessions(member, Some(&this)).await?;
    let event = caller.event(member).with(Some(json!({ "has_second_factor": had })), None);
    control.commit(change, caller, event, Reply::done()).await
}

/// Has the member show the password once more: an open session may have been found by somebody else.
async fn check_again(
    control: &Control,
    caller: &Caller,
    member: MemberId,
    password: &str,
    pointer: &'static str,
) -> Result<(), Refused> {
    let doors = control.doors();
    let key = format!("{member} {}", network(caller.source()));
    doors.account.take(&key, Instant::now()).map_err(Refused::wait)?;
    let kept = control.view().await?.credentials(member).await?.password;
    if !doors.passwords.check(kept, password).await? {
        return Err(Refused::invalid(pointer, "this is not your password"));
    }
    doors.account.give_back(&key);
    Ok(())
}
