use std::time::Duration;

use mezu_model::MachineCode;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::accept::{AcceptError, Knock, accept, accept_hello};
use crate::carrier::{edge_config, gate_config};
use crate::test_certs::Certs;
use crate::tls::sniff;

struct World {
    certs: Certs,
    listener: TcpListener,
    seed: Seed,
}

impl World {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { certs: Certs::new("edge.test"), listener, seed: Seed::from_bytes([3; 32]) }
    }

    async fn pending(&self) -> PendingAsk {
        let sniffed = sniff(self.listener.accept().await.unwrap().0).await.unwrap();
        let config = Arc::new(edge_config(self.certs.resolver.clone()).unwrap());
        let Ok(Knock::Ask(ask)) = accept(sniffed, config).await else { panic!("no ASK") };
        ask
    }

    async fn ask(&self) -> Asking {
        let tcp = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let tls = Arc::new(gate_config(self.certs.roots.clone()).unwrap());
        let (host, user, agent) = ("laptop".into(), "eve".into(), "test".into());
        let question = Question { wish: Wish::LetIn, org: None, host, user, agent };
        ask(tcp.into(), tls, "Edge.test", question, &self.seed).await.unwrap()
    }
}

fn waiting(seconds: u32) -> Told {
    Told::Waiting { code: "ABCD-EF29".parse::<MachineCode>().unwrap(), seconds }
}

#[tokio::test]
async fn a_machine_hears_how_its_request_stands_until_it_is_let_in() {
    let world = World::new().await;
    let (mut edge, mut machine) = tokio::join!(world.pending(), world.ask());
    assert_eq!(edge.verify(), Ok(auth::public_key(&world.seed).unwrap()));
    assert_eq!((edge.ask().host.as_str(), edge.ask().edge_name.as_str()), ("laptop", "edge.test"));
    edge.tell(&waiting(600)).await.unwrap();
    assert_eq!(machine.told().await.unwrap(), waiting(600));
    edge.tell(&waiting(580)).await.unwrap();
    let granted = Told::LetIn { org: "acme".parse().unwrap(), account: "laptop".parse().unwrap(), expires_at: None };
    edge.end(&granted).await.unwrap();
    assert_eq!(machine.told().await.unwrap(), waiting(580));
    assert_eq!(machine.told().await.unwrap(), granted);
    assert!(machine.told().await.is_err(), "nothing follows");
}

#[tokio::test]
async fn whoever_goes_or_says_more_is_gone() {
    let world = World::new().await;
    let (mut edge, machine) = tokio::join!(world.pending(), world.ask());
    let patient = tokio::time::timeout(Duration::from_millis(20), edge.gone()).await;
    assert!(patient.is_err(), "it waits");
    drop(machine);
    edge.gone().await;

    let (mut edge, mut machine) = tokio::join!(world.pending(), world.ask());
    machine.carrier.write(b"?").unwrap();
    poll_fn(|cx| machine.carrier.poll_flush(cx)).await.unwrap();
    edge.gone().await;
    edge.gone().await;
}

#[tokio::test]
async fn a_proof_from_another_connection_or_for_a_tunnel_is_worth_nothing() {
    let world = World::new().await;
    let (first, _machine) = tokio::join!(world.pending(), world.ask());
    let (mut second, _machine) = tokio::join!(world.pending(), world.ask());
    second.ask.signature = first.ask.signature;
    assert_eq!(second.verify(), Err(AuthError::BadSignature));
    second.ask.signature = auth::sign(&world.seed, second.carrier.exporter(), "edge.test").unwrap();
    assert_eq!(second.verify(), Err(AuthError::BadSignature));
    second.ask.signature = auth::sign_ask(&world.seed, second.carrier.exporter(), "edge.test").unwrap();
    assert!(second.verify().is_ok());
}

#[tokio::test]
async fn an_edge_that_waits_for_a_hello_gets_none() {
    let world = World::new().await;
    let edge = async {
        let sniffed = sniff(world.listener.accept().await.unwrap().0).await.unwrap();
        accept_hello(sniffed, Arc::new(edge_config(world.certs.resolver.clone()).unwrap())).await
    };
    let (edge, _machine) = tokio::join!(edge, world.ask());
    assert!(matches!(edge, Err(AcceptError::NoHello)));
}
