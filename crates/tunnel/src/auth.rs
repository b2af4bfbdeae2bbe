//! How a gate proves that it holds a service-account key (RFC 8032 Ed25519).
//!
//! The gate signs the TLS exporter of this very connection and the name of the edge that it dialled. The exporter is
//! different on every connection and known to its two ends only: a signature that is recorded, or made for an edge
//! that relays, is worth nothing elsewhere. The edge keeps public keys only.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use mezu_model::key::{PublicKey, Seed};
use mezu_tunnel_proto::{ask, hello};
use thiserror::Error;

/// A DNS name.
const MAX_NAME: usize = 255;

/// What both ends of one TLS connection know and nobody else does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Exporter(pub(crate) [u8; 32]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthError {
    /// Wrong key, wrong edge name, or a signature made for another connection.
    #[error("the signature does not prove possession of the key")]
    BadSignature,
    #[error("the key cannot be used")]
    BadKey,
}

/// The public half of a seed.
pub fn public_key(seed: &Seed) -> Result<PublicKey, AuthError> {
    let pair = pair(seed)?;
    let bytes = pair.public_key().as_ref().try_into().map_err(|_| AuthError::BadKey)?;
    Ok(PublicKey(bytes))
}

/// A fresh key from the system's generator.
pub fn new_seed() -> Result<Seed, AuthError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AuthError::BadKey)?;
    Ok(Seed::from_bytes(bytes))
}

/// The gate's proof. `edge_name` is the TLS server name that it dialled.
pub fn sign(seed: &Seed, exporter: &Exporter, edge_name: &str) -> Result<[u8; 64], AuthError> {
    sign_bytes(seed, &hello::signed_bytes(&exporter.0, edge_name))
}

/// The proof of a machine that asks to be let in or gives its key up.
pub fn sign_ask(seed: &Seed, exporter: &Exporter, edge_name: &str) -> Result<[u8; 64], AuthError> {
    sign_bytes(seed, &ask::signed_bytes(&exporter.0, edge_name))
}

/// Checks a gate's proof against the stored key.
pub fn verify(key: &PublicKey, exporter: &Exporter, edge_name: &str, signature: &[u8]) -> Result<(), AuthError> {
    verify_bytes(key, &hello::signed_bytes(&exporter.0, edge_name), edge_name, signature)
}

/// Checks the proof of [`sign_ask`] against the key that came with it.
pub fn verify_ask(key: &PublicKey, exporter: &Exporter, edge_name: &str, signature: &[u8]) -> Result<(), AuthError> {
    verify_bytes(key, &ask::signed_bytes(&exporter.0, edge_name), edge_name, signature)
}

fn sign_bytes(seed: &Seed, message: &[u8]) -> Result<[u8; 64], AuthError> {
    pair(seed)?.sign(message).as_ref().try_into().map_err(|_| AuthError::BadKey)
}

fn verify_bytes(key: &PublicKey, message: &[u8], edge_name: &str, signature: &[u8]) -> Result<(), AuthError> {
    if edge_name.len() > MAX_NAME {
        return Err(AuthError::BadSignature);
    }
    UnparsedPublicKey::new(&ED25519, key.0).verify(message, signature).map_err(|_| AuthError::BadSignature)
}

fn pair(seed: &Seed) -> Result<Ed25519KeyPair, AuthError> {
    Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| AuthError::BadKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_key_connection_and_edge_only() {
        let seed = Seed::from_bytes([7; 32]);
        let key = public_key(&seed).unwrap();
        let here = Exporter([1; 32]);
        let proof = sign(&seed, &here, "edge.test").unwrap();
        assert_eq!(verify(&key, &here, "edge.test", &proof), Ok(()));
        let refused = Err(AuthError::BadSignature);
        assert_eq!(verify(&key, &Exporter([2; 32]), "edge.test", &proof), refused);
        assert_eq!(verify(&key, &here, "other.test", &proof), refused);
        let other = public_key(&new_seed().unwrap()).unwrap();
        assert_eq!(verify(&other, &here, "edge.test", &proof), refused);
        assert_eq!(verify(&key, &here, "edge.test", &proof[..63]), refused);
        assert_eq!(verify(&key, &here, "edge.test", &[0; 64]), refused);
        assert_eq!(verify(&PublicKey([0xff; 32]), &here, "edge.test", &proof), refused);
    }

    #[test]
    fn the_public_key_is_that_of_rfc_8032() {
        // RFC 8032 §7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let seed = Seed::from_bytes(PublicKey::from_hex(seed).unwrap().0);
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(public_key(&seed).unwrap().to_string(), public);
    }
}
