//! Copies a share of a route's requests to another workload, whose answers nobody gets: to try a new version with real
//! requests.
//!
//! The stage only says which requests are to be copied and where to; the edge does it (`edge/src/mirror`), beside the
//! request, which neither waits for the copy nor hears of it. Must never copy what another stage has refused, an upgrade,
//! or a copy: that goes straight to its workload and through no route. The workload must be one of the route's
//! organisation: the snapshot's check refuses such a route.

use mezu_model::{Method, WorkloadId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Invalid, Request, Stage, Verdict};

/// Most methods in the list.
const MAX_METHODS: usize = 16;
/// Longest body that may be copied, bytes.
const MAX_BODY: u32 = 65_536;
/// Longest body that is copied when nobody says otherwise, bytes.
const BODY: u32 = 16_384;

/// What to copy, and where to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Gets the copies.
    pub workload: WorkloadId,
    /// Of a thousand requests, so many are copied.
    #[serde(default = "usual_permille")]
    pub permille: u32,
    /// Requests with other methods are not copied.
    #[serde(default = "usual_methods")]
    pub methods: Vec<String>,
    /// Requests with longer bodies are not copied, bytes.
    #[serde(default = "usual_body_bytes")]
    pub body_bytes: u32,
}

const fn usual_permille() -> u32 {
    1000
}

fn usual_methods() -> Vec<String> {
    ["GET", "HEAD"].map(str::to_owned).into()
}

const fn usual_body_bytes() -> u32 {
    BODY
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    json!({
        "title": "Mirror",
        "description": "Copies requests to another workload, whose answers nobody gets.",
        "type": "object",
        "additionalProperties": false,
        "required": ["workload"],
        "properties": {
            "workload": { "title": "Workload", "type": "string", "format": "uuid" },
            "permille": {
                "title": "Requests of a thousand",
                "type": "integer",
                "minimum": 1,
                "maximum": 1000,
                "default": usual_permille()
            },
            "methods": {
                "title": "Methods",
                "description": "With others than GET and HEAD the copy has effects too.",
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_METHODS,
                "items": { "type": "string", "maxLength": Method::MAX_LEN },
                "default": usual_methods()
            },
            "body_bytes": {
                "title": "Longest body",
                "description": "Bytes. Requests with longer bodies are not copied.",
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_BODY,
                "default": BODY
            }
        }
    })
}

/// That a request is to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copying {
    /// Gets the copy.
    pub workload: WorkloadId,
    /// With a longer body it is not to be copied after all.
    pub body_bytes: u32,
}

#[derive(Debug)]
pub(crate) struct Mirror {
    copying: Copying,
    permille: u32,
    methods: Box<[Method]>,
}

pub(crate) fn compile(spec: &Spec) -> Result<Mirror, Invalid> {
    if !(1..=1000).contains(&spec.permille) {
        return Err(Invalid::new("mirror.permille", "1 to 1000 of a thousand requests"));
    }
    if spec.methods.is_empty() || spec.methods.len() > MAX_METHODS {
        return Err(Invalid::new("mirror.methods", format!("1 to {MAX_METHODS} methods")));
    }
    if spec.body_bytes > MAX_BODY {
        return Err(Invalid::new("mirror.body_bytes", format!("at most {MAX_BODY} bytes")));
    }
    let methods = spec.methods.iter().enumerate().map(|(index, name)| {
        method(name).ok_or_else(|| {
            Invalid::new(format!("mirror.methods[{index}]"), "a method in capitals, such as GET, that is not CONNECT")
        })
    });
    Ok(Mirror {
        methods: methods.collect::<Result<_, _>>()?,
        copying: Copying { workload: spec.workload, body_bytes: spec.body_bytes },
        permille: spec.permille,
    })
}

fn method(name: &str) -> Option<Method> {
    let method = Method::from_bytes(name.as_bytes())?;
    let is_odd = matches!(method, Method::Connect | Method::Trace) || name.bytes().any(|b| b.is_ascii_lowercase());
    (!is_odd).then_some(method)
}

impl Stage for Mirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        let head = &*request.head;
        if head.upgrade.is_some() || !self.methods.contains(&head.method) {
            request.tell(|_| "not one that is copied".to_owned());
            return Verdict::Continue;
        }
        if request.is_trial() {
            request
                .tell(|_| format!("{} of 1000 such requests are copied to {}", self.permille, self.copying.workload));
        } else if self.is_drawn(request.context.ray.0) {
            request.beside.copy(self.copying);
        }
        Verdict::Continue
    }
}

