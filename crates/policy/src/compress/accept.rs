//! `Accept-Encoding` (RFC 9110 §12.5.3): which of the codings on offer a client likes best.

use mezu_model::{Headers, known};

use super::Coding;

/// Thousandths, as fine as the grammar allows.
type Quality = u16;

/// The coding on offer that the client likes best, unless it likes none at all better; of several the first.
pub(super) fn choose(headers: &Headers, offered: &[Coding]) -> Option<Coding> {
    let mut liked = [None; Coding::ALL.len()];
    let (mut others, mut plain) = (None, None);
    for member in headers.find_all(known::ACCEPT_ENCODING).flat_map(members) {
        let Some((name, quality)) = parse(member) else { continue };
        match name {
            b"*" => others = Some(quality),
            _ if name.eq_ignore_ascii_case(b"identity") => plain = Some(quality),
            _ => {
                let known = Coding::ALL.iter().zip(&mut liked).find(|(coding, _)| coding.is_named(name));
                if let Some((_, slot)) = known {
                    *slot = Some(quality);
                }
            }
        }
    }
    let quality = |coding: Coding| {
        let own = Coding::ALL.iter().zip(liked).find(|(other, _)| **other == coding).and_then(|(_, liked)| liked);
        own.or(others).unwrap_or(0)
    };
    let mut best = None;
    for coding in offered {
        if quality(*coding) > best.map_or(0, quality) {
            best = Some(*coding);
        }
    }
    best.filter(|coding| plain.is_none_or(|plain| plain <= quality(*coding)))
}

/// The members of a list field.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// A coding and how well it is liked. What is not well-formed is as if it were not there.
fn parse(member: &[u8]) -> Option<(&[u8], Quality)> {
    let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next()?;
    let quality = match (parts.next(), parts.next()) {
        (None, _) => 1000,
        (Some([b'q' | b'Q', b'=', value @ ..]), None) => thousandths(value)?,
        _ => return None,
    };
    Some((name, quality))
}

/// `0`, `0.5`, `1.000`: at most three places, at most 1.
fn thousandths(value: &[u8]) -> Option<Quality> {
    let (whole, places): (_, &[u8]) = match value {
        [whole] => (whole, &[]),
        [whole, b'.', places @ ..] => (whole, places),
        _ => return None,
    };
    if places.len() > 3 || !places.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padded = places.iter().map(|digit| Quality::from(digit - b'0')).chain([0; 3]).take(3);
    let part = padded.fold(0, |sum, digit| sum * 10 + digit);
    match whole {
        b'0' => Some(part),
        b'1' if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::headers;
    use Coding::{Brotli, Gzip, Zstd};

    #[test]
    fn the_best_liked_is_chosen_and_of_several_the_first() {
        let table: [(&[&str], Option<Coding>); 22] = [
            (&[], None),
            (&[""], None),
            (&["gzip, deflate, br, zstd"], Some(Zstd)),
            (&["gzip, deflate, br"], Some(Brotli)),
            (&["gzip", "br"], Some(Brotli)),
            (&["GZip"], Some(Gzip)),
            (&["x-gzip"], Some(Gzip)),
            (&["deflate, compress"], None),
            (&["gzip;q=1.0, zstd;q=0.5, br;q=0.999"], Some(Gzip)),
            (&["gzip ; Q=0.1 , br;q=0"], Some(Gzip)),
            (&["gzip;q=0"], None),
            (&["*"], Some(Zstd)),
            (&["*;q=0"], None),
            (&["zstd;q=0, *;q=0.5"], Some(Brotli)),
            (&["*;q=0, gzip"], Some(Gzip)),
            (&["identity"], None),
            (&["identity, gzip;q=0.5"], None),
            (&["identity;q=0.5, gzip;q=0.5"], Some(Gzip)),
            (&["identity;q=0"], None),
            // Ill-formed ones are not taken for a wish.
            (&["gzip;q=2, br;q=0.1234, zstd;q=-1, gzip;x=1"], None),
            (&["gzip;q=1.001"], None),
            (&["br;q=, gzip;q=.5, zstd;q"], None),
        ];
        for (sent, expected) in table {
            let fields: Vec<_> = sent.iter().map(|value| ("accept-encoding", *value)).collect();
            assert_eq!(choose(&headers(&fields), &Coding::ALL), expected, "{sent:?}");
        }
    }

    #[test]
    fn only_what_is_on_offer_is_chosen() {
        let sent = headers(&[("accept-encoding", "gzip, br, zstd")]);
        assert_eq!(choose(&sent, &[Gzip]), Some(Gzip));
        assert_eq!(choose(&sent, &[Gzip, Zstd]), Some(Gzip));
        assert_eq!(choose(&headers(&[("accept-encoding", "br")]), &[Gzip, Zstd]), None);
    }
}
