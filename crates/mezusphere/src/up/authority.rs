//! The certificate of the public port: the operator's own, or one from a private CA made at the first start.
//!
//! The CA may only speak for names under the base domain and `localhost` (X.509 name constraints), so trusting it puts
//! no other site's name at risk should its key be stolen. Its certificate and the leaf's are P-256. The keys never
//! leave the data directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mezu_edge::Certificate;
use mezu_model::Hostname;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use super::UpError;
use super::data_dir::{self, DataDir};

const CA_LIFE: Duration = Duration::days(3650);
const LEAF_LIFE: Duration = Duration::days(90);
/// A leaf is renewed when a third of its life is left.
const RENEW_BEFORE: Duration = Duration::days(30);
/// Clocks of clients run a little behind.
const BACKDATE: Duration = Duration::hours(1);

/// Where the public port's certificate comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Files of the operator's, read again when they change.
    Own { cert: PathBuf, key: PathBuf },
    /// The private CA in the data directory.
    Private,
}

/// A certificate ready for the edge, and until when it is good.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub certificate: Certificate,
    pub not_after: OffsetDateTime,
}

/// Loads the operator's certificate and key, and checks that they belong together.
///
/// # Errors
/// Says which file is at fault and why.
pub(super) fn own(cert: &Path, key: &Path) -> Result<Ready, UpError> {
    let chain = fs::read(cert).map_err(|error| at_fault(cert, error))?;
    let key_text = fs::read(key).map_err(|error| at_fault(key, error))?;
    ready(&chain, cert, &key_text, key)
}

/// The leaf of the private CA, made or renewed as needed; the CA too.
///
/// # Errors
/// When a file cannot be read, written or understood.
pub(super) fn private(data: &DataDir, base: &Hostname, now: OffsetDateTime) -> Result<Ready, UpError> {
    let (cert, key) = (data.file("tls.pem"), data.file("tls.key"));
    let (ca, new_ca) = ensure_ca(data, base, now)?;
    if !new_ca
        && let Ok(ready) = own(&cert, &key)
        && ready.not_after - now > RENEW_BEFORE
        && ready.certificate.names == leaf_names(base)
    {
        return Ok(ready);
    }
    let leaf_key = KeyPair::generate().map_err(UpError::Authority)?;
    let leaf = leaf_params(base, now)?.signed_by(&leaf_key, &ca).map_err(UpError::Authority)?;
    // The key first: a crash between the two leaves a pair that does not match, which is made anew at the next start.
    data_dir::replace(&key, leaf_key.serialize_pem().as_bytes()).map_err(|error| at_fault(&key, error))?;
    data_dir::replace_public(&cert, leaf.pem().as_bytes()).map_err(|error| at_fault(&cert, error))?;
    own(&cert, &key)
}

fn ensure_ca(
    data: &DataDir,
    base: &Hostname,
    now: OffsetDateTime,
) -> Result<(Issuer<'static, KeyPair>, bool), UpError> {
    let (cert, key) = (data.file("ca.pem"), data.file("ca.key"));
    if let Some(ca) = stored_ca(&cert, &key, base, now) {
        return Ok((ca, false));
    }
    if cert.exists() {
        tracing::warn!(base_domain = %base, "the private CA does not fit (other domain, expired or damaged); making a new one");
    }
    let pair = KeyPair::generate().map_err(UpError::Authority)?;
    let params = ca_params(base, now);
    let made = params.self_signed(&pair).map_err(UpError::Authority)?;
    data_dir::replace(&key, pair.serialize_pem().as_bytes()).map_err(|error| at_fault(&key, error))?;
    data_dir::replace_public(&cert, made.pem().as_bytes()).map_err(|error| at_fault(&cert, error))?;
    Ok((Issuer::new(params, pair), true))
}

/// The CA on disk, if it is whole, still good for longer than a leaf, and made for this base domain.
fn stored_ca(cert: &Path, key: &Path, base: &Hostname, now: OffsetDateTime) -> Option<Issuer<'static, KeyPair>> {
    let text = fs::read_to_string(cert).ok()?;
    let pair = KeyPair::from_pem(&fs::read_to_string(key).ok()?).ok()?;
    let der = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    let fits = parsed.public_key().subject_public_key.data.as_ref() == pair.public_key_raw()
        && parsed.validity().not_after.to_datetime() - now > LEAF_LIFE
        && parsed.subject().iter_common_name().any(|name| name.as_str().is_ok_and(|name| name == ca_name(base)));
    fits.then(|| Issuer::from_ca_cert_pem(&text, pair).ok()).flatten()
}

fn ca_name(base: &Hostname) -> String {
    format!("Mezusphere private CA for {base}")
}

fn ca_params(base: &Hostname, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, ca_name(base));
    params.not_before = now - BACKDATE;
    params.not_after = now + CA_LIFE;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName(base.to_string()),
            GeneralSubtree::DnsName("localhost".into()),
            // No subtree of addresses: BoringSSL, and so gRPC, refuses a chain whose constraints name any.
        ],
        excluded_subtrees: Vec::new(),
    });
    params
}

/// The names of the leaf: what clients ask for, the base domain as the name that gates dial, and loopback.
fn leaf_names(base: &Hostname) -> Vec<String> {
    vec![format!("*.{base}"), base.to_string(), "localhost".into(), "127.0.0.1".into(), "::1".into()]
}

fn leaf_params(base: &Hostname, now: OffsetDateTime) -> Result<CertificateParams, UpError> {
    let mut params = CertificateParams::new(leaf_names(base)).map_err(UpError::Authority)?;
    params.distinguished_name.push(DnType::CommonName, base.to_string());
    params.not_before = now - BACKDATE;
    params.not_after = now + LEAF_LIFE;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn ready(chain: &[u8], cert: &Path, key_text: &[u8], key: &Path) -> Result<Ready, UpError> {
    let chain =
        CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>().map_err(|error| at_fault(cert, error))?;
    let Some(leaf) = chain.first() else {
        return Err(at_fault(cert, "it holds no certificate"));
    };
    let (names, not_after) = names_and_end(leaf).ok_or_else(|| at_fault(cert, "it cannot be read"))?;
    let private = PrivateKeyDer::from_pem_slice(key_text).map_err(|error| at_fault(key, error))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let signer = provider.key_provider.load_private_key(private).map_err(|error| at_fault(key, error))?;
    let certified = CertifiedKey::new(chain, signer);
    certified.keys_match().map_err(|_| at_fault(key, format!("it is not the key of {}", cert.display())))?;
    Ok(Ready { certificate: Certificate { names, key: Arc::new(certified) }, not_after })
}

fn names_and_end(leaf: &CertificateDer<'_>) -> Option<(Vec<String>, OffsetDateTime)> {
    use x509_parser::extensions::GeneralName;
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let alternative = parsed.subject_alternative_name().ok()??;
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_string()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    };
    let names = alternative.value.general_names.iter().filter_map(name).collect();
    Some((names, parsed.validity().not_after.to_datetime()))
}

fn at_fault(path: &Path, reason: impl ToString) -> UpError {
    UpError::Certificate { path: path.to_path_buf(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
