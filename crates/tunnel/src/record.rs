//! TLS record protection with keys that a rustls handshake agreed (RFC 8446 §5.2, RFC 5246 §6.2.3.3, RFC 5288,
//! RFC 7905).
//!
//! rustls's own record layer allocates and copies each record twice. Here a record is sealed straight into the
//! outgoing buffer and opened in place. It knows headers, sequence numbers and nonces; the AEAD is aws-lc's, the keys
//! are rustls's. It must never use a sequence number twice with one key, nor go on past a key's limit.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, UnboundKey};
use rustls::{
    ConnectionTrafficSecrets, ContentType, ProtocolVersion,
    crypto::cipher::{Iv, Nonce, make_tls12_aad, make_tls13_aad},
};
use thiserror::Error;

use crate::out::OutBuf;

pub(crate) const HEADER: usize = 5;
/// Plaintext bytes in one record (RFC 8446 §5.1).
pub(crate) const MAX_PLAINTEXT: usize = 16_384;
const TAG: usize = 16;
const EXPLICIT_NONCE: usize = 8;
/// 16-byte blocks that one key may protect: RFC 8446 §5.5 allows AES-GCM 2^24.5 full records, of 2^10 blocks each.
pub(crate) const KEY_LIFE: u64 = 1 << 34;
/// What may go beyond: the records of one write, a KeyUpdate, a close_notify.
const GRACE: u64 = 1 << 22;

pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const DATA: u8 = 23;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("not a TLS record")]
    Malformed,
    #[error("a record is longer than TLS allows")]
    Oversized,
    #[error("a record failed its integrity check")]
    BadMac,
    #[error("a record of a type that is not allowed here")]
    Unexpected,
    #[error("the key has protected as many records as it may")]
    Exhausted,
}

/// How a suite turns a sequence number into nonce, additional data and overhead.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Tls13,
    Tls12Gcm,
    Tls12ChaCha,
}

struct Protection {
    key: LessSafeKey,
    iv: Iv,
    seq: u64,
    /// What the key has protected so far, in blocks.
    blocks: u64,
    form: Form,
}

impl Protection {
    fn new(version: ProtocolVersion, seq: u64, secrets: ConnectionTrafficSecrets) -> Result<Self, RecordError> {
        let (algorithm, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&aead::AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&aead::AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&aead::CHACHA20_POLY1305, key, iv),
            _ => return Err(RecordError::Unexpected),
        };
        let form = if version == ProtocolVersion::TLSv1_3 {
            Form::Tls13
        } else if algorithm == &aead::CHACHA20_POLY1305 {
            Form::Tls12ChaCha
        } else {
            Form::Tls12Gcm
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| RecordError::Unexpected)?;
        Ok(Self { key: LessSafeKey::new(key), iv, seq, blocks: 0, form })
    }

    fn nonce(&self) -> [u8; 12] {
        Nonce::new(&self.iv, self.seq).0
    }

    /// One more record was protected.
    fn count(&mut self, payload: usize) -> Result<(), RecordError> {
        self.seq = self.seq.checked_add(1).ok_or(RecordError::Exhausted)?;
        // The key stream's blocks and the counter block of the tag.
        self.blocks += payload as u64 / 16 + 2;
        Ok(())
    }
}

/// The total length of the record at the front of `bytes`, when its header is there.
pub(crate) fn record_len(bytes: &[u8]) -> Result<Option<usize>, RecordError> {
    let Some(&[typ, major, _, hi, lo]) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    if !(20..=23).contains(&typ) || major != 3 {
        return Err(RecordError::Malformed);
    }
    let len = usize::from(u16::from_be_bytes([hi, lo]));
    // RFC 5246 §6.2.3 allows 2048 bytes of expansion, TLS 1.3 only 256; decryption checks the plaintext's length.
    if len > MAX_PLAINTEXT + 2_048 {
        return Err(RecordError::Oversized);
    }
    if len == 0 && typ != DATA {
        return Err(RecordError::Malformed);
    }
    Ok(Some(HEADER + len))
}

/// Whether a whole record, or something that is none, stands at the front.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    match record_len(bytes) {
        Ok(Some(len)) => bytes.len() >= len,
        Ok(None) => false,
        Err(_) => true,
    }
}

