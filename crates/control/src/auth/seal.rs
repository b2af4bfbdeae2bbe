//! Sealing: what must be kept and read again, such as the secret of a second factor, is encrypted in the store, so that
//! a copy of the database alone opens nothing.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::secret::hex;

/// The key of this installation.
pub(crate) struct Seal(Option<LessSafeKey>);

impl Seal {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(UnboundKey::new(&AES_256_GCM_SIV, key).ok().map(LessSafeKey::new))
    }

    /// Encrypts for one purpose and owner, named by `what`: moved elsewhere it does not open.
    pub(crate) fn close(&self, what: &str, secret: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        mezu_runtime::random::fill(&mut nonce);
        let mut text = secret.to_vec();
        let key = self.0.as_ref()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(what), &mut text).ok()?;
        Some(format!("v1:{}:{}", hex(&nonce), hex(&text)))
    }

    /// Opens what [`Seal::close`] closed for the same `what`.
    pub(crate) fn open(&self, what: &str, sealed: &str) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.strip_prefix("v1:")?.split_once(':')?;
        let nonce: [u8; NONCE_LEN] = unhex(nonce)?.try_into().ok()?;
        let mut text = unhex(text)?;
        let key = self.0.as_ref()?;
        let open = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(what), &mut text).ok()?;
        Some(open.to_vec())
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let byte = |pair: &[u32]| if let [high, low] = pair { u8::try_from(high * 16 + low).ok() } else { None };
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_purpose_open_it() {
        let seal = Seal::new(&[7; 32]);
        let sealed = seal.close("totp:1", b"secret").unwrap();
        assert_ne!(sealed, seal.close("totp:1", b"secret").unwrap());
        assert_eq!(seal.open("totp:1", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(seal.open("totp:2", &sealed), None);
        assert_eq!(Seal::new(&[8; 32]).open("totp:1", &sealed), None);
        for text in ["", "v1:", "v1:00:00", "v1:zz:zz", "v2:00:00"] {
            assert_eq!(seal.open("totp:1", text), None, "{text}");
        }
    }
}
