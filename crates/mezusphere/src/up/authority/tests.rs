#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn base() -> Hostname {
    "mezusphere.localhost".parse().unwrap()
}

fn open() -> (tempfile::TempDir, DataDir) {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(&dir.path().join("data")).unwrap();
    (dir, data)
}

/// Checks a server's certificate as a client that trusts `DIR/ca.pem` does.
fn verify(data: &DataDir, ready: &Ready, name: &str, now: OffsetDateTime) -> Result<(), rustls::Error> {
    use rustls::client::WebPkiServerVerifier;
    use rustls::pki_types::{ServerName, UnixTime};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(data.file("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.unix_timestamp().try_into().unwrap()));
    let name = ServerName::try_from(name.to_string()).unwrap();
    use rustls::client::danger::ServerCertVerifier as _;
    let chain = &ready.certificate.key.cert;
    let (leaf, rest) = chain.split_first().unwrap();
    verifier.verify_server_cert(leaf, rest, &name, &[], now).map(|_| ())
}

#[test]
fn the_leaf_is_good_for_its_names_only() {
    let (_dir, data) = open();
    let now = OffsetDateTime::now_utc();
    let ready = private(&data, &base(), now).unwrap();
    for name in ["shop.mezusphere.localhost", "mezusphere.localhost", "localhost", "127.0.0.1", "::1"] {
        verify(&data, &ready, name, now).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in ["a.b.mezusphere.localhost", "example.com", "192.0.2.1"] {
        assert!(verify(&data, &ready, name, now).is_err(), "{name}");
    }
}

#[test]
fn the_ca_may_not_speak_for_other_names() {
    let (_dir, data) = open();
    let now = OffsetDateTime::now_utc();
    private(&data, &base(), now).unwrap();
    let (ca, new) = ensure_ca(&data, &base(), now).unwrap();
    assert!(!new);
    let key = KeyPair::generate().unwrap();
    let other: Hostname = "bank.example".parse().unwrap();
    let leaf = leaf_params(&other, now).unwrap().signed_by(&key, &ca).unwrap();
    let forged = ready(leaf.pem().as_bytes(), Path::new("c"), key.serialize_pem().as_bytes(), Path::new("k")).unwrap();
    assert!(verify(&data, &forged, "bank.example", now).is_err());
}

#[test]
fn a_second_start_changes_nothing_until_renewal_is_due() {
    let (_dir, data) = open();
    let now = OffsetDateTime::now_utc();
    let first = private(&data, &base(), now).unwrap();
    let ca = fs::read(data.file("ca.pem")).unwrap();
    let again = private(&data, &base(), now + Duration::days(59)).unwrap();
    assert_eq!(first.certificate.key.cert, again.certificate.key.cert);
    let later = now + Duration::days(61);
    let renewed = private(&data, &base(), later).unwrap();
    assert_ne!(first.certificate.key.cert, renewed.certificate.key.cert);
    assert_eq!(fs::read(data.file("ca.pem")).unwrap(), ca);
    verify(&data, &renewed, "shop.mezusphere.localhost", later + Duration::days(80)).unwrap();
}

#[test]
fn damage_and_another_domain_are_mended() {
    let (_dir, data) = open();
    let now = OffsetDateTime::now_utc();
    private(&data, &base(), now).unwrap();
    // A crash between the two files leaves a pair that does not match.
    fs::write(data.file("tls.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let mended = private(&data, &base(), now).unwrap();
    verify(&data, &mended, "a.mezusphere.localhost", now).unwrap();
    let other: Hostname = "example.org".parse().unwrap();
    let moved = private(&data, &other, now).unwrap();
    verify(&data, &moved, "a.example.org", now).unwrap();
    fs::write(data.file("ca.pem"), "rubbish").unwrap();
    let made_anew = private(&data, &other, now).unwrap();
    verify(&data, &made_anew, "a.example.org", now).unwrap();
}

#[test]
fn keys_are_private_and_faults_name_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_dir, data) = open();
    private(&data, &base(), OffsetDateTime::now_utc()).unwrap();
    for file in ["ca.key", "tls.key"] {
        let mode = fs::metadata(data.file(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let error = own(&data.file("absent.pem"), &data.file("tls.key")).unwrap_err().to_string();
    assert!(error.contains("absent.pem"), "{error}");
    let error = own(&data.file("tls.pem"), &data.file("ca.key")).unwrap_err().to_string();
    assert!(error.contains("not the key of"), "{error}");
}
