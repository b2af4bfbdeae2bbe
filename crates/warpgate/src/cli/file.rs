//! `warpgate.toml`: several workloads and, if wanted, where the edge is. Unknown members are refused, so that a slip of
//! the pen is noticed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use warpgate::{GateLabel, HealthCheck, Label, Span, Target, WorkloadConfig};

/// Longest file that is read, bytes.
const MAX_FILE: u64 = 256 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub edge: Option<String>,
    pub ca: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub proxy: Option<String>,
    pub connections: Option<u16>,
    #[serde(default)]
    pub workloads: BTreeMap<String, Workload>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workload {
    target: String,
    host_header: Option<String>,
    #[serde(default)]
    insecure_tls: bool,
    label: Option<GateLabel>,
    health: Option<Health>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Health {
    path: String,
    interval: Option<String>,
    timeout: Option<String>,
    unhealthy_after: Option<u32>,
    healthy_after: Option<u32>,
}

impl Health {
    fn read(&self) -> anyhow::Result<HealthCheck> {
        let mut check = HealthCheck::new(&self.path)?;
        for (given, place) in [(&self.interval, &mut check.interval), (&self.timeout, &mut check.timeout)] {
            if let Some(text) = given {
                *place = text.parse::<Span>().map_err(anyhow::Error::msg)?.0;
            }
        }
        check.unhealthy_after = self.unhealthy_after.unwrap_or(check.unhealthy_after);
        check.healthy_after = self.healthy_after.unwrap_or(check.healthy_after);
        Ok(check)
    }
}

impl File {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let length = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
        if length > MAX_FILE {
            bail!("{shown} is too long for a settings file");
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let mut file = Self::parse(&text).with_context(|| format!("{shown} is not valid"))?;
        // Paths are meant from where the file is, not from where the program happens to be started.
        let beside = |given: PathBuf| path.parent().map_or(given.clone(), |dir| dir.join(given));
        file.ca = file.ca.map(beside);
        file.key_file = file.key_file.map(beside);
        Ok(file)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let file: Self = toml::from_str(text)?;
        file.workloads()?;
        Ok(file)
    }

    pub(crate) fn workloads(&self) -> anyhow::Result<Vec<WorkloadConfig>> {
        self.workloads.iter().map(|(name, it)| it.read(name).with_context(|| format!("workload {name}"))).collect()
    }
}

impl Workload {
    fn read(&self, name: &str) -> anyhow::Result<WorkloadConfig> {
        let label: Label = name.parse()?;
        let target: Target = self.target.parse()?;
        let mut workload = WorkloadConfig::new(label, target.clone());
        workload.host_header = host_header(self.host_header.as_deref(), &target)?;
        workload.insecure_tls = self.insecure_tls;
        workload.label.clone_from(&self.label);
        workload.health = self.health.as_ref().map(Health::read).transpose().context("health")?;
        workload.labels = self.labels.clone();
        Ok(workload)
    }
}

/// The Host to send: as given, or the target's own for `rewrite`.
pub(crate) fn host_header(given: Option<&str>, target: &Target) -> anyhow::Result<Option<String>> {
    let host = match (given, target) {
        (None, _) => return Ok(None),
        (Some("rewrite"), Target::Http(at) | Target::Https(at) | Target::H2c(at)) => at.to_string(),
        (Some("rewrite"), _) => "localhost".to_owned(),
        (Some(host), _) => host.to_owned(),
    };
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']');
    if host.is_empty() || host.len() > 253 || !host.bytes().all(good) {
        bail!("«{host}» cannot be a Host header");
    }
    Ok(Some(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file() {
        let file = File::parse(
            "edge = 'edge.test:8443'\nca = 'ca.pem'\n\n[workloads.web]\ntarget = '3000'\nhost_header = 'rewrite'\n\
             label = 'PR-7'\nlabels = { team = 'a' }\n\n[workloads.grpc]\ntarget = 'h2c://127.0.0.1:50051'\n\
             health = { path = '/up', interval = '10s', unhealthy_after = 5 }\n",
        )
        .unwrap();
        let workloads = file.workloads().unwrap();
        let check = workloads[0].health.as_ref().unwrap();
        assert_eq!((check.interval.as_secs(), check.timeout.as_secs(), check.unhealthy_after), (10, 2, 5));
        let labels: Vec<_> = workloads.iter().map(|w| w.label.as_ref().map(GateLabel::as_str)).collect();
        assert_eq!(labels, [None, Some("pr-7")]);
        let shown: Vec<_> = workloads.iter().map(|w| format!("{} {} {:?}", w.name, w.target, w.host_header)).collect();
        assert_eq!(shown, ["grpc h2c://127.0.0.1:50051 None", "web http://localhost:3000 Some(\"localhost:3000\")",]);
    }

    #[test]
    fn slips_are_noticed() {
        for text in [
            "egde = 'x'",
            "[workloads.web]\ntraget = '1'",
            "[workloads.web]\ntarget = 'nope'",
            "[workloads.'a b']\ntarget = '1'",
            "[workloads.web]\ntarget = '1'\nhost_header = 'a b'",
            "[workloads.web]\ntarget = '1'\nlabel = 'xn'",
            "[workloads.web]\ntarget = '1'\nhealth = { path = 'x' }",
            "[workloads.web]\ntarget = '1'\nhealth = { path = '/x', interval = '5' }",
            "connections = 'many'",
        ] {
            assert!(File::parse(text).is_err(), "{text}");
        }
    }
}
