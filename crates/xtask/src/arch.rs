//! Imports point downwards only. The table is ARCHITECTURE.md's; an arrow that is not in it fails here.

use crate::tree;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Each crate and the crates of ours that it may depend on. Dev-dependencies are not arrows of the product.
const ARROWS: &[(&str, &[&str])] = &[
    ("mezu-model", &[]),
    ("mezu-waf", &[]),
    ("mezu-runtime", &["mezu-model"]),
    ("mezu-tunnel-proto", &["mezu-model"]),
    ("mezu-policy", &["mezu-model", "mezu-waf"]),
    ("mezu-snapshot", &["mezu-model", "mezu-policy"]),
    ("mezu-tunnel", &["mezu-model", "mezu-tunnel-proto", "mezu-runtime"]),
    ("mezu-store", &["mezu-model", "mezu-policy", "mezu-snapshot", "mezu-runtime"]),
    ("mezu-api", &["mezu-model", "mezu-policy"]),
    ("mezu-edge", &["mezu-model", "mezu-snapshot", "mezu-policy", "mezu-tunnel", "mezu-runtime"]),
    ("mezu-dns", &["mezu-model", "mezu-snapshot", "mezu-runtime"]),
    (
        "mezu-control",
        &["mezu-model", "mezu-policy", "mezu-snapshot", "mezu-store", "mezu-api", "mezu-tunnel-proto", "mezu-runtime"],
    ),
    ("warpgate", &["mezu-model", "mezu-tunnel", "mezu-runtime"]),
    (
        "mezusphere",
        &[
            "mezu-model",
            "mezu-policy",
            "mezu-snapshot",
            "mezu-store",
            "mezu-api",
            "mezu-control",
            "mezu-tunnel",
            "mezu-edge",
            "mezu-runtime",
        ],
    ),
    ("mezu-testkit", ANY),
    ("mezu-e2e", ANY),
    ("xtask", &[]),
];

/// For the crates that only tests use.
const ANY: &[&str] = &["*"];

/// Crates that must stay pure: they are fuzzed and simulated, so nothing in them may wait, look at a clock or roll dice.
const PURE: &[&str] = &["mezu-model", "mezu-waf", "mezu-tunnel-proto", "mezu-policy", "mezu-snapshot"];

/// What a pure crate may not depend on.
const IMPURE_CRATES: &[&str] = &[
    "tokio",
    "tokio-util",
    "tokio-rustls",
    "rustls",
    "aws-lc-rs",
    "hyper",
    "hyper-util",
    "h2",
    "socket2",
    "mio",
    "libc",
    "rand",
    "getrandom",
    "fastrand",
    "uuid",
    "tracing-subscriber",
    "sqlx",
    "axum",
    "anyhow",
];

/// What a pure crate's product code may not say.
const IMPURE_WORDS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::env",
    "std::thread",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::process",
];

pub(crate) fn check() -> Result<()> {
    let packages = packages()?;
    let mut findings = Vec::new();
    for package in &packages {
        findings.extend(wrong_arrows(package));
        if PURE.contains(&package.name.as_str()) {
            findings.extend(impurities(package)?);
        }
    }
    crate::report("arch", &findings)
}

struct Package {
    name: String,
    dir: std::path::PathBuf,
    /// Normal and build dependencies, dev-dependencies excluded.
    needs: Vec<String>,
}

fn packages() -> Result<Vec<Package>> {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(tree::root())
        .output()
        .context("running cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("cargo metadata without packages")?;
    packages.iter().map(|package| read(package).context("an odd package in cargo metadata")).collect()
}

fn read(package: &Value) -> Option<Package> {
    let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
    let needs = package.get("dependencies")?.as_array()?;
    Some(Package {
        name: text(package, "name")?,
        dir: Path::new(&text(package, "manifest_path")?).parent()?.to_path_buf(),
        needs: needs
            .iter()
            .filter(|need| need.get("kind").and_then(Value::as_str) != Some("dev"))
            .filter_map(|need| text(need, "name"))
            .collect(),
    })
}

fn wrong_arrows(package: &Package) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        return vec![format!("{}: not in the table of crates/xtask/src/arch.rs", package.name)];
    };
    if *allowed == ANY {
        return Vec::new();
    }
    let is_ours = |name: &&String| ARROWS.iter().any(|(ours, _)| ours == name);
    let ours = package.needs.iter().filter(is_ours);
    ours.filter(|need| !allowed.contains(&need.as_str()))
        .map(|need| format!("{} → {need}: this arrow is not in ARCHITECTURE.md", package.name))
        .collect()
}

fn impurities(package: &Package) -> Result<Vec<String>> {
    let mut findings: Vec<String> = package
        .needs
        .iter()
        .filter(|need| IMPURE_CRATES.contains(&need.as_str()))
        .map(|need| format!("{} → {need}: a pure crate may not depend on it", package.name))
        .collect();
    for path in tree::files(&package.dir.join("src"), ".rs")? {
        let text = std::fs::read_to_string(&path)?;
        if tree::is_exempt(&path, &text) {
            continue;
        }
        for (number, line) in tree::product_lines(&text).into_iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let found = IMPURE_WORDS.iter().filter(|word| code.contains(**word));
            findings.extend(found.map(|word| format!("{}:{}: {word} in a pure crate", tree::shown(&path), number + 1)));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, needs: &[&str]) -> Package {
        Package { name: name.into(), dir: tree::root(), needs: needs.iter().map(|need| (*need).into()).collect() }
    }

    #[test]
    fn an_upward_arrow_is_found() {
        assert!(wrong_arrows(&package("mezu-edge", &["mezu-tunnel", "bytes"])).is_empty());
        assert_eq!(wrong_arrows(&package("mezu-tunnel", &["mezu-edge"])).len(), 1);
        assert_eq!(wrong_arrows(&package("mezu-novel", &[])).len(), 1);
    }

    #[test]
    fn the_table_itself_points_downwards() {
        for (at, (name, allowed)) in ARROWS.iter().enumerate() {
            for need in allowed.iter().filter(|need| **need != "*") {
                let below = ARROWS.iter().position(|(other, _)| other == need);
                assert!(below.is_some_and(|below| below < at), "{name} → {need}");
            }
        }
    }
}
