//! Whom to trust: the system's certificate authorities, and those the user adds.
//!
//! A system that has none, such as a container with nothing but a program in it, gets those that came with Warpgate:
//! what public sites are verified by. They are as old as the program, so the system's go first.

use std::{io, path::Path, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};

/// Why trust cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    #[error("cannot read the certificates in {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("{} holds no usable certificate in PEM form", .0.display())]
    Empty(PathBuf),
    #[error("no usable certificate where SSL_CERT_FILE or SSL_CERT_DIR says; correct or unset it")]
    None,
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Where the authorities came from that are not the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorities {
    /// The system's, so many.
    System(usize),
    /// The system has none; these came with Warpgate.
    Bundled(usize),
}

/// The system's roots, or the bundled ones, and those in `ca`.
pub(crate) fn load(ca: Option<&Path>) -> Result<(RootCertStore, Authorities), RootsError> {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| std::env::var_os(name).is_some());
    assemble(rustls_native_certs::load_native_certs().certs, named, ca)
}

/// `named`: the user has said which file or folder holds the system's. Then others are not trusted in their place.
fn assemble(
    system: Vec<CertificateDer<'static>>,
    named: bool,
    ca: Option<&Path>,
) -> Result<(RootCertStore, Authorities), RootsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system);
    let mut authorities = Authorities::System(roots.len());
    if roots.is_empty() && !named {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        authorities = Authorities::Bundled(roots.len());
    }
    if let Some(path) = ca {
        let before = roots.len();
        roots.add_parsable_certificates(read(path)?);
        if roots.len() == before {
            return Err(RootsError::Empty(path.to_owned()));
        }
    }
    if roots.is_empty() { Err(RootsError::None) } else { Ok((roots, authorities)) }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let pem = std::fs::read(path).map_err(|error| RootsError::Read(path.to_owned(), error))?;
    CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|_| RootsError::Empty(path.to_owned()))
}

/// TLS towards proxies and workloads: ordinary HTTPS.
pub(crate) fn client(roots: RootCertStore) -> Result<Arc<ClientConfig>, RootsError> {
    let mut config = builder()?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// TLS towards a workload whose certificate nobody vouches for, at the user's word (`--insecure-workload-tls`).
pub(crate) fn unverified() -> Result<Arc<ClientConfig>, RootsError> {
    let verifier = Arc::new(Unverified(Arc::new(aws_lc_rs::default_provider())));
    let mut config = builder()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
}

/// Accepts any certificate, but still proves that the peer holds its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn certificate() -> rcgen::Certificate {
        rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap().cert
    }

    #[test]
    fn a_system_without_authorities_gets_the_bundled_ones() {
        let (roots, authorities) = assemble(Vec::new(), false, None).unwrap();
        assert!(roots.len() > 50);
        assert_eq!(authorities, Authorities::Bundled(roots.len()));
        // Nonsense is as good as nothing.
        let nonsense = vec![CertificateDer::from_slice(b"nonsense").into_owned()];
        assert_eq!(assemble(nonsense, false, None).unwrap().1, authorities);
    }

    #[test]
    fn a_system_with_authorities_keeps_to_them() {
        let (roots, authorities) = assemble(vec![certificate().der().clone()], false, None).unwrap();
        assert_eq!((roots.len(), authorities), (1, Authorities::System(1)));
    }

    #[test]
    fn a_place_that_the_user_named_is_not_made_up_for() {
        assert!(matches!(assemble(Vec::new(), true, None), Err(RootsError::None)));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, certificate().pem()).unwrap();
        let (roots, authorities) = assemble(Vec::new(), true, Some(&file)).unwrap();
        assert_eq!((roots.len(), authorities), (1, Authorities::System(0)), "only the user's own");
    }

    #[test]
    fn the_users_own_come_on_top() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, certificate().pem()).unwrap();
        let alone = assemble(Vec::new(), false, None).unwrap().0.len();
        let (roots, authorities) = assemble(Vec::new(), false, Some(&file)).unwrap();
        assert_eq!((roots.len(), authorities), (alone + 1, Authorities::Bundled(alone)));
    }
}
