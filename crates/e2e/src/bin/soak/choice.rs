//! What was asked for: how much, and which experiments.

use crate::hostile;
use anyhow::{Result, bail};

/// The experiments, in the order in which they run.
const EXPERIMENTS: [&str; 4] = ["restarts", "kills", "slow", "hostile"];

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) short: bool,
    /// Nothing named: all of them.
    named: Vec<String>,
}

impl Choice {
    /// `[full|short] [experiment or hostile kind …]`. What is not known ends the program instead of leaving out a test.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let (short, named) = match arguments.split_first() {
            Some((first, rest)) if first == "full" || first == "short" => (first == "short", rest),
            _ => (false, arguments),
        };
        for name in named {
            if !EXPERIMENTS.contains(&name.as_str()) && !hostile::KINDS.contains(&name.as_str()) {
                bail!("there is no experiment {name:?}\n{}", usage());
            }
        }
        Ok(Self { short, named: named.to_vec() })
    }

    pub(crate) fn wants(&self, experiment: &str) -> bool {
        self.is_all() || self.named.iter().any(|named| named == experiment)
    }

    /// The hostile peers to try: all with `hostile`, else those that were named.
    pub(crate) fn hostile_kinds(&self) -> Vec<&'static str> {
        let all = self.wants("hostile");
        hostile::KINDS.into_iter().filter(|kind| all || self.wants(kind)).collect()
    }

    pub(crate) fn is_all(&self) -> bool {
        self.named.is_empty()
    }
}

fn usage() -> String {
    let kinds: Vec<String> = hostile::KINDS.iter().map(|kind| format!("{kind:?}")).collect();
    format!(
        "usage: scripts/soak.sh [full|short] [experiment …]\n  experiments: {}\n  one hostile peer alone: {}",
        EXPERIMENTS.join(", "),
        kinds.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Choice> {
        Choice::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn nothing_named_is_everything() -> Result<()> {
        for (arguments, short) in [(&[][..], false), (&["full"], false), (&["short"], true)] {
            let choice = parse(arguments)?;
            assert!(choice.is_all() && choice.short == short, "{arguments:?}");
            assert!(EXPERIMENTS.iter().all(|name| choice.wants(name)));
            assert_eq!(choice.hostile_kinds(), hostile::KINDS);
        }
        Ok(())
    }

    #[test]
    fn what_is_named_runs_alone_and_once() -> Result<()> {
        let choice = parse(&["kills"])?;
        assert!(choice.wants("kills") && !choice.wants("restarts") && !choice.is_all());
        assert!(choice.hostile_kinds().is_empty());
        assert_eq!(parse(&["short", "PING flood"])?.hostile_kinds(), ["PING flood"]);
        assert_eq!(parse(&["full", "hostile", "PING flood"])?.hostile_kinds(), hostile::KINDS);
        Ok(())
    }

    #[test]
    fn a_slip_of_the_pen_does_not_pass_for_a_run() {
        for arguments in [&["restart"][..], &["short", "ping flood"], &["kills", "short"], &["--help"]] {
            let error = parse(arguments).expect_err("not an experiment").to_string();
            assert!(error.contains("usage: ") && error.contains("restarts, kills, slow, hostile"), "{error}");
        }
    }
}
