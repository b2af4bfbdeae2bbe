//! One line: built by appending bytes, since a line is written for every request.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mezu_model::Protocol;
use mezu_model::calendar::civil;

use super::Row;

/// Longest texts from clients, bytes; longer ones end in an ellipsis.
const PATH: usize = 2048;
const USER_AGENT: usize = 512;
const HOST: usize = 256;

/// Remembers the second it last wrote out.
#[derive(Debug, Default)]
pub(super) struct Line {
    second: Cell<u64>,
    /// `2026-11-24T06:00:00.` of that second.
    stamp: RefCell<Vec<u8>>,
}

impl Line {
    pub(super) fn write(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        self.write_at(SystemTime::now(), row, out);
    }

    /// As if it were `now`; the line tells when the request began.
    pub(super) fn write_at(&self, now: SystemTime, row: &Row<'_>, out: &mut Vec<u8>) {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        out.extend_from_slice(br#"{"time":""#);
        self.time(now.saturating_sub(row.duration), out);
        out.extend_from_slice(br#"","ray":""#);
        out.extend_from_slice(&row.ray.to_hex());
        out.push(b'"');
        if let Some(owner) = row.owner {
            id(br#","org":""#, owner.org.as_bytes(), out);
            id(br#","route":""#, owner.route.as_bytes(), out);
            id(br#","workload":""#, owner.workload.as_bytes(), out);
        }
        if let Some(gate) = row.gate {
            id(br#","gate":""#, gate.as_bytes(), out);
        }
        client(row.client, out);
        text(br#","method":"#, row.method.as_bytes(), 64, out);
        text(br#","host":"#, row.host.as_bytes(), HOST, out);
        text(br#","path":"#, row.path.as_bytes(), PATH, out);
        out.extend_from_slice(match row.protocol {
            Protocol::H1 => br#","protocol":"h1","status":"#,
            Protocol::H2 => br#","protocol":"h2","status":"#,
            Protocol::H3 => br#","protocol":"h3","status":"#,
        });
        number(u64::from(row.status), out);
        out.extend_from_slice(br#","bytes_in":"#);
        number(row.bytes_in, out);
        out.extend_from_slice(br#","bytes_out":"#);
        number(row.bytes_out, out);
        out.extend_from_slice(br#","duration_us":"#);
        number(micros(row.duration), out);
        if let Some(workload) = row.workload {
            out.extend_from_slice(br#","workload_us":"#);
            number(micros(workload), out);
        }
        if let Some(code) = row.code {
            let entry = code.entry();
            out.extend_from_slice(br#","code":""#);
            out.extend_from_slice(entry.code.as_bytes());
            out.extend_from_slice(br#"","blame":""#);
            out.extend_from_slice(entry.blame.as_str().as_bytes());
            out.push(b'"');
        }
        if let Some(stage) = row.would_refuse {
            text(br#","would_refuse":"#, stage.as_bytes(), 64, out);
        }
        if let Some(agent) = row.user_agent {
            text(br#","user_agent":"#, agent, USER_AGENT, out);
        }
        out.extend_from_slice(b"}\n");
    }

    fn time(&self, since_epoch: Duration, out: &mut Vec<u8>) {
        let second = since_epoch.as_secs();
        let mut stamp = self.stamp.borrow_mut();
        if self.second.get() != second || stamp.is_empty() {
            self.second.set(second);
            stamp.clear();
            date(second, &mut stamp);
        }
        out.extend_from_slice(&stamp);
        padded(since_epoch.subsec_micros(), 6, out);
        out.push(b'Z');
    }
}

/// `2026-11-24T06:00:00.` in UTC.
fn date(second: u64, out: &mut Vec<u8>) {
    let rest = (second % 86_400) as u32;
    let (year, month, day) = civil(second / 86_400);
    padded(year as u32, 4, out);
    for (sign, value) in
        [(b'-', month as u32), (b'-', day as u32), (b'T', rest / 3600), (b':', rest / 60 % 60), (b':', rest % 60)]
    {
        out.push(sign);
        padded(value, 2, out);
    }
    out.push(b'.');
}

/// A name and a JSON string. Everything that is not visible ASCII is escaped, so that no terminal, browser or parser
/// that shows the log takes it for more than text.
fn text(name: &[u8], value: &[u8], limit: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.push(b'"');
    let kept = value.get(..limit).unwrap_or(value);
    // Looks at every byte instead of stopping at the first bad one: that is what the compiler can vectorise.
    if kept.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
        out.extend_from_slice(kept);
    } else {
        escape(kept, out);
    }
    if kept.len() < value.len() {
        out.extend_from_slice(br"\u2026");
    }
    out.push(b'"');
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

#[cold]
fn escape(value: &[u8], out: &mut Vec<u8>) {
    for letter in String::from_utf8_lossy(value).chars() {
        match u8::try_from(letter) {
            Ok(byte) if is_plain(byte) => out.push(byte),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(br"\u");
                    out.extend(unit.to_be_bytes().into_iter().flat_map(pair));
                }
            }
        }
    }
}

fn client(address: SocketAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","client":""#);
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            for (place, byte) in ip.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                number(u64::from(byte), out);
            }
        }
        IpAddr::V6(ip) => {
            use std::io::Write as _;
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{ip}");
        }
    }
    out.push(b'"');
}

fn id(name: &[u8], bytes: &[u8; 16], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    let mut text = [b'-'; 37];
    let mut bytes = bytes.iter();
    // 8-4-4-4-12 digits, a hyphen after each group and the closing quotation mark at the end.
    for (start, end) in [(0, 8), (9, 13), (14, 18), (19, 23), (24, 36)] {
        for place in text.get_mut(start..end).unwrap_or_default().chunks_exact_mut(2) {
            place.copy_from_slice(&pair(bytes.next().copied().unwrap_or(0)));
        }
    }
    if let Some(last) = text.last_mut() {
        *last = b'"';
    }
    out.extend_from_slice(&text);
}

fn pair(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 0xF].map(|value| if value < 10 { b'0' + value } else { b'a' + value - 10 })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn number(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for place in digits.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - used..).unwrap_or_default());
}

fn padded(value: u32, width: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width, b'0');
    let mut value = value;
    for place in out.iter_mut().rev().take(width) {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests;
