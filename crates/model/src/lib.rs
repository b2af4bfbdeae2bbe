//! The nouns of Mezusphere: ids, names, HTTP heads, keys and limits.
//!
//! Every type here is valid by construction: whoever holds a [`Hostname`] need
//! not check it again. This crate does no I/O, reads no clock and makes no
//! random numbers.

pub mod aim;
pub mod calendar;
pub mod date;
pub mod email;
pub mod fields;
pub mod head;
pub mod headers;
pub mod id;
pub mod key;
pub mod known;
pub mod limits;
pub mod machine_code;
pub mod method;
pub mod name;
pub mod network;
pub mod path;
pub mod role;

pub use aim::{Aim, GateLabel, InvalidGateLabel};
pub use email::{Email, InvalidEmail};
pub use head::{Context, RequestHead, ResponseHead, Upgrade};
pub use headers::{Header, Headers, InvalidHeader};
pub use id::{
    AccountId, DraftId, GateId, InvitationId, KeyId, MemberId, OrgId, PublishId, RayId, RouteId, TokenId, WorkloadId,
};
pub use key::{KeyError, PublicKey, Seed};
pub use known::Known;
pub use limits::Limits;
pub use machine_code::{InvalidCode, MachineCode};
pub use method::{Method, Protocol, Scheme};
pub use name::{Hostname, InvalidName, Label};
pub use network::{InvalidNetwork, Network};
pub use path::{PathError, check_query, normalise};
pub use role::{InvalidRole, Role};
