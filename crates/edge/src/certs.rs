//! Certificates by server name.
//!
//! The set is swapped whole while connections go on. A name outside it gets no handshake; a request for a host that
//! the connection's certificate does not stand for is misdirected (421, see [`crate::routes`]).

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// One certificate with its key, and the names it is used for: exact, or `*.parent`.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub names: Vec<String>,
    pub key: Arc<CertifiedKey>,
}

/// All certificates of the edge.
#[derive(Debug)]
pub struct CertStore(ArcSwap<Set>);

#[derive(Debug, Default)]
struct Set {
    by_name: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    by_parent: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// For clients that send no name: the first of the set.
    nameless: Option<Arc<CertifiedKey>>,
}

impl CertStore {
    pub fn new(certificates: Vec<Certificate>) -> Self {
        Self(ArcSwap::from_pointee(Set::of(certificates)))
    }

    /// Swaps the whole set. Connections that stand are not touched.
    pub fn replace(&self, certificates: Vec<Certificate>) {
        self.0.store(Arc::new(Set::of(certificates)));
    }

    /// Whether a connection made for `sni` may carry requests for `host`: both get the same certificate.
    pub(crate) fn stands_for(&self, sni: Option<&str>, host: &str) -> bool {
        let set = self.0.load();
        match (set.find(sni), set.find(Some(host))) {
            (Some(used), Some(wanted)) => Arc::ptr_eq(used, wanted),
            _ => false,
        }
    }
}

impl Set {
    fn of(certificates: Vec<Certificate>) -> Self {
        let mut set = Self { nameless: certificates.first().map(|one| Arc::clone(&one.key)), ..Self::default() };
        for Certificate { names, key } in certificates {
            for name in names {
                let name = name.to_ascii_lowercase();
                match name.strip_prefix("*.") {
                    Some(parent) => set.by_parent.insert(parent.into(), Arc::clone(&key)),
                    None => set.by_name.insert(name.into(), Arc::clone(&key)),
                };
            }
        }
        set
    }

    fn find(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let Some(name) = name else { return self.nameless.as_ref() };
        // A wildcard stands for exactly one label (RFC 9525 §6.3).
        self.by_name.get(name).or_else(|| self.by_parent.get(name.split_once('.')?.1))
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls hands the name out lowercased.
        self.0.load().find(hello.server_name()).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key() -> Arc<CertifiedKey> {
        let made = rcgen::generate_simple_self_signed(vec!["a.test".into()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key))
    }

    #[test]
    fn exact_before_wildcard_and_one_label_only() {
        let (wide, exact) = (key(), key());
        let set = Set::of(vec![
            Certificate { names: vec!["*.base.test".into()], key: Arc::clone(&wide) },
            Certificate { names: vec!["Own.base.test".into()], key: Arc::clone(&exact) },
        ]);
        for (name, expected) in [
            (Some("a.base.test"), Some(&wide)),
            (Some("own.base.test"), Some(&exact)),
            (Some("base.test"), None),
            (Some("a.b.base.test"), None),
            (Some("other.test"), None),
            (None, Some(&wide)),
        ] {
            assert_eq!(set.find(name).map(Arc::as_ptr), expected.map(Arc::as_ptr), "{name:?}");
        }
    }

    #[test]
    fn a_connection_stands_for_names_of_its_own_certificate() {
        let store = CertStore::new(vec![
            Certificate { names: vec!["*.base.test".into()], key: key() },
            Certificate { names: vec!["own.base.test".into()], key: key() },
        ]);
        assert!(store.stands_for(Some("a.base.test"), "b.base.test"));
        assert!(store.stands_for(None, "b.base.test"));
        assert!(!store.stands_for(Some("a.base.test"), "own.base.test"));
        assert!(!store.stands_for(None, "elsewhere.test"));
    }
}
