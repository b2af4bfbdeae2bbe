#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use mezu_policy::PipelineSpec;
use mezu_snapshot::{KeyEntry, OrgEntry, Parts, RouteEntry, WorkloadEntry};
use rustls::sign::CertifiedKey;

use super::*;
use crate::certs::Certificate;
use crate::http::Alpn;

const ONE: OrgId = OrgId::from_bytes([1; 16]);
const TWO: OrgId = OrgId::from_bytes([2; 16]);

fn id(n: u8) -> [u8; 16] {
    [n; 16]
}

fn workload(n: u8, org: OrgId) -> WorkloadEntry {
    WorkloadEntry { id: WorkloadId::from_bytes(id(n)), org, name: format!("w{n}").parse().unwrap() }
}

fn route(n: u8, host: &str, path: &str, workload: u8) -> RouteEntry {
    RouteEntry {
        id: RouteId::from_bytes(id(n)),
        host: host.parse().unwrap(),
        path: path.parse().unwrap(),
        workload: WorkloadId::from_bytes(id(workload)),
        pipeline: PipelineSpec::default(),
    }
}

fn snapshot() -> Snapshot {
    let parts = Parts {
        orgs: [(ONE, "one"), (TWO, "two")].map(|(id, name)| OrgEntry { id, name: name.parse().unwrap() }).into(),
        keys: vec![KeyEntry { id: KeyId::from_bytes(id(9)), org: ONE, public: PublicKey([9; 32]) }],
        workloads: vec![workload(1, ONE), workload(2, ONE), workload(3, TWO)],
        routes: vec![
            route(1, "a.base.test", "/", 1),
            route(2, "a.base.test", "/api", 2),
            route(3, "a.base.test", "/api/deep", 1),
            route(4, "b.base.test", "/", 1),
            route(5, "c.base.test", "/only", 3),
        ],
    };
    Snapshot::new(7, "base.test".parse().unwrap(), parts)
}

fn certs() -> CertStore {
    let made = rcgen::generate_simple_self_signed(vec!["a.test".into()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let key = Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key));
    CertStore::new(vec![Certificate { names: vec!["*.base.test".into()], key }])
}

fn found(sni: Option<&str>, host: &str, path: &str) -> Result<u8, EdgeError> {
    let table = Table::compile(&snapshot()).unwrap();
    let client = SocketAddr::from(([192, 0, 2, 1], 9));
    let conn = ConnInfo { client, local_port: 443, sni: sni.map(Into::into), alpn: Alpn::H2 };
    let mut head = RequestHead { host: host.into(), path: path.into(), ..RequestHead::default() };
    let context = Context::default();
    let mut beside = Beside::default();
    let request = Request::new(&conn, &context, &mut head, BodyLength::Empty, Instant::now(), &mut beside);
    table.route(request, &certs()).map(|routed| routed.route.id.as_bytes()[0])
}

#[test]
fn the_longest_prefix_of_whole_segments_wins() {
    for (path, expected) in
        [("/", 1), ("/apix", 1), ("/api", 2), ("/api/", 2), ("/api/deeper", 2), ("/api/deep", 3), ("/api/deep/x", 3)]
    {
        assert_eq!(found(Some("a.base.test"), "a.base.test", path), Ok(expected), "{path}");
    }
}

#[test]
fn a_connection_carries_only_names_of_its_certificate_and_org() {
    let misdirected = Err(EdgeError::Misdirected);
    for (sni, host, expected) in [
        (Some("a.base.test"), "b.base.test", Ok(4)),
        (None, "b.base.test", Ok(4)),
        (Some("a.base.test"), "elsewhere.test", misdirected.clone()),
        (None, "elsewhere.test", misdirected.clone()),
        (Some("c.base.test"), "a.base.test", misdirected.clone()),
        (Some("none.base.test"), "a.base.test", misdirected.clone()),
        (Some("none.base.test"), "none.base.test", Err(EdgeError::UnknownHost)),
        (Some("c.base.test"), "c.base.test", Err(EdgeError::NoRoute)),
    ] {
        assert_eq!(found(sni, host, "/"), expected, "{sni:?} {host}");
    }
}

#[test]
fn keys_are_found_by_their_public_half() {
    let table = Table::compile(&snapshot()).unwrap();
    assert_eq!(table.generation, 7);
    assert_eq!(table.key(&PublicKey([9; 32])), Some(Key { id: KeyId::from_bytes(id(9)), org: ONE }));
    assert_eq!(table.key(&PublicKey([8; 32])), None);
}

#[test]
fn a_route_to_nowhere_does_not_compile() {
    let mut snapshot = snapshot();
    snapshot.workloads.clear();
    assert!(matches!(Table::compile(&snapshot), Err(Uncompilable::Workload(_))));
}
