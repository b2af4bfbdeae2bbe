//! Lets requests in, or not, by the address that they come from.
//!
//! Rules are asked in their order and the first one with a matching network decides. What a rule lets through has
//! passed this stage and no other: there is no action that skips sign-in or any later stage, and so none that is
//! called "allow". The address is that of the socket, never one from a header.

use mezu_model::Network;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Answer, Invalid, Request, Stage, Verdict};

/// Most rules of a route.
const MAX_RULES: usize = 64;
/// Most networks in all rules together.
const MAX_NETWORKS: usize = 1024;

/// The rules of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Asked in this order.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What happens to an address that no rule names.
    pub otherwise: Action,
}

/// What happens to addresses of some networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Such as `192.0.2.0/24`, `2001:db8::/32` or a single address.
    pub networks: Vec<String>,
    pub then: Action,
}

/// There is no third: nothing here lets a request skip what comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Refuse,
    PassToNextStages,
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let action = |title: &str| json!({ "title": title, "type": "string", "enum": ["refuse", "pass_to_next_stages"] });
    json!({
        "title": "Access by address",
        "description": "Lets requests in or refuses them by the address that they come from.",
        "type": "object",
        "additionalProperties": false,
        "required": ["otherwise"],
        "properties": {
            "rules": {
                "title": "Rules",
                "description": "The first rule with a matching network decides.",
                "type": "array",
                "maxItems": MAX_RULES,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["networks", "then"],
                    "properties": {
                        "networks": {
                            "title": "Networks",
                            "description": "Such as 192.0.2.0/24, 2001:db8::/32 or a single address.",
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MAX_NETWORKS,
                            "items": { "type": "string", "maxLength": 43 }
                        },
                        "then": action("What happens to them")
                    }
                }
            },
            "otherwise": action("What happens to all other addresses")
        }
    })
}

#[derive(Debug)]
pub(crate) struct IpAccess {
    rules: Box<[(Box<[Network]>, Action)]>,
    otherwise: Action,
}

pub(crate) fn compile(spec: &Spec) -> Result<IpAccess, Invalid> {
    if spec.rules.len() > MAX_RULES {
        return Err(Invalid::new("ip_access.rules", format!("at most {MAX_RULES} rules")));
    }
    if spec.rules.iter().map(|rule| rule.networks.len()).sum::<usize>() > MAX_NETWORKS {
        return Err(Invalid::new("ip_access.rules", format!("at most {MAX_NETWORKS} networks in all")));
    }
    let rules = spec.rules.iter().enumerate().map(|(index, rule)| {
        if rule.networks.is_empty() {
            let at = format!("ip_access.rules[{index}].networks");
            return Err(Invalid::new(at, "a rule without a network would never decide anything"));
        }
        let networks = rule.networks.iter().enumerate().map(|(place, text)| {
            text.parse::<Network>().map_err(|problem| {
                Invalid::new(format!("ip_access.rules[{index}].networks[{place}]"), problem.to_string())
            })
        });
        Ok((networks.collect::<Result<_, _>>()?, rule.then))
    });
    Ok(IpAccess { rules: rules.collect::<Result<_, _>>()?, otherwise: spec.otherwise })
}

