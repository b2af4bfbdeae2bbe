#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::Mutex;

use mezu_model::ResponseHead;
use serde_json::{Value, json};

use crate::case::{Case, WORKLOAD};
use crate::{Answer, AnswerBody, ORDER, Pipeline, PipelineSpec, Request, Response, Stage, Stop, Verdict, schema};

/// Writes down when it was asked.
#[derive(Debug)]
struct Spy {
    name: &'static str,
    refuses: bool,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Stage for Spy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        request.tell(|_| format!("{} is asked", self.name));
        request.beside.reply_mut().push(b"x-seen", self.name.as_bytes()).unwrap();
        self.heard.lock().unwrap().push(format!("request {}", self.name));
        if self.refuses { Verdict::Answer(Answer::BodyTooLarge { limit: 1 }) } else { Verdict::Continue }
    }

    fn response(&self, _: &mut Response<'_>) {
        self.heard.lock().unwrap().push(format!("response {}", self.name));
    }
}

fn spies(refuses: [bool; 3]) -> (Pipeline, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let stages = ["a", "b", "c"].into_iter().zip(refuses);
    let stages = stages.map(|(name, refuses)| Box::new(Spy { name, refuses, heard: heard.clone() }) as Box<dyn Stage>);
    (Pipeline::new(stages.collect()), heard)
}

#[test]
fn every_method_of_every_stage_is_reached_in_order() {
    let (pipeline, heard) = spies([false; 3]);
    let mut case = Case::get("/");
    let permitted = case.permit(&pipeline).unwrap();
    let mut answer = ResponseHead::new(200);
    permitted.respond(&mut answer, AnswerBody::Unknown);
    let expected = ["request a", "request b", "request c", "response c", "response b", "response a"];
    assert_eq!(*heard.lock().unwrap(), expected);
    drop(permitted);
    // What goes on every answer comes last, after the stages have done with the workload's own fields.
    assert_eq!(&answer.headers, case.beside.reply());
    assert_eq!(case.workload(&pipeline), WORKLOAD);
}

#[test]
fn the_first_answer_ends_it() {
    let (pipeline, heard) = spies([false, true, false]);
    let mut case = Case::get("/");
    assert!(case.permit(&pipeline).is_err());
    assert_eq!(*heard.lock().unwrap(), ["request a", "request b"]);
    // A refusal of `b` gets what `a` and `b` want on every answer.
    assert_eq!(case.beside.reply().len(), 2);
}

#[test]
fn a_dry_run_asks_the_same_stages_and_tells_what_each_said() {
    let (pipeline, _) = spies([false, true, false]);
    let told = Case::get("/").explain(&pipeline);
    let steps: Vec<_> = told.steps.iter().map(|step| (step.stage, step.passed, step.note.as_deref())).collect();
    assert_eq!(steps, [("a", true, Some("a is asked")), ("b", false, Some("b is asked"))]);
    assert_eq!(told.outcome, Err(Stop::Refused(Answer::BodyTooLarge { limit: 1 })));
    let told = Case::get("/").explain(&spies([false; 3]).0);
    assert_eq!((told.steps.len(), told.outcome), (3, Ok(WORKLOAD.into())));
}

#[test]
fn stages_know_their_names() {
    let pipeline = Pipeline::compile(&full()).unwrap();
    assert_eq!(pipeline.stages.iter().map(|stage| stage.name()).collect::<Vec<_>>(), ORDER);
}

#[test]
fn a_route_pays_only_for_what_it_has() {
    assert_eq!(Pipeline::compile(&PipelineSpec::default()).unwrap().stages.len(), 0);
    assert_eq!(Pipeline::compile(&full()).unwrap().stages.len(), ORDER.len());
}

