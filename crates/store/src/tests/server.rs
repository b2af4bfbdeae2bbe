//! What only a PostgreSQL server can show: over the network it must say who it is, and it may go away and come back.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::*;

/// An authority's certificate, and a certificate and key of `localhost` from it.
fn certificates() -> (String, String, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    (root, server.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_server_is_believed_by_its_certificate_alone() {
    let dir = TempDir::new().unwrap();
    let (root, certificate, key) = certificates();
    let authority = dir.path().join("root.crt");
    std::fs::write(&authority, root).unwrap();
    let mut server = postgres::Server::start().unwrap();
    let port = server.listen_with_tls(&certificate, &key).unwrap();
    let url = |host: &str, more: String| -> StoreUrl {
        format!("postgres://mezu@{host}:{port}/postgres?sslmode=verify-full{more}").parse().unwrap()
    };
    let root = format!("&sslrootcert={}", authority.display());

    let unknown = Store::open(url("localhost", String::new())).await;
    assert!(matches!(unknown, Err(StoreError::Open { .. })), "of an authority that nobody knows");
    let other = Store::open(url("127.0.0.1", root.clone())).await;
    assert!(matches!(other, Err(StoreError::Open { .. })), "of another name");

    let store = Store::open(url("localhost", root)).await.unwrap();
    let sql = "SELECT CAST(ssl AS TEXT) AS ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = store.view().await.unwrap().tx.one(sql, []).await.unwrap();
    assert_eq!(row.text("ssl").unwrap(), "true");
}

#[tokio::test]
async fn a_server_that_went_away_is_found_again() {
    let mut server = postgres::Server::start().unwrap();
    let store = Store::open(server.url("postgres").parse::<StoreUrl>().unwrap()).await.unwrap();
    let (org, _) = org_with_key(&store, "default", 1).await;
    let mut open = store.change(NOW).await.unwrap();
    open.create_org(OrgId::from_bytes([7; 16]), &label("never")).await.unwrap();
    server.crash().unwrap();
    let lost = open.commit(NewEvent::done("org.create", "x")).await.unwrap_err();
    assert!(matches!(lost, StoreError::Unreachable(_)), "{lost:?}");
    // What was acknowledged before is there, what was not is not, and all goes on without a restart.
    let orgs = store.view().await.unwrap().orgs(&Slice::default()).await.unwrap().items;
    assert_eq!(orgs.iter().map(|one| one.id).collect::<Vec<_>>(), [org]);
    store.record(NewEvent::done("a.b", "x"), NOW).await.unwrap();
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}
