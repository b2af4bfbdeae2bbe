//! What goes into a statement, and what comes out of a row: columns become typed values or [`StoreError::Corrupt`].

use std::str::FromStr;

use mezu_model::{
    AccountId, DraftId, Email, Hostname, InvitationId, KeyId, Label, MemberId, OrgId, PublicKey, PublishId, Role,
    RouteId, TokenId, WorkloadId,
};
use mezu_snapshot::PathRule;

use crate::db::Row;
use crate::{Micros, StoreError};

/// One argument of a statement. An absent one has a type too: PostgreSQL wants to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
}

/// The arguments of a statement, each turned into a [`Value`].
macro_rules! args {
    ($($value:expr),* $(,)?) => { [$($crate::value::Value::from($value)),*] };
}
pub(crate) use args;

macro_rules! as_text {
    ($($of:ty),*) => {$(
        impl From<$of> for Value {
            fn from(value: $of) -> Self {
                Self::Text(Some(value.to_string()))
            }
        }

        impl From<Option<$of>> for Value {
            fn from(value: Option<$of>) -> Self {
                Self::Text(value.map(|value| value.to_string()))
            }
        }
    )*};
}
as_text!(OrgId, KeyId, WorkloadId, RouteId, MemberId, TokenId, InvitationId, AccountId, DraftId, PublishId, Role);
as_text!(&Label, &Hostname, &PathRule, &Email, &str, &String, String);

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<Micros> for Value {
    fn from(value: Micros) -> Self {
        Self::Int(Some(value.0))
    }
}

impl From<Option<Micros>> for Value {
    fn from(value: Option<Micros>) -> Self {
        Self::Int(value.map(|value| value.0))
    }
}

impl From<&[u8; 32]> for Value {
    fn from(value: &[u8; 32]) -> Self {
        Self::Blob(Some(value.to_vec()))
    }
}

impl Row {
    /// A column as the type whose text form it holds.
    pub(crate) fn typed<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        text.parse().map_err(|_| StoreError::Corrupt { what: column, text })
    }

    /// A column that may be empty, as the type whose text form it holds.
    pub(crate) fn typed_if_any<T: FromStr>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let text = self.text_if_any(column)?;
        text.map(|text| text.parse().map_err(|_| StoreError::Corrupt { what: column, text })).transpose()
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { what: column, text })
    }

    pub(crate) fn json_if_any<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let text = self.text_if_any(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { what: column, text })).transpose()
    }

    /// 32 bytes: a key's public half, or the hash of something that only its bearer knows.
    pub(crate) fn bytes32(&self, column: &'static str) -> Result<[u8; 32], StoreError> {
        let bytes = self.blob(column)?;
        <[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| StoreError::Corrupt { what: column, text: format!("{} bytes", bytes.len()) })
    }

    pub(crate) fn public_key(&self, column: &'static str) -> Result<PublicKey, StoreError> {
        self.bytes32(column).map(PublicKey)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Micros, StoreError> {
        self.int(column).map(Micros)
    }

    pub(crate) fn time_if_any(&self, column: &'static str) -> Result<Option<Micros>, StoreError> {
        Ok(self.int_if_any(column)?.map(Micros))
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    /// A count or a small number.
    pub(crate) fn number(&self, column: &'static str) -> Result<usize, StoreError> {
        let number = self.int(column)?;
        usize::try_from(number).map_err(|_| StoreError::Corrupt { what: column, text: number.to_string() })
    }
}

/// The text that a JSON column holds. Maps are ordered, so that the same content is the same text.
pub(crate) fn to_json(what: &'static str, value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt { what, text: error.to_string() })
}
