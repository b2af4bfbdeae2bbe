//! From the flags of `route add` and `route set` to what a route says.

use mezu_api::route::{HeaderMatch, Matcher, RouteSpec};
use mezu_policy::PipelineSpec;
use serde_json::{Map, Value, json};

use super::args::{MatchFlags, SetArgs, StageFlags};
use super::input;
use super::out::Failure;

/// What is asked of requests, by the flags.
pub(super) fn matcher(flags: MatchFlags) -> Matcher {
    let MatchFlags { methods, headers } = flags;
    let mut merged: Vec<HeaderMatch> = Vec::new();
    for header in headers {
        match merged.iter_mut().find(|one| one.name == header.name) {
            Some(one) => one.values.extend(header.values),
            None => merged.push(header),
        }
    }
    Matcher { methods: methods.iter().map(|method| method.to_ascii_uppercase()).collect(), headers: merged }
}

/// The capabilities that the flags switch on, over those that are.
///
/// # Errors
/// When one is set twice, or not as it may be.
pub(super) fn pipeline(flags: StageFlags, before: &PipelineSpec, unset: &[String]) -> Result<PipelineSpec, Failure> {
    let mut stages = match &flags.stages {
        Some(file) => {
            let text = input::text(file)?;
            let odd = |why: &dyn std::fmt::Display| Failure::Refused(format!("{}: {why}", input::named(file)));
            match serde_json::from_str(&text).map_err(|error| odd(&error))? {
                Value::Object(stages) => stages,
                _ => return Err(odd(&"expected an object such as {\"body_limit\": {\"bytes\": 1048576}}")),
            }
        }
        None => whole(before),
    };
    for stage in unset {
        if stages.remove(stage).is_none() {
            return Err(Failure::Refused(format!("{stage} is not switched on")));
        }
    }
    let mut named = Map::new();
    for (stage, value) in short(&flags).into_iter().chain(flags.set) {
        if named.insert(stage.clone(), value).is_some() {
            return Err(Failure::Refused(format!("{stage} is set twice")));
        }
    }
    stages.extend(named);
    serde_path_to_error::deserialize(Value::Object(stages)).map_err(|error| {
        let (place, reason) = (error.path().to_string(), error.into_inner());
        Failure::Refused(format!("{place}: {reason}\n       `mezusphere route stages` shows the form of each"))
    })
}

/// What a route says when the flags have changed it.
///
/// # Errors
/// As those of [`pipeline`], and when nothing is to be changed.
pub(super) fn changed(args: SetArgs, before: &RouteSpec) -> Result<RouteSpec, Failure> {
    let SetArgs { path, workload, matching, any_method, any_header, rank, no_rank, on, off, stages, unset, .. } = args;
    let mut after = before.clone();
    after.path = path.map_or(after.path, |path| path.as_str().to_string());
    after.workload = workload.unwrap_or(after.workload);
    let Matcher { methods, headers } = matcher(matching);
    if any_method || !methods.is_empty() {
        after.matcher.methods = methods;
    }
    if any_header || !headers.is_empty() {
        after.matcher.headers = headers;
    }
    after.rank = if no_rank { None } else { rank.or(after.rank) };
    after.enabled = on || (after.enabled && !off);
    after.pipeline = pipeline(stages, &before.pipeline, &unset)?;
    if after == *before {
        return Err(Failure::Refused(
            "the route says that already; `mezusphere route set --help` tells what can be changed".into(),
        ));
    }
    Ok(after)
}

/// What is switched on, by name.
pub(super) fn whole(pipeline: &PipelineSpec) -> Map<String, Value> {
    match serde_json::to_value(pipeline) {
        Ok(Value::Object(stages)) => stages,
        _ => Map::new(),
    }
}

/// The capabilities that the short flags stand for.
fn short(flags: &StageFlags) -> Vec<(String, Value)> {
    let mut stages = Vec::new();
    let mut add = |name: &str, value: Value| stages.push((name.to_string(), value));
    if !flags.allow.is_empty() || !flags.deny.is_empty() {
        add("ip_access", ip_access(flags));
    }
    if !flags.cors.is_empty() {
        add("cors", json!({ "origins": flags.cors }));
    }
    if let Some(to) = &flags.redirect {
        add("redirect", json!({ "to": to }));
    }
    if flags.maintenance {
        add("respond", json!({ "page": "maintenance" }));
    }
    if let Some(bytes) = flags.body_limit {
        add("body_limit", json!({ "bytes": bytes }));
    }
    if let Some((requests, per)) = flags.rate_limit {
        add("rate_limit", json!({ "limits": [{ "requests": requests, "per": per }] }));
    }
    if let Some(requests) = flags.max_in_flight {
        add("concurrency", json!({ "requests": requests }));
    }
    let prefixes = [("strip_prefix", &flags.strip_prefix), ("add_prefix", &flags.add_prefix)];
    let prefixes: Map<String, Value> =
        prefixes.iter().filter_map(|(name, value)| Some(((*name).to_string(), json!(value.as_ref()?)))).collect();
    if !prefixes.is_empty() {
        add("rewrite", Value::Object(prefixes));
    }
    stages
}

