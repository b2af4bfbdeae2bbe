//! HTTP dates in the one form that is to be written (RFC 9110 §5.6.7, IMF-fixdate), in whole seconds since 1970: they
//! have no finer ones.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::calendar::{civil, days};

/// Length of a date.
pub const LEN: usize = 29;
/// The last second that has a year of four digits.
const LAST: u64 = 253_402_300_799;

const DAYS: &[u8; 7 * 3] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8; 12 * 3] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// Whole seconds since 1970; 0 for what was before.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The date of a second. What comes after the year 9999 is its last second.
pub fn format(seconds: u64) -> [u8; LEN] {
    let seconds = seconds.min(LAST);
    let (day_number, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(day_number);
    let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    put(&mut text, 0, name(DAYS, day_number % 7));
    put(&mut text, 5, &digits(day));
    put(&mut text, 8, name(MONTHS, month - 1));
    put(&mut text, 12, &digits(year / 100));
    put(&mut text, 14, &digits(year % 100));
    put(&mut text, 17, &digits(of_day / 3600));
    put(&mut text, 20, &digits(of_day / 60 % 60));
    put(&mut text, 23, &digits(of_day % 60));
    text
}

/// The second that a date names. The day of the week is not looked at.
pub fn parse(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.chunks_exact(3).position(|name| name == month.as_bytes())? as u64 + 1;
    let clock: Vec<u64> = time.split(':').map(number).collect::<Option<_>>()?;
    let &[hour, minute, second] = clock.as_slice() else { return None };
    let (year, day) = (number(year)?, number(day)?);
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn name(names: &[u8], index: u64) -> &[u8] {
    let at = usize::try_from(index).unwrap_or_default() * 3;
    names.get(at..at + 3).unwrap_or_default()
}

#[allow(clippy::cast_possible_truncation, reason = "below 100, and what is above is cut off on purpose")]
const fn digits(value: u64) -> [u8; 2] {
    [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]
}

fn put(text: &mut [u8; LEN], at: usize, part: &[u8]) {
    if let Some(place) = text.get_mut(at..at + part.len()) {
        place.copy_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_round_trip() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (LAST, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(&format(seconds)), Ok(text));
            assert_eq!(parse(text.as_bytes()), Some(seconds));
        }
        assert_eq!(format(u64::MAX), format(LAST));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 +8:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Xxx 1994 08:49:37 GMT",
            "Sun, 06 anF 1994 08:49:37 GMT",
            "06-Nov-94 GMT a b c",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_are_whole_seconds_and_never_before_1970() {
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_millis(7_999)), 7);
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(1)), 0);
    }
}
