//! The `date` field of answers whose workload sent none (RFC 9110 §6.6.1), formatted once per second and thread.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

use mezu_model::calendar::civil;

const LEN: usize = 29;

thread_local! {
    static CACHED: Cell<(u64, [u8; LEN])> = const { Cell::new((u64::MAX, [b' '; LEN])) };
}

/// Appends the present time as an IMF-fixdate.
pub(crate) fn append(out: &mut Vec<u8>) {
    out.extend_from_slice(&now());
}

/// The present time as an IMF-fixdate.
pub(crate) fn now() -> [u8; LEN] {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (cached, mut text) = CACHED.get();
    if cached != seconds {
        text = format(seconds);
        CACHED.set((seconds, text));
    }
    text
}

fn format(seconds: u64) -> [u8; LEN] {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let weekday = DAYS.get((days % 7) as usize).copied().unwrap_or("Thu");
    let month = MONTHS.get(month as usize - 1).copied().unwrap_or("Jan");
    let text = std::format!(
        "{weekday}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    );
    text.as_bytes().try_into().unwrap_or([b' '; LEN])
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn known_dates() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(&format(seconds)), Ok(text));
        }
    }
}
