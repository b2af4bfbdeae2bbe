//! What concerns the asker, over HTTP.

use axum::extract::State;
use mezu_api::Permission;
use mezu_api::member::Me;
use mezu_api::session::{Again, Confirm, NewPassword, NewTotp, RecoveryCodes};
use utoipa_axum::routes;

use super::{Body, Operations};
use crate::auth::Caller;
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("me.read", Permission::Know, routes!(read))
        .add("me.set_password", Permission::Own, routes!(set_password))
        .add("me.begin_totp", Permission::Own, routes!(begin_totp))
        .add("me.confirm_totp", Permission::Own, routes!(confirm_totp))
        .add("me.renew_recovery_codes", Permission::Own, routes!(renew_codes))
        .add("me.remove_totp", Permission::Own, routes!(remove_totp))
}

/// Who is asking
#[utoipa::path(get, path = "/me", responses((status = 200, body = Me)))]
async fn read(State(control): State<Control>, caller: Caller) -> Answer<Me> {
    ops::me::read(&control, &caller).await
}

/// Change one's own password
#[utoipa::path(put, path = "/me/password", request_body = NewPassword, responses((status = 204)))]
async fn set_password(State(control): State<Control>, caller: Caller, Body(asked): Body<NewPassword>) -> Answer<()> {
    ops::me::set_password(&control, &caller, asked).await
}

/// Make a second factor, to be confirmed
#[utoipa::path(post, path = "/me/totp", request_body = Again, responses((status = 200, body = NewTotp)))]
async fn begin_totp(State(control): State<Control>, caller: Caller, Body(asked): Body<Again>) -> Answer<NewTotp> {
    ops::me::begin_totp(&control, &caller, asked).await
}

/// Confirm the second factor by its first code
///
/// The answer holds ten recovery codes, once.
#[utoipa::path(post, path = "/me/totp/confirm", request_body = Confirm,
    responses((status = 200, body = RecoveryCodes)))]
async fn confirm_totp(
    State(control): State<Control>,
    caller: Caller,
    Body(asked): Body<Confirm>,
) -> Answer<RecoveryCodes> {
    ops::me::confirm_totp(&control, &caller, asked).await
}

/// Make new recovery codes
///
/// Each stands in for the second factor once. Those of before work no more.
#[utoipa::path(post, path = "/me/totp/recovery-codes", request_body = Again,
    responses((status = 200, body = RecoveryCodes)))]
async fn renew_codes(
    State(control): State<Control>,
    caller: Caller,
    Body(asked): Body<Again>,
) -> Answer<RecoveryCodes> {
    ops::me::renew_codes(&control, &caller, asked).await
}

/// Remove the second factor
#[utoipa::path(post, path = "/me/totp/remove", request_body = Again, responses((status = 204)))]
async fn remove_totp(State(control): State<Control>, caller: Caller, Body(asked): Body<Again>) -> Answer<()> {
    ops::me::remove_totp(&control, &caller, asked).await
}
