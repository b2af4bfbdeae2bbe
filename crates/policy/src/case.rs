//! A request to test stages with.
#![allow(clippy::unwrap_used)]

use std::hash::RandomState;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mezu_model::{Aim, Context, GateLabel, Headers, RequestHead, ResponseHead, RouteId, WorkloadId};
use serde_json::Value;

use crate::{
    AnswerBody, Beside, Explanation, Live, Permitted, Pipeline, PipelineSpec, Reply, RouteLive, Stop, Subject,
};

/// The workload of the route in every case.
pub(crate) const WORKLOAD: WorkloadId = WorkloadId::from_bytes([7; 16]);

/// Everything about one request, as the edge would hold it.
pub(crate) struct Case {
    pub(crate) head: RequestHead,
    pub(crate) context: Context,
    pub(crate) declared: Option<u64>,
    pub(crate) now: Instant,
    pub(crate) beside: Beside,
    pub(crate) live: Arc<RouteLive>,
    /// What the host is for.
    pub(crate) label: Option<GateLabel>,
}

impl Case {
    /// GET `path` at `shop.example`, from 192.0.2.1.
    pub(crate) fn get(path: &str) -> Self {
        let head = RequestHead { host: "shop.example".into(), path: path.into(), ..RequestHead::default() };
        let context = Context { client: "192.0.2.1:1".parse().unwrap(), ..Context::default() };
        Self { head, context, declared: Some(0), now: epoch(), beside: Beside::default(), live: state(), label: None }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head.headers.push(name.as_bytes(), value.as_bytes()).unwrap();
        self
    }

    pub(crate) fn from(mut self, client: &str) -> Self {
        self.context.client = std::net::SocketAddr::new(client.parse().unwrap(), 1);
        self
    }

    /// So long after the beginning.
    pub(crate) fn at(mut self, since: Duration) -> Self {
        self.now = epoch() + since;
        self
    }

    /// On a route with this live state.
    pub(crate) fn with(mut self, live: &Arc<RouteLive>) -> Self {
        self.live = Arc::clone(live);
        self
    }

    fn subject(&mut self) -> Subject<'_> {
        let Self { head, context, declared, now, beside, live, label } = self;
        Subject {
            head,
            context,
            declared: *declared,
            now: *now,
            workload: WORKLOAD,
            label: label.clone(),
            live,
            beside,
        }
    }

    pub(crate) fn permit<'a>(&'a mut self, pipeline: &'a Pipeline) -> Result<Permitted<'a>, Stop> {
        pipeline.permit(self.subject()).map(|(_, permitted)| permitted)
    }

    /// Where the request goes.
    pub(crate) fn workload(&mut self, pipeline: &Pipeline) -> WorkloadId {
        self.aim(pipeline).workload
    }

    /// The same, to the label.
    pub(crate) fn aim(&mut self, pipeline: &Pipeline) -> Aim {
        self.aimed(pipeline).0
    }

    /// The same, and where else it may go.
    pub(crate) fn aimed(&mut self, pipeline: &Pipeline) -> (Aim, Option<Vec<Aim>>) {
        let (aim, permitted) = pipeline.permit(self.subject()).unwrap();
        (aim, permitted.instead().map(<[Aim]>::to_vec))
    }

    pub(crate) fn explain(&mut self, pipeline: &Pipeline) -> Explanation {
        pipeline.explain(self.subject())
    }

    /// The answer that a stage gives instead of the workload.
    pub(crate) fn reply(&mut self, pipeline: &Pipeline) -> Box<Reply> {
        match self.permit(pipeline).map(drop) {
            Err(Stop::Replied(reply)) => reply,
            other => panic!("no reply: {other:?}"),
        }
    }

    /// An answer of the workload, as the client gets it.
    pub(crate) fn answer(&mut self, pipeline: &Pipeline, fields: &[(&str, &str)]) -> ResponseHead {
        let permitted = self.permit(pipeline).unwrap();
        let mut answer = ResponseHead { status: 200, headers: headers(fields) };
        permitted.respond(&mut answer, AnswerBody::Unknown);
        answer
    }
}

/// The live state of a route that nobody has used yet.
pub(crate) fn state() -> Arc<RouteLive> {
    let limited = pipeline(serde_json::json!({ "concurrency": { "requests": 1 } }));
    Live::new(epoch(), RandomState::new()).of(RouteId::from_bytes([9; 16]), &limited)
}

/// The zero of a test's time.
pub(crate) fn epoch() -> Instant {
    static EPOCH: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    *EPOCH
}

/// A pipeline from its JSON.
pub(crate) fn pipeline(spec: Value) -> Pipeline {
    Pipeline::compile(&serde_json::from_value::<PipelineSpec>(spec).unwrap()).unwrap()
}

/// Where the compiler finds fault with a pipeline's JSON.
pub(crate) fn fault(spec: Value) -> String {
    Pipeline::compile(&serde_json::from_value::<PipelineSpec>(spec).unwrap()).unwrap_err().at
}

pub(crate) fn headers(fields: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.push(name.as_bytes(), value.as_bytes()).unwrap();
    }
    headers
}

/// All values of a name, in order.
pub(crate) fn values(headers: &Headers, name: &str) -> Vec<String> {
    let named = headers.iter().filter(|field| field.name == name.as_bytes());
    named.map(|field| String::from_utf8_lossy(field.value).into_owned()).collect()
}
