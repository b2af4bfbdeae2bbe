//! Machines that ask to be let in, at an instance's public port.

use mezu_tunnel::ask::{Asking, Question, ask};
use mezu_tunnel::proto::ask::{Told, Wish};
use mezu_tunnel::proto::hello::{Refused, RefusedCode};
use mezu_tunnel::{ConnectError, carrier};
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

use super::api::at_socket;
use super::*;

const NAME: &str = "tunnel.mezusphere.localhost";

async fn asks(running: &Running, seed: &Seed, wish: Wish) -> Asking {
    let mut roots = rustls::RootCertStore::empty();
    let ca = rustls::pki_types::CertificateDer::from_pem_file(running.ca_file().unwrap()).unwrap();
    roots.add(ca).unwrap();
    let tls = Arc::new(carrier::gate_config(roots).unwrap());
    let socket = tokio::net::TcpStream::connect(running.https_addr()).await.unwrap();
    let (host, user, agent) = ("laptop".into(), "eve".into(), "test".into());
    ask(socket.into(), tls, NAME, Question { wish, org: None, host, user, agent }, seed).await.unwrap()
}

async fn code(asking: &mut Asking) -> String {
    match asking.told().await.unwrap() {
        Told::Waiting { code, seconds } if seconds > 590 => code.to_string(),
        other => panic!("{other:?}"),
    }
}

fn refused(told: Result<Told, ConnectError>) -> Refused {
    match told {
        Err(ConnectError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

async fn look(running: &Running, code: &str) -> u16 {
    at_socket(running, &format!("GET /api/v1/orgs/default/machines/{code}"), None).await.0
}

#[tokio::test]
async fn a_machine_is_let_in_hears_of_it_again_and_gives_its_key_up() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let seed = Seed::from_bytes([9; 32]);
    let mut asking = asks(&running, &seed, Wish::LetIn).await;
    let code = code(&mut asking).await;
    let path = format!("/api/v1/orgs/default/machines/{code}");
    let (status, _, machine) = at_socket(&running, &format!("GET {path}"), None).await;
    assert_eq!((status, &machine["address"]), (200, &json!("127.0.0.1")), "{machine}");
    assert_eq!(machine["fingerprint"], public(&seed).fingerprint());
    let wish = json!({"name": "laptop", "fingerprint": machine["fingerprint"]});
    assert_eq!(at_socket(&running, &format!("POST {path}"), Some(wish)).await.0, 201);
    let let_in = asking.told().await.unwrap();
    let Told::LetIn { org, account, expires_at: Some(_) } = &let_in else { panic!("{let_in:?}") };
    assert_eq!((org.as_str(), account.as_str()), ("default", "laptop"));
    assert!(running.ops.publisher.current().keys.iter().any(|key| key.public == public(&seed)));

    // Had its connection been lost just then, it would ask again.
    let mut again = asks(&running, &seed, Wish::LetIn).await;
    assert_eq!(again.told().await.unwrap(), let_in);

    let mut asking = asks(&running, &seed, Wish::GiveUp).await;
    assert_eq!(asking.told().await.unwrap(), Told::GivenUp);
    assert!(!running.ops.publisher.current().keys.iter().any(|key| key.public == public(&seed)));
    let mut asking = asks(&running, &seed, Wish::GiveUp).await;
    assert_eq!(refused(asking.told().await).code, RefusedCode::Revoked);
    running.drain().await;
}

#[tokio::test]
async fn whoever_hangs_up_has_withdrawn_and_a_flood_is_bounded() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let mut held = Vec::new();
    let mut codes = Vec::new();
    for key in 1..=10 {
        let mut asking = asks(&running, &Seed::from_bytes([key; 32]), Wish::LetIn).await;
        codes.push(code(&mut asking).await);
        held.push(asking);
    }
    let mut more = asks(&running, &Seed::from_bytes([11; 32]), Wish::LetIn).await;
    let refused = refused(more.told().await);
    assert_eq!(refused.code, RefusedCode::TooMany);
    assert!(refused.retry_after_ms.unwrap() > 20_000, "{refused:?}");
    assert_eq!(look(&running, &codes[3]).await, 200);
    held.clear();
    for code in &codes {
        // A code that leads nowhere counts, so that asking too often is slowed: that is no 200 either.
        tokio::time::timeout(Duration::from_secs(10), async {
            while look(&running, code).await == 200 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
    running.drain().await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_those_who_wait() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let mut asking = asks(&running, &Seed::from_bytes([1; 32]), Wish::LetIn).await;
    code(&mut asking).await;
    tokio::time::timeout(Duration::from_secs(5), running.drain()).await.unwrap();
    assert_eq!(refused(asking.told().await).code, RefusedCode::Draining);
}
