//! `warpgate diag`: walks the way to the edge step by step and says where it ends and what to do about it.

mod checks;

use std::{io::Write as _, process::ExitCode};

use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::{Outcome, args::DiagArgs, file::File, run};

/// One thing looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub check: &'static str,
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Good,
    /// Works, but not as it should.
    Warn,
    Bad,
    /// Could not be looked at, because something before it failed.
    Skipped,
}

impl Finding {
    pub(crate) fn good(check: &'static str, seen: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, seen: seen.into(), fix: None }
    }

    pub(crate) fn bad(check: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Bad, seen: seen.into(), fix: Some(fix.into()) }
    }

    pub(crate) fn warn(check: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, seen: seen.into(), fix: Some(fix.into()) }
    }

    pub(crate) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Skipped, seen: why.into(), fix: None }
    }
}

pub(crate) fn run(args: &DiagArgs) -> Outcome {
    let file = match &args.config {
        Some(path) => File::read(path)?,
        None => File::default(),
    };
    let edge = run::edge(&args.connect, &file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(checks::all(&args.connect, &file, &edge));
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    let mut out = anstream::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &findings)?;
        writeln!(out)?;
    } else {
        writeln!(out, "The way to {edge}\n")?;
        for finding in &findings {
            print(&mut out, finding)?;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(out: &mut impl std::io::Write, finding: &Finding) -> std::io::Result<()> {
    let mark = match finding.verdict {
        Verdict::Good => "ok  ".green().to_string(),
        Verdict::Warn => "warn".yellow().to_string(),
        Verdict::Bad => "FAIL".red().bold().to_string(),
        Verdict::Skipped => "-   ".dimmed().to_string(),
    };
    writeln!(out, "  {mark}  {:<6} {}", finding.check, finding.seen)?;
    if let Some(fix) = &finding.fix {
        writeln!(out, "               {} {fix}", "fix:".bold())?;
    }
    Ok(())
}
