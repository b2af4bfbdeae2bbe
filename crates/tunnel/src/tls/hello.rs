//! Just enough of a ClientHello (RFC 8446 §4.1.2) to tell tunnel from client: ALPN and server name.
//!
//! Pure, allocates only for the name, never trusts a length. A hello that it cannot read is left to rustls, which
//! will refuse it properly.

use super::TUNNEL_ALPN;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// A hello longer than this is not searched further; it counts as a client's.
pub const MAX_HELLO: usize = 16 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// More bytes are needed.
    Incomplete,
    /// Not something we can read: rustls decides.
    Unknown,
    Read {
        tunnel: bool,
        server_name: Option<String>,
    },
}

/// Looks at the first bytes of a connection.
#[must_use]
pub fn parse(bytes: &[u8]) -> Hello {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        let Some((&[typ, 3, _, hi, lo], after)) = rest.split_first_chunk::<5>() else {
            return incomplete_or_unknown(bytes, rest);
        };
        let len = usize::from(u16::from_be_bytes([hi, lo]));
        if typ != HANDSHAKE || len == 0 {
            return Hello::Unknown;
        }
        let Some((fragment, next)) = after.split_at_checked(len) else {
            return incomplete_or_unknown(bytes, &[]);
        };
        rest = next;
        // Nearly always the whole hello lies in one record: then nothing is copied.
        let whole = if message.is_empty() {
            body(fragment)
        } else {
            message.extend_from_slice(fragment);
            body(&message)
        };
        match whole {
            Ok(Some(hello)) => return read(hello).unwrap_or(Hello::Unknown),
            Ok(None) if message.is_empty() => message.extend_from_slice(fragment),
            Ok(None) => {}
            Err(()) => return Hello::Unknown,
        }
    }
}

fn incomplete_or_unknown(all: &[u8], rest: &[u8]) -> Hello {
    let plausible = all.first().is_none_or(|&typ| typ == HANDSHAKE)
        && all.get(1).is_none_or(|&major| major == 3)
        && rest.get(1).is_none_or(|&major| major == 3);
    if plausible && all.len() < MAX_HELLO { Hello::Incomplete } else { Hello::Unknown }
}

/// The hello's body when `message` holds all of it.
fn body(message: &[u8]) -> Result<Option<&[u8]>, ()> {
    let Some((&[typ, a, b, c], rest)) = message.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes([0, a, b, c]) as usize;
    if typ != CLIENT_HELLO || len > MAX_HELLO {
        return Err(());
    }
    Ok(rest.get(..len))
}

fn read(mut hello: &[u8]) -> Option<Hello> {
    take(&mut hello, 2 + 32)?; // legacy_version, random
    vector8(&mut hello)?; // legacy_session_id
    vector16(&mut hello)?; // cipher_suites
    vector8(&mut hello)?; // legacy_compression_methods
    let mut found = (false, None);
    if hello.is_empty() {
        return Some(Hello::Read { tunnel: false, server_name: None });
    }
    let mut extensions = vector16(&mut hello)?;
    while !extensions.is_empty() {
        let kind = number16(&mut extensions)?;
        let content = vector16(&mut extensions)?;
        match kind {
            ALPN => found.0 = offers_tunnel(content)?,
            SERVER_NAME => found.1 = name(content)?,
            _ => {}
        }
    }
    Some(Hello::Read { tunnel: found.0, server_name: found.1 })
}

fn offers_tunnel(mut content: &[u8]) -> Option<bool> {
    let mut list = vector16(&mut content)?;
    let mut offered = false;
    while !list.is_empty() {
        offered |= vector8(&mut list)? == TUNNEL_ALPN;
    }
    Some(offered)
}

fn name(mut content: &[u8]) -> Option<Option<String>> {
    let mut list = vector16(&mut content)?;
    while !list.is_empty() {
        let kind = take(&mut list, 1)?;
        let name = vector16(&mut list)?;
        if kind == [0] && name.is_ascii() && name.len() <= 255 {
            return Some(String::from_utf8(name.to_ascii_lowercase()).ok());
        }
    }
    Some(None)
}

fn take<'a>(from: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(n)?;
    *from = rest;
    Some(taken)
}

fn number16(from: &mut &[u8]) -> Option<u16> {
    let (&bytes, rest) = from.split_first_chunk::<2>()?;
    *from = rest;
    Some(u16::from_be_bytes(bytes))
}

fn vector8<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take(from, 1)?.first().copied()?;
    take(from, usize::from(len))
}

fn vector16<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number16(from)?;
    take(from, usize::from(len))
}
