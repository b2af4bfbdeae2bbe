//! What a route's stages cost a request, there and back: so many requests, then so many stages (0 or 5). To be run under
//! callgrind; the difference of two counts is the instructions per request.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a tool for one's own desk")]

use std::hash::RandomState;
use std::hint::black_box;
use std::time::{Duration, Instant};

use mezu_model::{Context, RequestHead, ResponseHead, RouteId, WorkloadId};
use mezu_policy::{AnswerBody, Beside, Live, Pipeline, PipelineSpec, Subject};

const FIVE: &str = r#"{
    "cors": { "origins": ["https://app.example"], "credentials": true },
    "ip_access": { "rules": [{ "networks": ["198.51.100.0/24"], "then": "refuse" }], "otherwise": "pass_to_next_stages" },
    "body_limit": { "bytes": 1048576 },
    "rate_limit": { "limits": [{ "requests": 1000000, "per": 1 }] },
    "headers": { "security": { "nosniff": true, "frames": "deny" } }
}"#;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let requests: u64 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let spec = if arguments.next().as_deref() == Some("5") { FIVE } else { "{}" };
    let pipeline = Pipeline::compile(&serde_json::from_str::<PipelineSpec>(spec).unwrap()).unwrap();
    let epoch = Instant::now();
    let live = Live::new(epoch, RandomState::new()).of(RouteId::from_bytes([1; 16]), &pipeline);
    let context = Context { client: "192.0.2.1:1".parse().unwrap(), ..Context::default() };
    let workload = WorkloadId::from_bytes([2; 16]);
    let (mut head, mut answer) = (request(), ResponseHead::new(200));
    for n in 0..requests {
        let mut beside = Beside::default();
        answer.headers.clear();
        answer.headers.push(b"content-type", b"text/html").unwrap();
        let now = epoch + Duration::from_micros(n * 100);
        let (head, live, beside) = (&mut head, &*live, &mut beside);
        let subject = Subject { head, context: &context, declared: Some(0), now, workload, label: None, live, beside };
        let (_, permitted) = black_box(&pipeline).permit(black_box(subject)).unwrap();
        let coding = permitted.respond(&mut answer, AnswerBody::Unknown);
        black_box((&permitted, &answer, coding));
    }
}

/// What a browser's script sends.
fn request() -> RequestHead {
    let mut head = RequestHead { host: "shop.example".into(), path: "/cart".into(), ..RequestHead::default() };
    for (name, value) in [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("accept", "*/*"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://app.example/"),
        ("origin", "https://app.example"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "cross-site"),
        ("cookie", "sid=0123456789abcdef0123456789abcdef"),
    ] {
        head.headers.push(name.as_bytes(), value.as_bytes()).unwrap();
    }
    head
}
