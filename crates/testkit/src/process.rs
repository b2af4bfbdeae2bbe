//! Programs started by a test: found, watched, signalled by their own id, and ended with the value.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A running program. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says goes to `log`. It dies with the test, however the test ends.
    pub fn start(program: &Path, arguments: &[String], log: PathBuf) -> Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let output = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .env("NO_COLOR", "1")
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { name, child, log })
    }

    /// Its id, as long as it runs.
    pub fn id(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("{} has ended", self.name))
    }

    /// Sends a signal such as `TERM`, `KILL`, `STOP`, `CONT`.
    pub async fn signal(&self, signal: &str) -> Result<()> {
        let id = self.id()?.to_string();
        let status = Command::new("kill").args([&format!("-{signal}"), &id]).status().await?;
        anyhow::ensure!(status.success(), "kill -{signal} {id}: {status}");
        Ok(())
    }

    /// Waits until it ends, at most so long; gives its exit code (none if a signal ended it).
    pub async fn ended(&mut self, patience: Duration) -> Result<Option<i32>> {
        let status = tokio::time::timeout(patience, self.child.wait()).await;
        Ok(status.with_context(|| format!("{} did not end:\n{}", self.name, self.said()))??.code())
    }

    /// Fails with what it said if it has ended by itself.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended: {status}\n{}", self.name, self.said()),
        }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The most memory it ever had resident, in KiB.
    pub fn peak_kib(&self) -> Result<u64> {
        self.status_kib("VmHWM:")
    }

    /// Memory resident now, in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        self.status_kib("VmRSS:")
    }

    fn status_kib(&self, field: &str) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = text.lines().find(|line| line.starts_with(field)).context("no such field")?;
        Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> Result<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.id()?))?;
        let (_, fields) = text.rsplit_once(')').context("an odd stat")?;
        let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|field| field.parse::<u64>().ok());
        Ok(Duration::from_millis(10 * (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0))))
    }
}

/// Where one of our programs was built: beside this test, or where `MEZU_BIN` says.
pub fn program(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let beside = me.ancestors().skip(1).take(3).map(|folder| folder.join(name));
    let chosen = std::env::var_os("MEZU_BIN").map(|folder| PathBuf::from(folder).join(name));
    let found = chosen.into_iter().chain(beside).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: cargo build -p mezusphere -p warpgate"))
}