#[test]
fn a_spec_survives_json_and_refuses_what_it_does_not_know() {
    let text = serde_json::to_string(&full()).unwrap();
    assert_eq!(serde_json::from_str::<PipelineSpec>(&text).unwrap(), full());
    assert_eq!(serde_json::from_str::<PipelineSpec>("{}").unwrap(), PipelineSpec::default());
    assert!(serde_json::from_str::<PipelineSpec>(r#"{"waf":{}}"#).is_err());
    assert!(serde_json::from_str::<PipelineSpec>(r#"{"body_limit":{"bytes":1,"unit":"MiB"}}"#).is_err());
}

#[test]
fn the_schema_knows_every_field_and_no_other() {
    let spec = serde_json::to_value(full()).unwrap();
    same_fields("", &spec, &schema());
    let listed: Vec<_> = ORDER.to_vec();
    let mut known: Vec<_> = schema()["properties"].as_object().unwrap().keys().cloned().collect();
    known.sort_by_key(|name| listed.iter().position(|listed| listed == name));
    assert_eq!(known, listed);
}

#[test]
fn every_capability_has_a_page_for_people() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/capabilities");
    for name in ORDER {
        let page = std::fs::read_to_string(folder.join(format!("{name}.md")));
        assert!(page.is_ok_and(|page| page.starts_with(&format!("# {name}\n"))), "docs/capabilities/{name}.md");
    }
}

fn same_fields(at: &str, value: &Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            assert_eq!(schema["additionalProperties"], json!(false), "{at}");
            let properties = schema["properties"].as_object().expect(at);
            assert_eq!(fields.keys().collect::<Vec<_>>(), properties.keys().collect::<Vec<_>>(), "{at}");
            for (name, value) in fields {
                same_fields(&format!("{at}.{name}"), value, &properties[name]);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| same_fields(&format!("{at}[]"), item, &schema["items"])),
        Value::String(_) => assert_eq!(schema["type"], "string", "{at}"),
        Value::Bool(_) => assert_eq!(schema["type"], "boolean", "{at}"),
        Value::Number(_) => assert_eq!(schema["type"], "integer", "{at}"),
        other => panic!("no rule for {other} at {at}"),
    }
}

/// Every capability with every field filled in.
fn full() -> PipelineSpec {
    let changes = json!({
        "set": [{ "name": "x-a", "value": "1" }], "add": [{ "name": "x-b", "value": "2" }], "remove": ["x-c"]
    });
    let field = json!({ "name": "x-a", "value": "1" });
    serde_json::from_value(json!({
        "compress": { "encodings": ["zstd"], "min_bytes": 1, "types": ["text/*"] },
        "cors": {
            "origins": ["https://app.example"], "methods": ["PUT"], "headers": ["x-a"], "expose": ["x-b"],
            "credentials": true, "max_age": 1, "private_network": true
        },
        "ip_access": { "rules": [{ "networks": ["192.0.2.0/24"], "then": "refuse" }], "otherwise": "pass_to_next_stages" },
        "redirect": { "status": 308, "to": "/new${path.rest}", "strip_prefix": "/old", "query": "keep" },
        "respond": {
            "page": "own", "status": 503, "content_type": "text/html", "body": "x", "headers": [field], "retry_after": 60
        },
        "body_limit": { "bytes": 1024 },
        "rate_limit": {
            "limits": [{ "name": "a", "requests": 10, "per": 60, "burst": 5, "key": "header", "key_name": "x-api-key" }],
            "dry_run": true, "announce": true
        },
        "concurrency": { "requests": 10 },
        "rewrite": { "strip_prefix": "/a", "pattern": "b", "replacement": "c", "add_prefix": "/d" },
        "split": {
            "to": [{ "workload": WORKLOAD, "label": "blue", "weight": 1 }], "sticky": "cookie", "cookie": "__Host-a", "max_age": 60
        },
        "mirror": { "workload": WORKLOAD, "permille": 10, "methods": ["GET"], "body_bytes": 1024 },
        "headers": { "request": changes, "response": changes, "security": {
            "hsts": 1, "hsts_subdomains": true, "nosniff": true, "frames": "deny", "referrer": "none", "csp": "strict",
            "hide_software": true
        } }
    }))
    .unwrap()
}
