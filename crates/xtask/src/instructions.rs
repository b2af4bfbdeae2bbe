//! Instructions of the hot path, counted by callgrind: the same for the same program whatever else the machine does, so
//! a test may hold them against a budget, as it never may with times.

use crate::bench::run_command;
use crate::tree;
use anyhow::{Context as _, Result};
use std::time::Duration;

/// A measuring program, run with two counts: the difference is what the exchanges cost and nothing else.
struct Path {
    what: &'static str,
    package: &'static str,
    example: &'static str,
    /// Behind the count of exchanges.
    arguments: &'static [&'static str],
    /// Instructions per exchange that are allowed. Lower it when it got cheaper; to raise it, say why in the commit.
    budget: u64,
}

const PATHS: &[Path] = &[
    Path {
        what: "tunnel frames, both ends, 1 KiB each way, 64 in flight",
        package: "mezu-tunnel-proto",
        example: "echo_cost",
        arguments: &["64", "1024"],
        budget: 13_000,
    },
    Path {
        what: "tunnel frames, both ends, no body, 1 in flight",
        package: "mezu-tunnel-proto",
        example: "echo_cost",
        arguments: &["1", "0"],
        budget: 9_800,
    },
    Path {
        what: "Warpgate's engine: a browser's request and a 1 KiB answer, over a workload in memory",
        package: "warpgate",
        example: "engine_cost",
        arguments: &[],
        budget: 13_500,
    },
    Path {
        what: "policy: a route without stages",
        package: "mezu-policy",
        example: "pipeline_cost",
        arguments: &["0"],
        budget: 450,
    },
    Path {
        what: "policy: five stages, of which two write on every answer",
        package: "mezu-policy",
        example: "pipeline_cost",
        arguments: &["5"],
        budget: 3_800,
    },
    Path {
        what: "the edge: the route of a host that has one, of 100,000 hosts",
        package: "mezu-edge",
        example: "route_cost",
        arguments: &["hosts", "100000"],
        budget: 170,
    },
    Path {
        what: "the edge: one of the 10,000 routes of a host, three segments deep",
        package: "mezu-edge",
        example: "route_cost",
        arguments: &["paths", "10000"],
        budget: 1_000,
    },
    Path {
        what: "the edge: one of the 10,000 routes of a host, by two captures",
        package: "mezu-edge",
        example: "route_cost",
        arguments: &["captures", "10000"],
        budget: 1_000,
    },
];

const FEW: u64 = 2_000;
const MANY: u64 = 12_000;
const BUILD: Duration = Duration::from_secs(900);
const RUN: Duration = Duration::from_secs(120);

pub(crate) fn check() -> Result<()> {
    let mut findings = Vec::new();
    for path in PATHS {
        let each = count(path).with_context(|| path.what)?;
        println!("{each:>7} instructions, {} allowed: {}", path.budget, path.what);
        if each > path.budget {
            findings.push(format!("{}: {each} instructions, over the {} allowed", path.what, path.budget));
        }
    }
    crate::report("instructions", &findings)
}

fn count(path: &Path) -> Result<u64> {
    let build = ["cargo", "build", "--quiet", "--release", "-p", path.package, "--example", path.example];
    run_command(&build.map(String::from), BUILD)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree::root().join("target"), Into::into);
    let program = target.join("release/examples").join(path.example).display().to_string();
    let spent = |exchanges: u64| -> Result<u64> {
        let mut command =
            ["sh", "-c", "exec valgrind --tool=callgrind --callgrind-out-file=/dev/null \"$@\" 2>&1", "sh"]
                .map(String::from)
                .to_vec();
        command.extend([program.clone(), exchanges.to_string()]);
        command.extend(path.arguments.iter().map(|argument| (*argument).to_owned()));
        collected(&run_command(&command, RUN)?)
    };
    Ok((spent(MANY)? - spent(FEW)?) / (MANY - FEW))
}

/// The figure behind callgrind's `Collected :`.
fn collected(said: &str) -> Result<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :")).context("callgrind counted nothing")?;
    Ok(line.1.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_callgrind_says() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 12345\n==1== \n").unwrap(), 12345);
        assert!(collected("nothing").is_err());
    }
}
