//! From a route's spec to its stages, and from a request to a [`Permitted`].

use mezu_model::{Context, RequestHead, ResponseHead};

use crate::{Answer, BodyMeter, Request, Response, Stage, Verdict};

/// The stages that one route has switched on, in order.
#[derive(Debug)]
pub struct Pipeline {
    stages: Box<[Box<dyn Stage>]>,
}

/// What a route without a `body_limit` stage lets through, bytes: anything (`docs/adr/0006`).
const NO_BODY_LIMIT: u64 = u64::MAX;

impl Pipeline {
    pub(crate) fn new(stages: Vec<Box<dyn Stage>>) -> Self {
        Self { stages: stages.into_boxed_slice() }
    }

    /// Judges a request. `declared` is the length of its body if the client told it, 0 for none.
    ///
    /// # Errors
    /// The [`Answer`] of the stage that did not let it pass.
    #[inline]
    pub fn permit<'a>(
        &'a self,
        head: &'a mut RequestHead,
        context: &'a Context,
        declared: Option<u64>,
    ) -> Result<Permitted<'a>, Answer> {
        let mut body_limit = NO_BODY_LIMIT;
        if !self.stages.is_empty() {
            let mut request = Request { head: &mut *head, context, declared, body_limit, scratch: Vec::new() };
            for stage in &self.stages {
                match stage.request(&mut request) {
                    Verdict::Continue => {}
                    Verdict::Answer(answer) => return Err(answer),
                }
            }
            body_limit = request.body_limit;
        }
        let body = BodyMeter::new(body_limit);
        body.declare(declared)?;
        Ok(Permitted { pipeline: self, head, context, body })
    }
}

impl Default for Pipeline {
    /// No stage at all.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// A request that has passed its route's policy. Nothing else can be forwarded.
///
/// ```compile_fail
/// let forged = mezu_policy::Permitted { ..unreachable!() };
/// ```
#[derive(Debug)]
pub struct Permitted<'a> {
    pipeline: &'a Pipeline,
    head: &'a RequestHead,
    context: &'a Context,
    body: BodyMeter,
}

impl<'a> Permitted<'a> {
    /// The head as it goes to the workload.
    #[must_use]
    pub const fn head(&self) -> &'a RequestHead {
        self.head
    }

    #[must_use]
    pub const fn context(&self) -> &'a Context {
        self.context
    }

    /// Counts the request's body while it streams; what it refuses must not be sent on.
    pub const fn body(&mut self) -> &mut BodyMeter {
        &mut self.body
    }

    /// Takes the final head of the workload's answer back through the stages.
    #[inline]
    pub fn respond(&self, head: &mut ResponseHead) {
        if self.pipeline.stages.is_empty() {
            return;
        }
        let mut response = Response { head, request: self.head, context: self.context, scratch: Vec::new() };
        for stage in self.pipeline.stages.iter().rev() {
            stage.response(&mut response);
        }
    }
}

/// Makes everything that follows from the list of capabilities: the spec of a pipeline, its schema and its compiler.
macro_rules! capabilities {
    (ORDER = $($name:ident),+ $(,)?) => {
        /// The names of all capabilities, in the order in which requests pass them.
        pub const ORDER: &[&str] = &[$(stringify!($name)),+];

        /// What a route has switched on. An absent capability is off.
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct PipelineSpec {
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<$name::Spec>,
            )+
        }

        /// The JSON schema (draft 2020-12) of a [`PipelineSpec`].
        #[must_use]
        pub fn schema() -> serde_json::Value {
            serde_json::json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "Pipeline",
                "type": "object",
                "additionalProperties": false,
                "properties": { $(stringify!($name): $name::schema()),+ }
            })
        }

        impl Pipeline {
            /// Turns a spec into stages, in [`ORDER`].
            ///
            /// # Errors
            /// [`Invalid`] when a capability refuses its spec.
            pub fn compile(spec: &PipelineSpec) -> Result<Self, Invalid> {
                let mut stages: Vec<Box<dyn Stage>> = Vec::new();
                $(
                    if let Some(spec) = &spec.$name {
                        stages.push(Box::new($name::compile(spec)?));
                    }
                )+
                Ok(Self::new(stages))
            }
        }
    };
}
pub(crate) use capabilities;

#[cfg(test)]
mod tests;