/// Opens incoming records.
pub(crate) struct Opener(Protection);

impl Opener {
    pub(crate) fn new(
        version: ProtocolVersion,
        (seq, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, RecordError> {
        Protection::new(version, seq, secrets).map(Self)
    }

    /// Blocks that the peer's key has protected.
    pub(crate) fn spent(&self) -> u64 {
        self.0.blocks
    }

    /// Opens one whole record (header included) in place; returns its content type and plaintext.
    pub(crate) fn open<'a>(&mut self, record: &'a mut [u8]) -> Result<(u8, &'a [u8]), RecordError> {
        let (header, payload) = record.split_first_chunk_mut::<HEADER>().ok_or(RecordError::Malformed)?;
        let opened = match self.0.form {
            Form::Tls13 => self.open13(header[0], payload),
            Form::Tls12Gcm => self.open12_gcm(*header, payload),
            Form::Tls12ChaCha => self.open12_chacha(*header, payload),
        }?;
        self.0.count(opened.1.len())?;
        if opened.1.len() > MAX_PLAINTEXT {
            return Err(RecordError::Oversized);
        }
        Ok(opened)
    }

    fn open13<'a>(&self, outer: u8, payload: &'a mut [u8]) -> Result<(u8, &'a [u8]), RecordError> {
        if outer != DATA {
            return Err(RecordError::Unexpected);
        }
        if payload.len() > MAX_PLAINTEXT + 256 {
            return Err(RecordError::Oversized);
        }
        let aad = Aad::from(make_tls13_aad(payload.len()));
        let plain = self.decrypt(self.0.nonce(), aad.as_ref(), payload)?;
        // TLSInnerPlaintext: content, type, zero padding.
        let end = plain.iter().rposition(|&b| b != 0).ok_or(RecordError::Unexpected)?;
        let (content, rest) = plain.split_at(end);
        Ok((rest.first().copied().unwrap_or_default(), content))
    }

    fn open12_gcm<'a>(&self, header: [u8; HEADER], payload: &'a mut [u8]) -> Result<(u8, &'a [u8]), RecordError> {
        let (explicit, sealed) = payload.split_first_chunk_mut::<EXPLICIT_NONCE>().ok_or(RecordError::BadMac)?;
        let mut nonce = [0; 12];
        let (salt, tail) = nonce.split_at_mut(4);
        salt.copy_from_slice(self.0.iv.as_ref().get(..4).unwrap_or_default());
        tail.copy_from_slice(explicit);
        self.open12(header, nonce, sealed)
    }

    fn open12_chacha<'a>(&self, header: [u8; HEADER], payload: &'a mut [u8]) -> Result<(u8, &'a [u8]), RecordError> {
        self.open12(header, self.0.nonce(), payload)
    }

    fn open12<'a>(
        &self,
        header: [u8; HEADER],
        nonce: [u8; 12],
        sealed: &'a mut [u8],
    ) -> Result<(u8, &'a [u8]), RecordError> {
        let len = sealed.len().checked_sub(TAG).ok_or(RecordError::BadMac)?;
        let typ = ContentType::from(header[0]);
        let version = ProtocolVersion::from(u16::from_be_bytes([header[1], header[2]]));
        let aad = make_tls12_aad(self.0.seq, typ, version, len);
        let plain = self.decrypt(nonce, &aad, sealed)?;
        Ok((header[0], plain))
    }

    fn decrypt<'a>(&self, nonce: [u8; 12], aad: &[u8], sealed: &'a mut [u8]) -> Result<&'a [u8], RecordError> {
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        self.0.key.open_in_place(nonce, Aad::from(aad), sealed).map(|plain| &*plain).map_err(|_| RecordError::BadMac)
    }
}

/// Seals outgoing records.
pub(crate) struct Sealer(Protection);