impl Mirror {
    /// Every ray is random; this is not the draw by which `split` deals out.
    fn is_drawn(&self, ray: u128) -> bool {
        let place = crate::split::mixed(&(!ray).to_be_bytes());
        (u128::from(place) * 1000) >> 64 < u128::from(self.permille)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use mezu_model::{Method, RayId, Upgrade};
    use serde_json::json;

    use super::{Copying, MAX_BODY, MAX_METHODS};
    use crate::case::{Case, WORKLOAD, fault, pipeline};

    /// What becomes of a request under this spec.
    fn copied(spec: serde_json::Value, change: impl FnOnce(&mut Case)) -> Option<Copying> {
        let pipeline = pipeline(json!({ "mirror": spec }));
        let mut case = Case::get("/");
        change(&mut case);
        assert_eq!(case.workload(&pipeline), WORKLOAD, "the request goes where it would have gone");
        case.beside.copying()
    }

    #[test]
    fn only_requests_with_these_methods_and_no_upgrades() {
        let id = "0190b3d2-5c1e-7a60-8000-000000000001";
        let copying = Some(Copying { workload: id.parse().unwrap(), body_bytes: 16_384 });
        for (method, usual, others) in [
            (Method::Get, true, false),
            (Method::Head, true, false),
            (Method::Post, false, true),
            (Method::Put, false, false),
            (Method::Other("PURGE".into()), false, true),
        ] {
            let set = |case: &mut Case| case.head.method = method.clone();
            assert_eq!(copied(json!({ "workload": id }), set), copying.filter(|_| usual), "{method:?}");
            let spec = json!({ "workload": id, "methods": ["POST", "PURGE"] });
            assert_eq!(copied(spec, set), copying.filter(|_| others), "{method:?}");
        }
        assert_eq!(copied(json!({ "workload": id }), |case| case.head.upgrade = Some(Upgrade::WebSocket)), None);
        let spec = json!({ "workload": id, "body_bytes": 7 });
        assert_eq!(copied(spec, |_| {}).unwrap().body_bytes, 7);
    }

    #[test]
    fn the_share_is_kept() {
        for permille in [1usize, 100, 1000] {
            let spec = json!({ "workload": WORKLOAD, "permille": permille });
            let pipeline = pipeline(json!({ "mirror": spec }));
            let drawn = (0..20_000u128).filter(|n| {
                let mut case = Case::get("/");
                case.context.ray = RayId(n * 0x9e37_79b9_7f4a_7c15);
                drop(case.permit(&pipeline).unwrap());
                case.beside.copying().is_some()
            });
            let (found, expected) = (drawn.count(), 20 * permille);
            let off = expected / 5 + 15;
            let range = if permille == 1000 { 20_000..=20_000 } else { expected.saturating_sub(off)..=expected + off };
            assert!(range.contains(&found), "{permille}: {found}");
        }
    }

    #[test]
    fn asking_about_a_request_tells_and_copies_nothing() {
        let pipeline = pipeline(json!({ "mirror": { "workload": WORKLOAD, "permille": 50 } }));
        let mut case = Case::get("/");
        let told = case.explain(&pipeline).steps[0].note.clone().unwrap();
        assert_eq!(told, format!("50 of 1000 such requests are copied to {WORKLOAD}"));
        case.head.method = Method::Post;
        assert_eq!(case.explain(&pipeline).steps[0].note.as_deref(), Some("not one that is copied"));
        assert_eq!(case.beside.copying(), None);
    }

    #[test]
    fn what_is_refused_is_not_copied() {
        let spec = json!({ "mirror": { "workload": WORKLOAD }, "ip_access": { "rules": [], "otherwise": "refuse" } });
        let pipeline = pipeline(spec);
        let mut case = Case::get("/");
        assert!(case.permit(&pipeline).is_err());
        assert_eq!(case.beside.copying(), None);
    }

    #[test]
    fn bounds() {
        for (field, value, at) in [
            ("permille", json!(0), "mirror.permille"),
            ("permille", json!(1001), "mirror.permille"),
            ("methods", json!([]), "mirror.methods"),
            ("methods", json!(vec!["GET"; MAX_METHODS + 1]), "mirror.methods"),
            ("methods", json!(["GET", "get"]), "mirror.methods[1]"),
            ("methods", json!(["CONNECT"]), "mirror.methods[0]"),
            ("methods", json!(["G T"]), "mirror.methods[0]"),
            ("body_bytes", json!(MAX_BODY + 1), "mirror.body_bytes"),
        ] {
            let mut spec = json!({ "workload": WORKLOAD });
            spec[field] = value;
            assert_eq!(fault(json!({ "mirror": spec })), at);
        }
    }
}
