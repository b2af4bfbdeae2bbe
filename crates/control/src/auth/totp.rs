//! Codes of the second factor: TOTP (RFC 6238) with SHA-1, six digits and steps of 30 s, as every authenticator app has
//! it. The step of an accepted code is kept, so that no code works twice.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::{constant_time, hmac};
use mezu_model::{Email, MemberId};
use mezu_store::Micros;
use zeroize::Zeroizing;

/// Bytes of a secret: the length of SHA-1 (RFC 4226 §4, R6 recommends 160 bits).
const SECRET: usize = 20;
const STEP_MICROS: i64 = 30_000_000;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new secret.
pub(crate) fn make() -> Secret {
    let mut secret = Zeroizing::new(vec![0; SECRET]);
    mezu_runtime::random::fill(&mut secret);
    secret
}

/// The step whose code this is, the current or a neighbour of it, so that clocks may differ by half a minute.
pub(crate) fn step_of(secret: &[u8], code: &str, now: Micros) -> Option<i64> {
    let current = now.0.div_euclid(STEP_MICROS);
    let is_code =
        |step: &i64| constant_time::verify_slices_are_equal(at(secret, *step).as_bytes(), code.as_bytes()).is_ok();
    [current, current.saturating_sub(1), current.saturating_add(1)].into_iter().find(is_code)
}

/// The code of a step.
pub(crate) fn at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    // RFC 4226 §5.3: the low half of the last byte says where the four bytes begin.
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or_default() & 0x0f);
    let four = bytes.get(offset..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

/// The secret as people type it.
pub(crate) fn base32(secret: &[u8]) -> String {
    let mut text = String::new();
    for chunk in secret.chunks(5) {
        let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte)) << (8 * (5 - chunk.len()));
        let digits = (chunk.len() * 8).div_ceil(5);
        let digit = |at: usize| BASE32.get((bits >> (35 - 5 * at) & 31) as usize).copied().map(char::from);
        text.extend((0..digits).filter_map(digit));
    }
    text
}

/// The secret as an app scans it. A mail address's bytes need no escape here but those of `escape`.
pub(crate) fn uri(secret: &[u8], email: &Email) -> String {
    let name: String = email.as_str().bytes().map(escape).collect();
    format!("otpauth://totp/Mezusphere:{name}?secret={}&issuer=Mezusphere", base32(secret))
}

fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"@.-_".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// Secrets that were shown and are not confirmed yet. They are lost with the process, and made anew then.
#[derive(Default)]
pub(crate) struct Enrolling(Mutex<HashMap<MemberId, Shown>>);

/// A secret and when it was shown.
type Shown = (Secret, Instant);
type Secret = Zeroizing<Vec<u8>>;

const PATIENCE: Duration = Duration::from_secs(10 * 60);
const MOST: usize = 1000;

impl Enrolling {
    /// Keeps a member's new secret for ten minutes, in place of one before. `false`: too many are enrolling.
    pub(crate) fn begin(&self, member: MemberId, secret: Secret, now: Instant) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, since)| now.duration_since(*since) < PATIENCE);
        let has_room = all.len() < MOST || all.contains_key(&member);
        if has_room {
            all.insert(member, (secret, now));
        }
        has_room
    }

    /// The member's new secret, if it is not too old.
    pub(crate) fn secret(&self, member: MemberId, now: Instant) -> Option<Secret> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&member).filter(|(_, since)| now.duration_since(*since) < PATIENCE).map(|(secret, _)| secret.clone())
    }

    /// Forgets it.
    pub(crate) fn end(&self, member: MemberId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1, the last six of its eight digits.
        let secret = b"12345678901234567890";
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(at(secret, seconds / 30), code);
            let now = Micros(seconds * 1_000_000);
            assert_eq!(step_of(secret, code, now), Some(seconds / 30));
            assert_eq!(step_of(secret, code, Micros(now.0 + STEP_MICROS)), Some(seconds / 30));
            assert_eq!(step_of(secret, code, Micros(now.0 + 2 * STEP_MICROS)), None);
        }
        for code in ["", "28708", "2870820", "28708x"] {
            assert_eq!(step_of(secret, code, Micros(59_000_000)), None, "{code}");
        }
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
        let uri = uri(b"foobar", &"a+b@example.com".parse().unwrap());
        assert_eq!(uri, "otpauth://totp/Mezusphere:a%2Bb@example.com?secret=MZXW6YTBOI&issuer=Mezusphere");
    }

    #[test]
    fn a_secret_waits_ten_minutes() {
        let (enrolling, now, member) = (Enrolling::default(), Instant::now(), MemberId::from_bytes([1; 16]));
        assert!(enrolling.begin(member, make(), now));
        assert!(enrolling.secret(member, now + PATIENCE / 2).is_some());
        assert!(enrolling.secret(member, now + PATIENCE).is_none());
    }
}
