//! Prints the API's document: `cargo run -p mezu-control --example openapi`. `cargo run -p xtask -- openapi` keeps it.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(&mezu_control::http::document())?;
    writeln!(std::io::stdout(), "{text}")
}
