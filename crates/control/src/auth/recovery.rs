//! Recovery codes: each stands in once for a second factor that was lost. They hold 80 bits, so that a hash is enough to
//! keep; it is bound to the member.

use mezu_model::MemberId;

use super::secret;

/// How many there are.
const CODES: usize = 10;
/// Characters of a code, in groups of four.
const LENGTH: usize = 16;
const GROUP: usize = 4;
/// No two that look alike: neither l nor 1, neither o nor 0.
const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// New codes as they are shown.
pub(crate) fn make() -> Vec<String> {
    (0..CODES).map(|_| code()).collect()
}

fn code() -> String {
    let mut bytes = [0; LENGTH];
    mezu_runtime::random::fill(&mut bytes);
    let mut text = String::with_capacity(LENGTH + LENGTH / GROUP);
    for (n, byte) in bytes.iter().enumerate() {
        if n > 0 && n.is_multiple_of(GROUP) {
            text.push('-');
        }
        // 32 divides 256: all are as likely.
        text.extend(DIGITS.get(usize::from(byte % 32)).copied().map(char::from));
    }
    text
}

/// The hash of what has the form of a code, however it was typed; anything else is none.
pub(crate) fn hash(member: MemberId, typed: &str) -> Option<[u8; 32]> {
    if typed.len() > 2 * LENGTH {
        return None;
    }
    let plain: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let plain = plain.to_ascii_lowercase();
    let fits = plain.len() == LENGTH && plain.bytes().all(|byte| DIGITS.contains(&byte));
    fits.then(|| secret::hash(format!("recovery:{member}:{plain}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_differ_and_are_known_however_they_are_typed() {
        let (member, other) = (MemberId::from_bytes([1; 16]), MemberId::from_bytes([2; 16]));
        let codes = make();
        let hashes: std::collections::HashSet<_> = codes.iter().map(|code| hash(member, code).unwrap()).collect();
        assert_eq!(hashes.len(), CODES);
        let code = &codes[0];
        assert_eq!(code.len(), LENGTH + 3);
        for typed in [code.to_uppercase(), code.replace('-', ""), format!(" {} ", code.replace('-', " "))] {
            assert_eq!(hash(member, &typed), hash(member, code), "{typed}");
        }
        assert_ne!(hash(other, code), hash(member, code));
        for typed in ["", "123456", "aaaa-aaaa-aaaa-aaa", "aaaa-aaaa-aaaa-aaa0", "aaaa-aaaa-aaaa-aaaaa", "ä"] {
            assert_eq!(hash(member, typed), None, "{typed}");
        }
    }
}
