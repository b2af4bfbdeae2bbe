//! Who is asking, and what they may do. Secrets are compared by their hashes or in constant time, and only hashes are
//! kept.

mod attempts;
mod caller;
mod identify;
mod passwords;
pub(crate) mod recovery;
mod seal;
pub(crate) mod secret;
pub(crate) mod sign_in;
pub(crate) mod totp;

pub use attempts::Attempts;
pub use caller::{Again, Caller, OrgScope};
pub(crate) use caller::{Allowed, Denied, Origin, authorise, unproven};
pub(crate) use identify::{Door, Presented, has_cookie, identify};
pub use passwords::Passwords;
#[cfg(test)]
pub(crate) use passwords::older_hash;

pub(crate) use attempts::Rate;
use seal::Seal;

/// The state of signing in: what failed lately, and how much hashing goes on.
pub(crate) struct Doors {
    pub(crate) passwords: Passwords,
    /// By account and network.
    pub(crate) account: Attempts,
    /// By network, whatever the account.
    pub(crate) network: Attempts,
    /// Codes, by account and network.
    pub(crate) codes: Attempts,
    /// Refusals that go into the audit log, by asker: the log must not fill the disk.
    pub(crate) refusals: Attempts,
    pub(crate) seal: Seal,
    pub(crate) enrolling: totp::Enrolling,
}

impl Doors {
    pub(crate) fn new(seal: &[u8; 32]) -> Self {
        Self {
            passwords: Passwords::default(),
            account: Attempts::new(Rate { burst: 5, seconds: 12 }),
            network: Attempts::new(Rate { burst: 50, seconds: 2 }),
            codes: Attempts::new(Rate { burst: 5, seconds: 60 }),
            refusals: Attempts::new(Rate { burst: 60, seconds: 2 }),
            seal: Seal::new(seal),
            enrolling: totp::Enrolling::default(),
        }
    }
}
