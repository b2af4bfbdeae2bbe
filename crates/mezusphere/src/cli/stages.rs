//! `mezusphere route stages`: what `--set` takes, told by the same schema that checks it.

use owo_colors::OwoColorize as _;
use serde_json::{Map, Value};

use super::out::{self, Failure};

const AN_ID: &str = "0190b3d2-5c1e-7a60-8000-0123456789ab";

pub(crate) fn print(json: bool) -> Result<(), Failure> {
    let schema = mezu_policy::schema();
    if json {
        return out::json(&schema);
    }
    let none = Value::Null;
    for name in mezu_policy::ORDER {
        let stage = schema.pointer(&format!("/properties/{name}")).unwrap_or(&none);
        let about = stage.get("description").and_then(Value::as_str).unwrap_or_default();
        out::line(format_args!("{}  {about}", name.bold()))?;
        out::line(format_args!("  --set '{name}={}'\n", example(stage)).dimmed())?;
    }
    Ok(())
}

/// A value of the schema's shape. The schema is our own, so its depth is known.
fn example(schema: &Value) -> Value {
    let of_kind = |kind: &str| match kind {
        "object" => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let fields = properties.into_iter().flatten().map(|(name, field)| (name.clone(), example(field)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        "array" => Value::Array(schema.get("items").map(example).into_iter().collect()),
        "integer" | "number" => Value::from(1),
        "boolean" => Value::from(true),
        _ if schema.get("format").is_some_and(|format| format == "uuid") => Value::from(AN_ID),
        _ => Value::from("…"),
    };
    let kind = || schema.get("type").and_then(Value::as_str).map(of_kind);
    let first = |of: &str| schema.get(of).and_then(Value::as_array).and_then(|values| values.first()).cloned();
    schema
        .get("default")
        .cloned()
        .or_else(|| first("examples"))
        .or_else(|| first("enum"))
        .or_else(kind)
        .unwrap_or_else(|| Value::from("…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_the_form_of_its_stage() {
        let schema = mezu_policy::schema();
        for name in mezu_policy::ORDER {
            let value = example(schema.pointer(&format!("/properties/{name}")).unwrap());
            let spec = serde_json::json!({ *name: value });
            serde_json::from_value::<mezu_policy::PipelineSpec>(spec).unwrap();
        }
    }
}