/// Who is kept out is kept out even if the network around it is let in.
fn ip_access(flags: &StageFlags) -> Value {
    let texts = |networks: &[mezu_model::Network]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut rules = Vec::new();
    if !flags.deny.is_empty() {
        rules.push(json!({ "networks": texts(&flags.deny), "then": "refuse" }));
    }
    if !flags.allow.is_empty() {
        rules.push(json!({ "networks": texts(&flags.allow), "then": "pass_to_next_stages" }));
    }
    let otherwise = if flags.allow.is_empty() { "pass_to_next_stages" } else { "refuse" };
    json!({ "rules": rules, "otherwise": otherwise })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::cli::args::{Command, RouteCommand};

    fn set(words: &[&str]) -> SetArgs {
        let words = ["mezusphere", "route", "set", "a.test"].iter().chain(words);
        let Command::Route(args) = Cli::try_parse_from(words).unwrap().command else { panic!() };
        let RouteCommand::Set(args) = args.command else { panic!() };
        *args
    }

    fn before() -> RouteSpec {
        let route = json!({
            "host": "a.test", "workload": "web", "rank": 4, "matcher": { "methods": ["GET"] },
            "pipeline": { "body_limit": { "bytes": 9 }, "concurrency": { "requests": 2 } }
        });
        serde_json::from_value(route).unwrap()
    }

    fn after(words: &[&str]) -> Value {
        serde_json::to_value(changed(set(words), &before()).unwrap()).unwrap()
    }

    #[test]
    fn each_short_flag_switches_a_capability_on_that_compiles() {
        for (words, stage, value) in [
            ("--body-limit 1KiB", "body_limit", json!({ "bytes": 1024 })),
            ("--max-in-flight 7", "concurrency", json!({ "requests": 7 })),
            ("--strip-prefix /api --add-prefix /v2", "rewrite", json!({ "strip_prefix": "/api", "add_prefix": "/v2" })),
            (
                "--redirect https://b.test/",
                "redirect",
                json!({ "status": 308, "to": "https://b.test/", "query": "keep" }),
            ),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            assert_eq!(after(&words)["pipeline"][stage], value, "{words:?}");
        }
        let limit = after(&["--rate-limit", "100/1m"])["pipeline"]["rate_limit"]["limits"][0].clone();
        assert_eq!((&limit["requests"], &limit["per"]), (&json!(100), &json!(60)));
        let access = after(&["--allow", "192.0.2.0/24", "--deny", "192.0.2.7"])["pipeline"]["ip_access"].clone();
        assert_eq!((&access["rules"][0]["then"], &access["otherwise"]), (&json!("refuse"), &json!("refuse")));
        assert_eq!(after(&["--deny", "192.0.2.7"])["pipeline"]["ip_access"]["otherwise"], "pass_to_next_stages");
        for words in [&["--maintenance"][..], &["--cors", "https://b.test"], &["--allow", "::1"]] {
            let spec = changed(set(words), &before()).unwrap();
            mezu_policy::Pipeline::compile(&spec.pipeline).unwrap();
        }
    }

    #[test]
    fn what_is_not_named_stays() {
        let now = after(&["--rank", "-1"]);
        let mut same = serde_json::to_value(before()).unwrap();
        same["rank"] = json!(-1);
        assert_eq!(now, same);
        assert_eq!(after(&["--no-rank"])["rank"], Value::Null);
        assert_eq!(after(&["--off"])["enabled"], false);
        assert_eq!(after(&["--any-method"])["matcher"], Value::Null);
        assert_eq!(after(&["--method", "post", "--method", "PUT"])["matcher"]["methods"], json!(["POST", "PUT"]));
        let headers =
            after(&["--header", "X-A=1", "--header", "x-a=2", "--header", "x-b"])["matcher"]["headers"].clone();
        assert_eq!(headers, json!([{ "name": "x-a", "values": ["1", "2"] }, { "name": "x-b" }]));
        assert_eq!(after(&["--unset", "body_limit"])["pipeline"], json!({ "concurrency": { "requests": 2 } }));
    }

    #[test]
    fn what_says_nothing_or_too_much_is_refused() {
        for words in [
            &[][..],
            &["--rank", "4"],
            &["--unset", "cors"],
            &["--set", "body_limit={\"bytes\":1}", "--body-limit", "2"],
            &["--set", "body_limit={\"byte\":1}"],
        ] {
            assert!(changed(set(words), &before()).is_err(), "{words:?}");
        }
    }
}
