//! What the experiments found: each line a claim, its figure and whether it held.

use anyhow::Result;
use std::fmt::Write as _;
use std::path::Path;

#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    experiment: String,
    claim: String,
    figure: String,
    held: bool,
}

impl Report {
    /// One claim. What only informs holds by itself.
    pub(crate) fn claim(&mut self, experiment: &str, claim: &str, figure: impl ToString, held: bool) {
        let line = Line { experiment: experiment.into(), claim: claim.into(), figure: figure.to_string(), held };
        println!("{} {}: {}: {}", if held { "  ok  " } else { "FAILED" }, line.experiment, line.claim, line.figure);
        self.lines.push(line);
    }

    /// An experiment that could not be carried out is one that failed.
    pub(crate) fn broke(&mut self, experiment: &str, error: &anyhow::Error) {
        self.claim(experiment, "runs to its end", format!("{error:#}"), false);
    }

    /// The sum on a line of its own; whether all held.
    pub(crate) fn close(&self) -> bool {
        let failed = self.lines.iter().filter(|line| !line.held).count();
        println!("\n{} passed, {failed} failed", self.lines.len() - failed);
        failed == 0 && !self.lines.is_empty()
    }

    /// To docs/soak.md.
    pub(crate) fn write(&self) -> Result<()> {
        let mut text = "# Soak\n\nWritten by `make soak` (`crates/e2e/src/bin/soak`). All programs and all load share one machine.\n\n\
                        | Experiment | Claim | Figure | |\n|---|---|---|---|\n"
            .to_owned();
        for line in &self.lines {
            let held = if line.held { "held" } else { "**missed**" };
            writeln!(
                text,
                "| {} | {} | {} | {held} |",
                line.experiment,
                line.claim,
                line.figure.replace(['|', '\n'], " ")
            )?;
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/soak.md");
        Ok(std::fs::write(path, text)?)
    }
}
