//! All tables and their columns, for what must leave nothing out. A test holds the list to the database itself.

use serde_json::{Value as Json, json};

use crate::StoreError;
use crate::db::Row;
use crate::value::Value;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Blob,
}

/// A table: its columns, and the order in which its rows can be written again.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) order: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

macro_rules! tables {
    ($($name:ident by $order:literal { $($column:ident $kind:ident),* $(,)? })*) => {
        &[$(Table {
            name: stringify!($name),
            order: $order,
            columns: &[$((stringify!($column), Kind::$kind)),*],
        }),*]
    };
}

/// Each after the ones that it refers to.
pub(crate) const TABLES: &[Table] = tables! {
    state by "one" { one Int, revision Int, audit_seq Int }
    orgs by "id" { id Text, name Text, created_at Int, version Int }
    members by "id" {
        id Text, email Text, name Text, password Text, totp_secret Text, totp_step Int, disabled_at Int,
        created_at Int, version Int,
    }
    recovery_codes by "member_id, hash" { member_id Text, hash Blob }
    memberships by "org_id, member_id" { org_id Text, member_id Text, role Text, created_at Int, version Int }
    sessions by "hash" {
        hash Blob, member_id Text, created_at Int, seen_at Int, expires_at Int, source Text, agent Text,
    }
    tokens by "id" {
        id Text, org_id Text, member_id Text, name Text, role Text, hash Blob, hint Text, created_at Int,
        expires_at Int, used_at Int, revoked_at Int,
    }
    invitations by "id" {
        id Text, org_id Text, email Text, role Text, hash Blob, invited_by Text, created_at Int, expires_at Int,
        used_at Int,
    }
    accounts by "id" {
        id Text, org_id Text, name Text, workloads Text, cidrs Text, created_at Int, deleted_at Int, version Int,
    }
    keys by "id" {
        id Text, org_id Text, account_id Text, name Text, public_key Blob, created_at Int, expires_at Int,
        used_at Int, revoked_at Int,
    }
    workloads by "id" {
        id Text, org_id Text, name Text, default_host Text, created_at Int, key_id Text, labels Text, version Int,
    }
    hostnames by "name" { name Text, org_id Text, created_at Int, state Text, released_at Int }
    routes by "id" {
        id Text, org_id Text, host Text, path Text, matcher Text, rank Int, enabled Int, workload_id Text,
        pipeline Text, created_at Int, version Int,
    }
    idempotency by "scope, key" { scope Text, key Text, request Blob, status Int, body Text, at Int }
    drafts by "id" {
        id Text, org_id Text, name Text, ops Text, publish_at Int, created_by Text, created_at Int, version Int,
    }
    publishes by "at, id" {
        id Text, org_id Text, at Int, actor Text, summary Text, ops Text, undo_of Text, generation Int,
    }
    setup by "one" { one Int, hash Blob, used_at Int }
    audit by "seq" {
        seq Int, at Int, org_id Text, actor Text, source Text, request_id Text, action Text, object Text,
        outcome Text, state_before Text, state_after Text, prev Blob, hash Blob,
    }
};

impl Table {
    /// The columns' names, parted by commas.
    pub(crate) fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// A row as a list: numbers, texts, `{"hex": …}` for bytes, and null.
    pub(crate) fn to_json(&self, row: &Row) -> Result<Json, StoreError> {
        let cell = |(column, kind): &(&'static str, Kind)| {
            Ok(match kind {
                Kind::Int => json!(row.int_if_any(column)?),
                Kind::Text => json!(row.text_if_any(column)?),
                Kind::Blob => json!({ "hex": hex(&row.blob(column)?) }),
            })
        };
        Ok(Json::Array(self.columns.iter().map(cell).collect::<Result<_, StoreError>>()?))
    }

    /// The arguments that write a row again. `None`: the list is no row of this table.
    pub(crate) fn to_args(&self, row: &[Json]) -> Option<Vec<Value>> {
        if row.len() != self.columns.len() {
            return None;
        }
        let cell = |(cell, (_, kind)): (&Json, &(&str, Kind))| match kind {
            Kind::Int if cell.is_null() => Some(Value::Int(None)),
            Kind::Int => Some(Value::Int(Some(cell.as_i64()?))),
            Kind::Text if cell.is_null() => Some(Value::Text(None)),
            Kind::Text => Some(Value::Text(Some(cell.as_str()?.to_owned()))),
            Kind::Blob => Some(Value::Blob(Some(unhex(cell.get("hex")?.as_str()?)?))),
        };
        row.iter().zip(self.columns).map(cell).collect()
    }
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect()
}
