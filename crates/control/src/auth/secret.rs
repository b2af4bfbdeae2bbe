//! Secrets that are handed out once: tokens, sessions, invitations. What is kept is a hash.

use aws_lc_rs::digest::{SHA256, digest};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// API tokens: `mzs_pat_` and 30 characters, which hold 178 bits.
pub(crate) const TOKEN: Kind = Kind { prefix: "mzs_pat_", length: 30 };
/// Invitations: 43 characters, which hold 256 bits.
pub(crate) const INVITATION: Kind = Kind { prefix: "mzs_inv_", length: 43 };
/// The first run.
pub(crate) const SETUP: Kind = Kind { prefix: "mzs_set_", length: 43 };
/// Sessions.
pub(crate) const SESSION: Kind = Kind { prefix: "mzs_ses_", length: 43 };

/// Passwords that the operator hands out.
pub(crate) const PASSWORD: Kind = Kind { prefix: "mzs_pwd_", length: 30 };

/// A kind of secret: its prefix, by which scanners find leaked ones, and the number of its random characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    prefix: &'static str,
    length: usize,
}

impl Kind {
    /// A new secret: prefix, random characters and the checksum of both.
    pub(crate) fn make(self) -> String {
        let mut text = String::with_capacity(self.prefix.len() + self.length + 7);
        text.push_str(self.prefix);
        while text.len() < self.prefix.len() + self.length {
            let mut bytes = [0; 64];
            mezu_runtime::random::fill(&mut bytes);
            // 248 is the greatest multiple of 62 in a byte: what is above would make some characters likelier.
            let fair = bytes.iter().filter(|byte| **byte < 248);
            let room = self.prefix.len() + self.length - text.len();
            text.extend(fair.filter_map(|byte| DIGITS.get(usize::from(byte % 62)).map(|c| char::from(*c))).take(room));
        }
        let sum = checksum(&text);
        text.push('_');
        text.push_str(&sum);
        text
    }

    /// The hash of a text that has the form of such a secret; whatever has not is no secret of ours, and the store need
    /// not be asked.
    pub(crate) fn hash(self, text: &str) -> Option<[u8; 32]> {
        let (body, sum) = text.rsplit_once('_')?;
        let random = body.strip_prefix(self.prefix)?;
        let fits = random.len() == self.length && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (fits && checksum(body) == sum).then(|| hash(text.as_bytes()))
    }
}

/// SHA-256. Enough for secrets that nobody can guess, unlike passwords.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Lowercase hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// CRC-32 in six digits to the base of 62: it finds a mistyped secret, and proves nothing.
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS.get((rest % 62) as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_their_form_and_differ() {
        let (one, two) = (TOKEN.make(), TOKEN.make());
        assert_ne!(one, two);
        assert_eq!(one.len(), 8 + 30 + 7);
        assert_eq!(TOKEN.hash(&one), Some(hash(one.as_bytes())));
        assert!(INVITATION.hash(&one).is_none() && TOKEN.hash(&INVITATION.make()).is_none());
        let mut typo = one.clone().into_bytes();
        typo[12] = if typo[12] == b'a' { b'b' } else { b'a' };
        assert!(TOKEN.hash(&String::from_utf8(typo).unwrap()).is_none());
        for text in ["", "_", "mzs_pat_", "mzs_pat__000000"] {
            assert!(TOKEN.hash(text).is_none(), "{text}");
        }
        assert_eq!(hex(&[0, 0xa5, 0xff]), "00a5ff");
    }
}
