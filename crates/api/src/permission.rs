//! What may be done, and who may.

use std::fmt;

use mezu_model::Role;

/// The least that an asker must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Least {
    /// Whoever can reach the API.
    Anyone,
    /// Whoever is known: a member in a session or by a token, or the operator.
    Known,
    /// A member in a session: what concerns the member alone and no token may do.
    Session,
    /// A member of the org in the path with at least this role.
    Of(Role),
    /// Whoever may use the socket on the machine itself.
    Operator,
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident $text:literal $least:expr;)+) => {
        /// What an operation needs. Each names exactly one; the document tells it as `x-permission`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Permission { $($(#[$doc])* $name),+ }

        impl Permission {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The permission's word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The least that an asker must be.
            #[must_use]
            pub const fn least(self) -> Least {
                match self { $(Self::$name => $least),+ }
            }
        }
    };
}

permissions! {
    /// To come in: sign in, set up, look at an invitation.
    Enter "enter" Least::Anyone;
    /// To know what concerns the asker: who am I, which orgs are mine.
    Know "know" Least::Known;
    /// To manage one's own sessions, password and second factor.
    Own "own" Least::Session;
    /// To make orgs, and to see to the whole installation.
    Operate "operate" Least::Operator;
    OrgRead "org.read" Least::Of(Role::Viewer);
    OrgWrite "org.write" Least::Of(Role::Owner);
    MemberRead "member.read" Least::Of(Role::Viewer);
    MemberWrite "member.write" Least::Of(Role::Admin);
    /// To leave the org, oneself.
    MemberLeave "member.leave" Least::Of(Role::Viewer);
    InvitationRead "invitation.read" Least::Of(Role::Admin);
    InvitationWrite "invitation.write" Least::Of(Role::Admin);
    /// One's own tokens; an admin's reach is decided by the operation.
    TokenRead "token.read" Least::Of(Role::Viewer);
    TokenWrite "token.write" Least::Of(Role::Viewer);
    AuditRead "audit.read" Least::Of(Role::Admin);
    AccountRead "account.read" Least::Of(Role::Viewer);
    AccountWrite "account.write" Least::Of(Role::Admin);
    KeyRead "key.read" Least::Of(Role::Viewer);
    KeyWrite "key.write" Least::Of(Role::Admin);
    WorkloadRead "workload.read" Least::Of(Role::Viewer);
    WorkloadWrite "workload.write" Least::Of(Role::Editor);
    HostnameRead "hostname.read" Least::Of(Role::Viewer);
    HostnameWrite "hostname.write" Least::Of(Role::Editor);
    RouteRead "route.read" Least::Of(Role::Viewer);
    RouteWrite "route.write" Least::Of(Role::Editor);
    DraftRead "draft.read" Least::Of(Role::Viewer);
    DraftWrite "draft.write" Least::Of(Role::Editor);
    PublishRead "publish.read" Least::Of(Role::Viewer);
    PublishWrite "publish.write" Least::Of(Role::Editor);
    /// To see how requests are and would be answered: dry run, recorded decisions, status.
    TraceRead "trace.read" Least::Of(Role::Viewer);
}

impl Permission {
    /// Whether a member with that role in the org has it.
    #[must_use]
    pub fn is_given_to(self, role: Role) -> bool {
        matches!(self.least(), Least::Of(least) if least <= role)
    }

    /// Whether it allows questions alone, even where one is too long for a path and is sent by POST.
    #[must_use]
    pub const fn only_reads(self) -> bool {
        matches!(self, Self::TraceRead)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_role_has_whatever_a_lower_one_has() {
        for permission in Permission::ALL {
            for pair in Role::ALL.windows(2) {
                assert!(!permission.is_given_to(pair[0]) || permission.is_given_to(pair[1]), "{permission}");
            }
        }
        assert!(Permission::RouteWrite.is_given_to(Role::Editor) && !Permission::RouteWrite.is_given_to(Role::Viewer));
        assert!(!Permission::Operate.is_given_to(Role::Owner));
    }
}
