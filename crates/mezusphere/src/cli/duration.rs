//! Durations as people write them: `500ms`, `30s`, `5m`, `1h`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mezu_api::Time;

/// Reads a number with a unit; at most a day.
///
/// # Errors
/// Says what is expected.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number with a unit, such as 500ms, 30s, 5m or 1h; at most 24h".to_string();
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(expected()),
    };
    let duration = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(expected)?;
    if duration > Duration::from_secs(86_400) { Err(expected()) } else { Ok(duration) }
}

/// The time so long from now.
pub(super) fn in_(wait: Duration) -> Option<Time> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(now.checked_add(wait)?.as_micros()).ok().map(Time)
}

/// A span for people: its two largest units.
#[must_use]
pub(super) fn spoken(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// An RFC 3339 time in UTC without what nobody reads: `2026-11-24 06:19`.
#[must_use]
pub(crate) fn day_and_time(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => rfc3339.to_string(),
    }
}

/// The same with the seconds: `2026-11-24 06:19:49`.
#[must_use]
pub(super) fn to_the_second(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => rfc3339.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_people_write() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2min", 120_000), ("1h", 3_600_000)] {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for bad in ["", "30", "s", "-1s", "1.5s", "1d", "25h", "99999999999999999999s", "18446744073709551615h"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_lose_their_rest() {
        assert_eq!(day_and_time("2026-11-24T06:19:49Z"), "2026-11-24 06:19");
        assert_eq!(to_the_second("2026-11-24T06:19:49.123Z"), "2026-11-24 06:19:49");
        assert_eq!(day_and_time(""), "");
    }

    #[test]
    fn what_people_read() {
        for (seconds, text) in [(7, "7 s"), (61, "1 min 1 s"), (3_600, "1 h 0 min"), (90_000, "1 d 1 h")] {
            assert_eq!(spoken(seconds), text);
        }
    }
}
