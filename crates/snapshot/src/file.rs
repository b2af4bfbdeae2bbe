//! A snapshot as bytes: JSON in an envelope that names its format.

use serde::{Deserialize, Serialize};

use crate::{Problems, Snapshot, limits};

/// The format that is written. Format 1 knew only path prefixes: what it says is said the same way in format 2.
const FORMAT: u32 = 2;
const OLDEST: u32 = 1;

/// Why bytes are no snapshot that may be served, or a snapshot may not become bytes.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    #[error("the snapshot is {0} bytes long; at most {most} are allowed", most = limits::BYTES)]
    TooLarge(usize),
    #[error("the snapshot is not of a known form: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the snapshot has format {0}; this program reads formats {OLDEST} to {FORMAT}")]
    Format(u32),
    #[error("the snapshot is not whole: {0}")]
    Problems(#[from] Problems),
}

#[derive(Serialize)]
struct Out<'a> {
    format: u32,
    snapshot: &'a Snapshot,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct In {
    format: u32,
    snapshot: Snapshot,
}

/// The snapshot as bytes.
///
/// # Errors
/// When it would be larger than [`limits::BYTES`].
pub fn encode(snapshot: &Snapshot) -> Result<Vec<u8>, Undecodable> {
    let bytes = serde_json::to_vec(&Out { format: FORMAT, snapshot })?;
    if bytes.len() > limits::BYTES { Err(Undecodable::TooLarge(bytes.len())) } else { Ok(bytes) }
}

/// The snapshot in the bytes, checked as if an enemy had written them: size first, then form, then content.
///
/// # Errors
/// Says what is wrong; nothing of a faulty snapshot is ever used.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, Undecodable> {
    if bytes.len() > limits::BYTES {
        return Err(Undecodable::TooLarge(bytes.len()));
    }
    let In { format, snapshot } = serde_json::from_slice(bytes)?;
    if !(OLDEST..=FORMAT).contains(&format) {
        return Err(Undecodable::Format(format));
    }
    snapshot.check()?;
    Ok(snapshot)
}