impl Stage for IpAccess {
    fn name(&self) -> &'static str {
        "ip_access"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        let address = request.context.client.ip().to_canonical();
        let decides = self.rules.iter().position(|(networks, _)| networks.iter().any(|one| one.contains(address)));
        request.tell(|_| match decides {
            Some(index) => format!("{address} is in rule {}", index + 1),
            None => format!("no rule names {address}"),
        });
        match decides.and_then(|index| self.rules.get(index)).map_or(self.otherwise, |(_, action)| *action) {
            Action::Refuse => Verdict::Answer(Answer::AddressRefused),
            Action::PassToNextStages => Verdict::Continue,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::{Value, json};

    use crate::case::{Case, fault, pipeline};
    use crate::{Answer, Stop};

    fn rules(rules: &[(&[&str], &str)], otherwise: &str) -> Value {
        let rules: Vec<_> =
            rules.iter().map(|(networks, then)| json!({ "networks": networks, "then": then })).collect();
        json!({ "ip_access": { "rules": rules, "otherwise": otherwise } })
    }

    const PASS: &str = "pass_to_next_stages";

    #[test]
    fn the_first_rule_with_a_matching_network_decides() {
        let office = rules(&[(&["192.0.2.7"], "refuse"), (&["192.0.2.0/24", "2001:db8::/32"], PASS)], "refuse");
        let open = rules(&[(&["198.51.100.0/24"], "refuse")], PASS);
        let table = [
            (&office, "192.0.2.1", true),
            (&office, "192.0.2.255", true),
            (&office, "192.0.2.7", false),
            (&office, "192.0.3.1", false),
            (&office, "2001:db8:ffff::1", true),
            (&office, "2001:db9::1", false),
            // The same client on a socket that speaks both families.
            (&office, "::ffff:192.0.2.1", true),
            (&office, "::ffff:192.0.2.7", false),
            (&open, "198.51.100.200", false),
            (&open, "::ffff:198.51.100.200", false),
            (&open, "2001:db8::1", true),
            (&rules(&[], PASS), "203.0.113.1", true),
            (&rules(&[], "refuse"), "203.0.113.1", false),
            // The whole of one family is not the whole of the other.
            (&rules(&[(&["0.0.0.0/0"], "refuse")], PASS), "2001:db8::1", true),
            (&rules(&[(&["0.0.0.0/0"], "refuse")], PASS), "255.255.255.255", false),
            (&rules(&[(&["::/0"], "refuse")], PASS), "192.0.2.1", true),
            (&rules(&[(&["::/0"], "refuse")], PASS), "::ffff:192.0.2.1", true),
            (&rules(&[(&["::/0"], "refuse")], PASS), "2001:db8::1", false),
            (&rules(&[(&["128.0.0.0/1"], "refuse")], PASS), "127.255.255.255", true),
        ];
        for (spec, client, passes) in table {
            let pipeline = pipeline(spec.clone());
            // What a client writes into headers changes nothing.
            let mut case =
                Case::get("/").from(client).header("x-forwarded-for", "192.0.2.1").header("x-real-ip", "::1");
            let verdict = case.permit(&pipeline).map(drop);
            let expected = if passes { Ok(()) } else { Err(Stop::Refused(Answer::AddressRefused)) };
            assert_eq!(verdict, expected, "{client} {spec}");
        }
    }

    #[test]
    fn a_dry_run_names_the_rule() {
        let pipeline = pipeline(rules(&[(&["10.0.0.0/8"], PASS), (&["192.0.2.0/24"], "refuse")], PASS));
        let told = Case::get("/").explain(&pipeline);
        assert_eq!(told.steps[0].note.as_deref(), Some("192.0.2.1 is in rule 2"));
        let told = Case::get("/").from("203.0.113.9").explain(&pipeline);
        assert_eq!(told.steps[0].note.as_deref(), Some("no rule names 203.0.113.9"));
    }

    #[test]
    fn what_is_no_network_is_refused_where_it_stands() {
        let wrong = [
            "",
            "x",
            "192.0.2",
            "192.0.2.1/33",
            "192.0.2.0/-1",
            "192.0.2.0/+24",
            "192.0.2.0/024",
            "192.0.2.0/",
            "192.0.2.1/24",
            "2001:db8::1/32",
            "2001:db8::/129",
            "::ffff:192.0.2.0/120",
            "fe80::1%eth0",
            "192.0.2.0/24/8",
            " 192.0.2.1",
            "0192.0.2.1",
        ];
        for text in wrong {
            let spec = rules(&[(&["192.0.2.1"], PASS), (&["::1", text], "refuse")], "refuse");
            assert_eq!(fault(spec), "ip_access.rules[1].networks[1]", "{text}");
        }
        assert_eq!(fault(rules(&[(&[], PASS)], "refuse")), "ip_access.rules[0].networks");
        let many = vec!["192.0.2.1"; super::MAX_NETWORKS + 1];
        assert_eq!(fault(rules(&[(&many, PASS)], "refuse")), "ip_access.rules");
        assert_eq!(fault(rules(&[(&["::1"][..], PASS); super::MAX_RULES + 1], "refuse")), "ip_access.rules");
    }

    #[test]
    fn the_default_must_be_said_and_no_action_is_called_allow() {
        for spec in [json!({ "rules": [] }), json!({ "otherwise": "allow" }), json!({ "otherwise": "refuse", "x": 1 })]
        {
            assert!(serde_json::from_value::<super::Spec>(spec.clone()).is_err(), "{spec}");
        }
    }
}
