//! Who says what pages may read: this stage alone, where a route has it.

use crate::headers::Field;
use crate::{Invalid, PipelineSpec};

const PREFIX: &str = "access-control-";

/// Refuses fields of other stages that this one writes. Beside its own they would stand twice, which browsers take for
/// neither, or go unseen.
pub(crate) fn check(spec: &PipelineSpec) -> Result<(), Invalid> {
    if spec.cors.is_none() {
        return Ok(());
    }
    let own: &[Field] = spec.respond.as_ref().map_or(&[], |respond| &respond.headers);
    let answer = spec.headers.as_ref().map(|headers| &headers.response);
    let (set, add) = answer.map_or((&[][..], &[][..]), |answer| (&answer.set, &answer.add));
    for (place, fields) in [("respond.headers", own), ("headers.response.set", set), ("headers.response.add", add)] {
        let is_ours =
            |field: &Field| field.name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        if let Some((at, field)) = fields.iter().enumerate().find(|(_, field)| is_ours(field)) {
            let why = format!("the route's cors writes {}: say there what pages may read", field.name);
            return Err(Invalid::new(format!("{place}[{at}].name"), why));
        }
    }
    Ok(())
}
