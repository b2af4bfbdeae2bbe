//! A part of a test that is killed while it works: run in a process of its own, from the test's own program.
//!
//! The part is a test too, ignored unless asked for by name. It says `go` when the work has begun, and a line for
//! each thing that it has done; what it said before it was killed must still be true afterwards.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often a test kills: so often, or as often as `MEZU_KILLS` says.
#[must_use]
pub fn kills(most: usize) -> usize {
    std::env::var("MEZU_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(most)
}

/// Runs the ignored test of that whole name with those variables, kills it so long after it has said `go`, and gives the
/// lines that it said after that.
#[must_use]
pub fn run_and_kill(test: &str, variables: &[(&str, &str)], after: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line != "go\n" {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "{test} has ended by itself");
    }
    // The moment of the kill is the experiment: nothing is waited for.
    std::thread::sleep(after);
    child.kill().unwrap();
    assert!(child.wait().unwrap().code().is_none(), "{test} has ended by itself");
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    // A line that was cut short was not said.
    let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
    whole.lines().map(str::to_owned).collect()
}
