//! Whom to trust: the system's certificate authorities, and those the user adds.

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
    #[error("no certificate authorities on this system and no --ca given; install ca-certificates")]
    None,
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// The system's roots and those in `ca`.
pub(crate) fn load(ca: Option<&Path>) -> Result<RootCertStore, RootsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let before = roots.len();
        roots.add_parsable_certificates(read(path)?);
        if roots.len() == before {
            return Err(RootsError::Empty(path.to_owned()));
        }
    }
    if roots.is_empty() { Err(RootsError::None) } else { Ok(roots) }
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
