//! Times, as they are written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// Microseconds since 1970-01-01T00:00Z; written as RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

/// The text is no time of RFC 3339, or one that no clock of ours will show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time: expected RFC 3339, such as 2026-11-24T09:30:00Z")]
pub struct InvalidTime;

/// The first microsecond after the year 9999, which RFC 3339 cannot write.
const END: i64 = 253_402_300_800_000_000;

impl FromStr for Time {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTime)?;
        let micros = i64::try_from(time.unix_timestamp_nanos().div_euclid(1000)).map_err(|_| InvalidTime)?;
        if (0..END).contains(&micros) { Ok(Self(micros)) } else { Err(InvalidTime) }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0.clamp(0, END - 1)) * 1000;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        f.write_str(&time.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339, in UTC."))
            .into()
    }
}

impl ToSchema for Time {
    fn name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip_and_nonsense_is_refused() {
        for (text, shown) in [
            ("2026-11-24T09:30:00Z", "2026-11-24T09:30:00Z"),
            ("2026-11-24T09:30:00.000001+01:00", "2026-11-24T08:30:00.000001Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), shown);
        }
        for text in ["", "now", "2026-11-24", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00"] {
            assert_eq!(text.parse::<Time>(), Err(InvalidTime), "{text}");
        }
        assert_eq!(Time(i64::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
    }
}