impl Sealer {
    pub(crate) fn new(
        version: ProtocolVersion,
        (seq, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Result<Self, RecordError> {
        Protection::new(version, seq, secrets).map(Self)
    }

    /// Blocks that the key has protected; it should be changed before [`KEY_LIFE`].
    pub(crate) fn spent(&self) -> u64 {
        self.0.blocks
    }

    /// Seals `parts`, one after the other, into as few records of type `typ` as possible. Returns bytes taken: all.
    pub(crate) fn seal(&mut self, typ: u8, parts: &[&[u8]], out: &mut OutBuf) -> Result<usize, RecordError> {
        let mut left: usize = parts.iter().map(|part| part.len()).sum();
        let total = left;
        let mut gather = Gather { parts, offset: 0 };
        while left > 0 {
            let size = left.min(MAX_PLAINTEXT);
            self.seal_one(typ, &mut gather, size, out)?;
            left -= size;
        }
        Ok(total)
    }

    fn seal_one(&mut self, typ: u8, gather: &mut Gather<'_>, size: usize, out: &mut OutBuf) -> Result<(), RecordError> {
        if self.0.blocks >= KEY_LIFE + GRACE {
            return Err(RecordError::Exhausted);
        }
        let (prefix, suffix) = match self.0.form {
            Form::Tls13 => (0, 1),
            Form::Tls12Gcm => (EXPLICIT_NONCE, 0),
            Form::Tls12ChaCha => (0, 0),
        };
        let payload = prefix + size + suffix + TAG;
        let region = out.grow(HEADER + payload);
        let sealed = self.fill(typ, gather, size, prefix, region);
        if sealed.is_none() {
            out.shrink(HEADER + payload);
            return Err(RecordError::Exhausted);
        }
        self.0.count(size)
    }

    /// Writes header, explicit nonce, ciphertext and tag into `region`, which has exactly their size.
    fn fill(&self, typ: u8, gather: &mut Gather<'_>, size: usize, prefix: usize, region: &mut [u8]) -> Option<()> {
        let (header, payload) = region.split_first_chunk_mut::<HEADER>()?;
        let [hi, lo] = u16::try_from(payload.len()).ok()?.to_be_bytes();
        let outer = if self.0.form == Form::Tls13 { DATA } else { typ };
        *header = [outer, 3, 3, hi, lo];
        let aad13 = make_tls13_aad(payload.len());
        let aad12 = make_tls12_aad(self.0.seq, ContentType::from(typ), ProtocolVersion::TLSv1_2, size);
        let aad: &[u8] = match self.0.form {
            Form::Tls13 => &aad13,
            Form::Tls12Gcm | Form::Tls12ChaCha => &aad12,
        };
        let nonce = self.0.nonce();
        let (explicit, sealed) = payload.split_at_mut_checked(prefix)?;
        explicit.copy_from_slice(nonce.get(12 - prefix..)?);
        let (body, tail) = sealed.split_at_mut_checked(size)?;
        let inner = [typ];
        let extra: &[u8] = if self.0.form == Form::Tls13 { &inner } else { &[] };
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        let key = &self.0.key;
        match gather.whole(size) {
            Some(plain) => key.seal_out_of_place_scatter(nonce, Aad::from(aad), plain, body, extra, tail),
            None => {
                gather.copy(body);
                key.seal_in_place_scatter(nonce, Aad::from(aad), body, extra, tail)
            }
        }
        .ok()
    }
}

/// A cursor over several slices read as one.
struct Gather<'a> {
    parts: &'a [&'a [u8]],
    offset: usize,
}

impl<'a> Gather<'a> {
    /// The next `size` bytes when they lie in one slice: then they need no copy.
    fn whole(&mut self, size: usize) -> Option<&'a [u8]> {
        while let Some((first, rest)) = self.parts.split_first() {
            if self.offset < first.len() {
                let found = first.get(self.offset..self.offset + size)?;
                self.offset += size;
                return Some(found);
            }
            self.parts = rest;
            self.offset = 0;
        }
        None
    }

    fn copy(&mut self, mut to: &mut [u8]) {
        while let Some((first, rest)) = self.parts.split_first() {
            let from = first.get(self.offset..).unwrap_or_default();
            let n = from.len().min(to.len());
            let (head, tail) = to.split_at_mut(n);
            head.copy_from_slice(from.get(..n).unwrap_or_default());
            self.offset += n;
            to = tail;
            if to.is_empty() {
                return;
            }
            self.parts = rest;
            self.offset = 0;
        }
    }
}
