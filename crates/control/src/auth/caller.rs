//! What an operation may know and do: [`Caller`] for anybody who got through, [`OrgScope`] for who may act in an org.

use std::fmt::Display;
use std::ops::Deref;

use mezu_api::{Code, Least, Permission};
use mezu_model::{Label, MemberId, OrgId, Role};
use mezu_store::{Actor, NewEvent, Org, Outcome};

use super::identify::{Identity, Reach};
use crate::{Control, Refused};

/// A request that may be repeated.
#[derive(Clone, Debug)]
pub struct Again {
    /// Whose key it is.
    pub scope: String,
    pub key: String,
    /// SHA-256 of the request.
    pub request: [u8; 32],
}

/// Who is asking, for what. Made only where it was found that they may.
#[derive(Clone, Debug)]
pub struct Caller {
    actor: Actor,
    reach: Reach,
    source: String,
    request_id: String,
    action: &'static str,
    again: Option<Again>,
}

/// Where a request comes from and what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) source: String,
    pub(crate) request_id: String,
    pub(crate) action: &'static str,
}

/// The right to act in one org, as somebody. It is made by the authorisation alone, for the org in the request's path.
#[derive(Clone, Debug)]
pub struct OrgScope {
    caller: Caller,
    org: Org,
    role: Role,
}

impl Caller {
    /// Who is asking.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// The member who asks, in a session or by a token.
    #[must_use]
    pub fn member(&self) -> Option<MemberId> {
        match self.reach {
            Reach::Member { member, .. } | Reach::Token { member, .. } => Some(member),
            Reach::Nobody | Reach::Everywhere => None,
        }
    }

    /// The member and the session's hash, for what takes a session.
    ///
    /// # Errors
    /// [`Code::Forbidden`] for whoever has none.
    pub(crate) fn session(&self) -> Result<(MemberId, [u8; 32]), Refused> {
        match self.reach {
            Reach::Member { member, session } => Ok((member, session)),
            _ => Err(Refused::new(Code::Forbidden, "this takes a member who has signed in with a password")),
        }
    }

    /// The one org that a token is for.
    pub(crate) fn token_org(&self) -> Option<(OrgId, Role)> {
        if let Reach::Token { org, role, .. } = self.reach { Some((org, role)) } else { None }
    }

    /// Whether it is the operator.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        matches!(self.reach, Reach::Everywhere)
    }

    /// Where the request comes from: an address, or `socket`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The audit event of this operation done to `object`, in no org's log.
    #[must_use]
    pub fn event(&self, object: impl Display) -> NewEvent {
        NewEvent {
            source: self.source.clone(),
            request_id: self.request_id.clone(),
            ..NewEvent::done(self.action, object).by(self.actor)
        }
    }

    /// The event of this operation refused, in an org's log if the asker belongs to it.
    pub(crate) fn refusal(&self, org: Option<OrgId>, object: impl Display, why: &Refused) -> NewEvent {
        let after = serde_json::json!({ "code": why.problem.code });
        NewEvent { outcome: Outcome::Refused, org, ..self.event(object).with(None, Some(after)) }
    }

    pub(crate) fn again(&self) -> Option<&Again> {
        self.again.as_ref()
    }

    pub(crate) fn repeatable(self, again: Option<Again>) -> Self {
        Self { again, ..self }
    }
}

impl OrgScope {
    /// The org.
    #[must_use]
    pub fn org(&self) -> OrgId {
        self.org.id
    }

    /// The org as it was when the request came.
    #[must_use]
    pub fn entry(&self) -> &Org {
        &self.org
    }

    /// The asker's role in it.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The audit event of this operation done to `object`, in the org's log.
    #[must_use]
    pub fn event(&self, object: impl Display) -> NewEvent {
        self.caller.event(object).of(self.org.id)
    }

    pub(crate) fn repeatable(self, again: Option<Again>) -> Self {
        Self { caller: self.caller.repeatable(again), ..self }
    }
}

impl Deref for OrgScope {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// What came of an authorisation.
pub(crate) enum Allowed {
    Caller(Caller),
    Org(OrgScope),
}

impl Deref for Allowed {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        match self {
            Self::Caller(caller) => caller,
            Self::Org(scope) => scope,
        }
    }
}

impl Allowed {
    /// The org to act in, if it is one's.
    pub(crate) fn org(&self) -> Option<OrgId> {
        if let Self::Org(scope) = self { Some(scope.org()) } else { None }
    }
}

/// Not allowed, and the org in whose log that belongs: the asker's own.
pub(crate) struct Denied {
    pub(crate) refused: Refused,
    pub(crate) org: Option<OrgId>,
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self { refused, org: None }
    }
}

/// A caller of whom nothing is proven, for the audit log.
pub(crate) fn unproven(actor: Actor, origin: Origin) -> Caller {
    let Origin { source, request_id, action } = origin;
    Caller { actor, reach: Reach::Nobody, source, request_id, action, again: None }
}

/// Decides whether the asker has the permission. `org` is the org that the path names, if it names one.
///
/// # Errors
/// Nobody: [`Code::Unauthenticated`]. An org that is not the asker's reads as not there ([`Code::NotFound`]); a role that
/// does not do is [`Code::Forbidden`].
pub(crate) async fn authorise(
    control: &Control,
    identity: Identity,
    origin: Origin,
    permission: Permission,
    org: Option<&str>,
) -> Result<Allowed, Denied> {
    let Identity { actor, reach } = identity;
    let Origin { source, request_id, action } = origin;
    let caller = Caller { actor, reach, source, request_id, action, again: None };
    let is_known = !matches!(caller.reach, Reach::Nobody);
    let unknown = || Refused::new(Code::Unauthenticated, "sign in, or send a token as `Authorization: Bearer …`");
    match permission.least() {
        Least::Anyone => {}
        _ if !is_known => return Err(unknown().into()),
        Least::Known => {}
        Least::Session => _ = caller.session()?,
        Least::Operator if caller.is_operator() => {}
        Least::Operator => {
            let detail = "only the operator may do this, on the machine itself";
            return Err(Refused::new(Code::Forbidden, detail).into());
        }
        Least::Of(least) => {
            let (org, role) = seat(control, &caller, org).await?;
            if !permission.is_given_to(role) {
                let detail = format!("this takes the role {least} in the org {}, and yours is {role}", org.name);
                return Err(Denied { refused: Refused::new(Code::Forbidden, detail), org: Some(org.id) });
            }
            return Ok(Allowed::Org(OrgScope { caller, org, role }));
        }
    }
    Ok(Allowed::Caller(caller))
}

/// The org of that name and the asker's role in it.
async fn seat(control: &Control, caller: &Caller, org: Option<&str>) -> Result<(Org, Role), Refused> {
    let no = || Refused::not_found("org");
    let name: Label = org.and_then(|name| name.parse().ok()).ok_or_else(no)?;
    let mut view = control.view().await?;
    let org = view.org_by_name(&name).await?.ok_or_else(no)?;
    let role = match &caller.reach {
        Reach::Nobody => return Err(no()),
        Reach::Everywhere => Role::Owner,
        Reach::Token { org: own, role, .. } if *own == org.id => *role,
        Reach::Token { .. } => return Err(no()),
        Reach::Member { member, .. } => match view.membership(org.id, *member).await {
            Ok(membership) => membership.role,
            Err(mezu_store::StoreError::NotFound { .. }) => return Err(no()),
            Err(error) => return Err(error.into()),
        },
    };
    Ok((org, role))
}
