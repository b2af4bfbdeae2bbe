use super::{Outcome, args::DiagArgs};
pub(crate) fn run(_args: &DiagArgs) -> Outcome { anyhow::bail!("not yet") }
