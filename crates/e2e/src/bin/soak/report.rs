//! What the experiments found: each line a claim, its figure and whether it held.

use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::path::Path;

/// Below it in docs/soak.md stand the figures of the last full run, and nothing else.
const HEADING: &str = "## Last full run";

#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    experiment: String,
    claim: String,
    figure: String,
    /// None: it only informs.
    held: Option<bool>,
}

impl Report {
    /// One claim.
    pub(crate) fn claim(&mut self, experiment: &str, claim: &str, figure: impl ToString, held: bool) {
        self.line(experiment, claim, figure, Some(held));
    }

    /// A figure that only informs.
    pub(crate) fn note(&mut self, experiment: &str, what: &str, figure: impl ToString) {
        self.line(experiment, what, figure, None);
    }

    fn line(&mut self, experiment: &str, claim: &str, figure: impl ToString, held: Option<bool>) {
        let line = Line { experiment: experiment.into(), claim: claim.into(), figure: figure.to_string(), held };
        let verdict = match held {
            Some(true) => "  ok  ",
            Some(false) => "FAILED",
            None => "      ",
        };
        println!("{verdict} {}: {}: {}", line.experiment, line.claim, line.figure);
        self.lines.push(line);
    }

    /// An experiment that could not be carried out is one that failed.
    pub(crate) fn broke(&mut self, experiment: &str, error: &anyhow::Error) {
        self.claim(experiment, "runs to its end", format!("{error:#}"), false);
    }

    /// The sum on a line of its own; whether all held.
    pub(crate) fn close(&self) -> bool {
        let count = |held| self.lines.iter().filter(|line| line.held == Some(held)).count();
        let (passed, failed) = (count(true), count(false));
        println!("\n{passed} passed, {failed} failed");
        failed == 0 && passed > 0
    }

    /// Into docs/soak.md, in place of the figures of the run before.
    pub(crate) fn write(&self) -> Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/soak.md");
        let page = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let page = with_figures(&page, &self.table()).with_context(|| format!("{}: no {HEADING:?}", path.display()))?;
        std::fs::write(&path, page).with_context(|| format!("writing {}", path.display()))
    }

    fn table(&self) -> String {
        let mut text = "| Experiment | Claim | Figure | |\n|---|---|---|---|\n".to_owned();
        for line in &self.lines {
            let held = match line.held {
                Some(true) => "held",
                Some(false) => "**missed**",
                None => "",
            };
            let figure = line.figure.replace(['|', '\n'], " ");
            let _ = writeln!(text, "| {} | {} | {figure} | {held} |", line.experiment, line.claim);
        }
        text
    }
}

/// The page with a new table; what people wrote above it stays. None when the page has no place for figures.
fn with_figures(page: &str, table: &str) -> Option<String> {
    let (words, _) = page.split_once(HEADING)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Some(format!("{words}{HEADING}\n\nAll programs and all load shared one machine with {cores} cores.\n\n{table}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_figures_replace_old_ones_and_nothing_else() {
        let mut report = Report::default();
        report.claim("kills", "no GET failed", "1 | 2", true);
        report.claim("slow", "goodput", 3, false);
        let page = format!("# Soak\n\nWords.\n\n{HEADING}\n\nold\n");
        let new = with_figures(&page, &report.table()).unwrap_or_default();
        assert!(new.starts_with(&format!("# Soak\n\nWords.\n\n{HEADING}\n")) && !new.contains("old"), "{new}");
        assert!(
            new.ends_with("| kills | no GET failed | 1   2 | held |\n| slow | goodput | 3 | **missed** |\n"),
            "{new}"
        );
        assert_eq!(with_figures("# Soak\n", ""), None);
    }

    #[test]
    fn nothing_claimed_is_nothing_passed() {
        let mut report = Report::default();
        assert!(!report.close());
        report.note("kills", "seconds", 7);
        assert!(!report.close());
        report.claim("kills", "no GET failed", 0, true);
        assert!(report.close());
        report.claim("kills", "no POST failed", 1, false);
        assert!(!report.close());
    }
}
