//! The shapes of a snapshot. Unknown fields are refused, so an edge never ignores a rule that it does not understand.

use std::net::IpAddr;

use mezu_model::{Hostname, KeyId, Label, Network, OrgId, PublicKey, RouteId, WorkloadId};
use mezu_policy::PipelineSpec;
use serde::{Deserialize, Serialize};

use crate::{Matcher, PathRule, Shared};

/// Everything an edge needs, as of one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Grows with every change that is published, and never goes back.
    pub generation: u64,
    /// The domain under which a workload gets its default hostname, e.g. `mezusphere.localhost`.
    pub base_domain: Hostname,
    pub orgs: Shared<Vec<OrgEntry>>,
    /// The keys that may open a tunnel now. A revoked key is absent.
    pub keys: Shared<Vec<KeyEntry>>,
    pub workloads: Shared<Vec<WorkloadEntry>>,
    pub routes: Vec<Shared<RouteEntry>>,
}

/// A snapshot's content without its generation: what the store can tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    pub orgs: Shared<Vec<OrgEntry>>,
    pub keys: Shared<Vec<KeyEntry>>,
    pub workloads: Shared<Vec<WorkloadEntry>>,
    pub routes: Vec<Shared<RouteEntry>>,
}

/// An organisation: the owner of keys, workloads and the hostnames of their routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrgEntry {
    pub id: OrgId,
    pub name: Label,
}

/// A service account's key. Only the public half is ever known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    pub id: KeyId,
    pub org: OrgId,
    /// 64 hex digits in the text form.
    #[serde(with = "hex")]
    pub public: PublicKey,
    #[serde(default, skip_serializing_if = "KeyScope::is_any")]
    pub scope: KeyScope,
}

/// What a key may be used for. What is absent is not restricted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyScope {
    /// The names of the workloads that it may serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Vec<Label>>,
    /// Where its tunnels may come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<Network>>,
}

impl KeyScope {
    fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a tunnel may come from this address. One whose address is not known may only where any may.
    #[must_use]
    pub fn allows_address(&self, address: Option<IpAddr>) -> bool {
        self.networks.as_ref().is_none_or(|networks| {
            address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
        })
    }

    /// Whether the key may serve the workload of this name.
    #[must_use]
    pub fn allows_workload(&self, name: &Label) -> bool {
        self.workloads.as_ref().is_none_or(|names| names.contains(name))
    }
}

/// Something that answers requests behind a Warpgate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadEntry {
    pub id: WorkloadId,
    pub org: OrgId,
    pub name: Label,
}

/// Requests for `host` that `path` and `matcher` take go to `workload`, through `pipeline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    pub id: RouteId,
    pub host: Hostname,
    pub path: PathRule,
    /// What a request must have beside its path.
    #[serde(default, skip_serializing_if = "Matcher::is_empty")]
    pub matcher: Matcher,
    /// The place in the order given by hand, lowest first; without, the most specific is asked first, after those with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<i64>,
    /// A route that is not enabled takes no request.
    #[serde(default = "on", skip_serializing_if = "is_on")]
    pub enabled: bool,
    pub workload: WorkloadId,
    pub pipeline: PipelineSpec,
}

const fn on() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_on(enabled: &bool) -> bool {
    *enabled
}

impl RouteEntry {
    /// A route that takes every request below a path.
    #[must_use]
    pub fn new(id: RouteId, host: Hostname, path: PathRule, workload: WorkloadId, pipeline: PipelineSpec) -> Self {
        Self { id, host, path, matcher: Matcher::default(), rank: None, enabled: true, workload, pipeline }
    }
}

impl Parts {
    /// Holds what a snapshot holds, wherever that is equal: it then costs no memory of its own, and comparing it nothing.
    /// Routes must be in the order of their ids, or they are left as they are.
    pub fn keep(&mut self, of: &Snapshot) {
        self.orgs.keep(&of.orgs);
        self.keys.keep(&of.keys);
        self.workloads.keep(&of.workloads);
        let mut known = of.routes.iter().peekable();
        for route in &mut self.routes {
            while known.next_if(|known| known.id < route.id).is_some() {}
            if let Some(known) = known.next_if(|known| known.id == route.id) {
                route.keep(known);
            }
        }
    }
}

impl Snapshot {
    /// Puts a generation on what the store told.
    #[must_use]
    pub fn new(generation: u64, base_domain: Hostname, parts: Parts) -> Self {
        let Parts { orgs, keys, workloads, routes } = parts;
        Self { generation, base_domain, orgs, keys, workloads, routes }
    }

    /// A snapshot in which nothing exists, for an edge that waits for its first one.
    #[must_use]
    pub fn empty(base_domain: Hostname) -> Self {
        Self::new(0, base_domain, Parts::default())
    }

    /// Its content, which both then share.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let Self { orgs, keys, workloads, routes, .. } = self.clone();
        Parts { orgs, keys, workloads, routes }
    }

    /// Whether both say the same, whatever their generations.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.base_domain == other.base_domain
            && self.orgs == other.orgs
            && self.keys == other.keys
            && self.workloads == other.workloads
            && self.routes == other.routes
    }
}

mod hex {
    use mezu_model::PublicKey;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(key)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        PublicKey::from_hex(&text).ok_or_else(|| serde::de::Error::custom("not a public key: expected 64 hex digits"))
    }
}
