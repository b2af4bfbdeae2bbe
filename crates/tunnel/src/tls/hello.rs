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
    Read(Summary),
}

/// What a ClientHello says, as far as we ask before rustls does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// It offers the tunnel protocol.
    pub tunnel: bool,
    /// In lower case.
    pub server_name: Option<String>,
    /// ChaCha20 comes before AES: the client has no instructions for AES.
    pub prefers_chacha: bool,
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
            Ok(Some(hello)) => return read(hello).map_or(Hello::Unknown, Hello::Read),
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

fn read(mut hello: &[u8]) -> Option<Summary> {
    let mut summary = Summary::default();
    take(&mut hello, 2 + 32)?; // legacy_version, random
    vector8(&mut hello)?; // legacy_session_id
    summary.prefers_chacha = chacha_first(vector16(&mut hello)?);
    vector8(&mut hello)?; // legacy_compression_methods
    if hello.is_empty() {
        return Some(summary);
    }
    let mut extensions = vector16(&mut hello)?;
    while !extensions.is_empty() {
        let kind = number16(&mut extensions)?;
        let content = vector16(&mut extensions)?;
        match kind {
            ALPN => summary.tunnel = offers_tunnel(content)?,
            SERVER_NAME => summary.server_name = name(content)?,
            _ => {}
        }
    }
    Some(summary)
}

/// Whether the first suite that we could choose is a ChaCha20 one.
fn chacha_first(mut suites: &[u8]) -> bool {
    while let Some(suite) = number16(&mut suites) {
        match suite {
            0x1303 | 0xcca8 | 0xcca9 => return true,
            0x1301 | 0x1302 | 0xc02b | 0xc02c | 0xc02f | 0xc030 => return false,
            _ => {}
        }
    }
    false
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

#[cfg(test)]
mod tests {
    use super::*;

    fn vector8(content: &[u8]) -> Vec<u8> {
        [&[u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn vector16(content: &[u8]) -> Vec<u8> {
        [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &vector16(content)].concat()
    }

    fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
        let body = [
            &[3, 3],
            &[9; 32][..],
            &vector8(&[1; 32]),
            &vector16(&[0x13, 1]),
            &vector8(&[0]),
            &vector16(&extensions.concat()),
        ]
        .concat();
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[1], &len[1..], &body].concat()
    }

    fn record(fragment: &[u8]) -> Vec<u8> {
        [&[22, 3, 1][..], &vector16(fragment)].concat()
    }

    fn names(list: &[&[u8]]) -> Vec<u8> {
        let list: Vec<u8> = list.iter().flat_map(|name| vector8(name)).collect();
        extension(ALPN, &vector16(&list))
    }

    fn server_name(name: &str) -> Vec<u8> {
        extension(SERVER_NAME, &vector16(&[&[0], &vector16(name.as_bytes())[..]].concat()))
    }

    #[test]
    fn tunnels_and_clients_are_told_apart_in_one_record_or_many() {
        let cases: [(&[&[u8]], bool); 4] = [
            (&[b"h2", b"http/1.1"], false),
            (&[TUNNEL_ALPN], true),
            (&[b"h2", TUNNEL_ALPN], true),
            (&[b"mezu-tunnel/12"], false),
        ];
        for (offered, tunnel) in cases {
            let hello = message(&[server_name("Edge.Example"), names(offered), extension(43, &[2, 3, 4])]);
            let expected =
                Hello::Read(Summary { tunnel, server_name: Some("edge.example".to_owned()), prefers_chacha: false });
            assert_eq!(parse(&record(&hello)), expected);
            for size in [1, 3, 4, 50] {
                let many: Vec<u8> = hello.chunks(size).flat_map(record).collect();
                assert_eq!(parse(&many), expected);
            }
            let whole = record(&hello);
            for cut in 0..whole.len() {
                assert_eq!(parse(&whole[..cut]), Hello::Incomplete, "{cut}");
            }
        }
        assert_eq!(parse(&record(&message(&[]))), Hello::Read(Summary::default()));
    }

    #[test]
    fn the_first_suite_we_know_tells_what_the_client_prefers() {
        for (suites, chacha) in
            [(&[0x5a5a, 0x1303, 0x1301][..], true), (&[0x1302, 0x1303], false), (&[0xcca9, 0xc02b], true), (&[], false)]
        {
            let wire: Vec<u8> = suites.iter().flat_map(|suite: &u16| suite.to_be_bytes()).collect();
            assert_eq!(chacha_first(&wire), chacha);
        }
    }

    #[test]
    fn what_is_not_a_hello_is_left_to_rustls() {
        for bytes in
            [&b"GET / HTTP/1.1\r\n"[..], &[23, 3, 3, 0, 1, 0], &[22, 3, 1, 0, 0], &[22, 3, 1, 0, 4, 2, 0, 0, 0]]
        {
            assert_eq!(parse(bytes), Hello::Unknown);
        }
        assert_eq!(parse(&[22, 3, 1, 0, 4, 1, 1, 0, 0]), Hello::Unknown, "longer than allowed");
    }

    #[test]
    fn damaged_hellos_never_panic() {
        let whole = record(&message(&[server_name("edge.example"), names(&[TUNNEL_ALPN])]));
        for place in 0..whole.len() {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] = value;
                let _ = parse(&damaged);
            }
        }
    }
}
