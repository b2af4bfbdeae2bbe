//! Processes that the benchmark starts, their CPU time and memory as the kernel counts them, and their end.

use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Kernel clock ticks per second, as `/proc/PID/stat` counts; the same on every Linux that runs here.
const TICKS_PER_SECOND: f64 = 100.0;

/// A started process with all its children. Dropping it ends it, by its own id.
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts a program that ends with this one whatever happens, its output going to `log`.
    pub(crate) fn start(name: &str, command: &[String], log: &Path) -> Result<Self> {
        let output = std::fs::File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .args(command)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {name}: {command:?}"))?;
        Ok(Self { name: name.into(), child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the process has ended by itself.
    pub(crate) fn ensure_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} ended by itself: {status}", self.name),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        for (signal, patience) in [("-TERM", 5), ("-KILL", 5)] {
            let _ = Command::new("kill").args([signal, &id]).stderr(Stdio::null()).status();
            let deadline = Instant::now() + Duration::from_secs(patience);
            while Instant::now() < deadline {
                if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                    return;
                }
                pause(Duration::from_millis(20));
            }
        }
    }
}

/// CPU seconds (user and system) used so far by these processes and all that descend from them.
pub(crate) fn cpu_seconds(roots: &[u32]) -> f64 {
    let all = stats();
    family(roots, &all).iter().filter_map(|id| all.get(id)).map(|stat| stat.ticks as f64 / TICKS_PER_SECOND).sum()
}

/// Resident memory now, in KiB, of these processes and all that descend from them.
pub(crate) fn resident_kib(roots: &[u32]) -> u64 {
    family(roots, &stats()).iter().map(|id| status_kib(*id, "VmRSS:")).sum()
}

/// The most memory, in KiB, that one process ever had resident.
pub(crate) fn peak_kib(id: u32) -> u64 {
    status_kib(id, "VmHWM:")
}

/// One field, in KiB, of `/proc/PID/status`.
fn status_kib(id: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

struct Stat {
    parent: u32,
    /// utime + stime + those of children already waited for.
    ticks: u64,
}

fn stats() -> HashMap<u32, Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| Some((id, stat(id)?))).collect()
}

fn stat(id: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The command's name may hold blanks and brackets: fields are counted from the last bracket on.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks: (11..=14).filter_map(number).sum() })
}

fn family(roots: &[u32], all: &HashMap<u32, Stat>) -> Vec<u32> {
    let mut members = roots.to_vec();
    let mut at = 0;
    while let Some(parent) = members.get(at).copied() {
        members.extend(all.iter().filter(|(_, stat)| stat.parent == parent).map(|(id, _)| *id));
        at += 1;
    }
    members
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Waits until something listens there.
pub(crate) fn wait_for_port(port: u16, process: &mut Process) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    loop {
        process.ensure_alive()?;
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{} does not listen on {address}", process.name);
        pause(Duration::from_millis(20));
    }
}

/// Runs a command to its end, at most `limit`, and gives what it printed.
pub(crate) fn run(command: &[String], limit: Duration) -> Result<String> {
    let output = Command::new("timeout")
        .args(["-k", "2", &limit.as_secs().to_string()])
        .args(command)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?}: {}\n{said}{errors}", output.status);
    Ok(said)
}

/// The benchmark itself has one thread and nothing else to do.
#[allow(clippy::disallowed_methods, reason = "no connection is served by this thread")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let me = [std::process::id()];
        assert!(stats().contains_key(&std::process::id()));
        assert!(resident_kib(&me) > 0);
        assert!(cpu_seconds(&me) >= 0.0);
    }
}
