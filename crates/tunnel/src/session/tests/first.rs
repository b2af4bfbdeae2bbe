//! What the first exchange settles, and what it refuses.

use mezu_tunnel_proto::Violation;

use super::*;

impl World {
    /// What a gate makes of a welcome.
    async fn welcomed_with(&self, welcome: Welcome) -> Result<(Session, Session), ConnectError> {
        let edge = async { self.pending().await.welcome(welcome, config(), &self.scope).unwrap() };
        let (edge, gate) = tokio::join!(edge, self.connect(&self.seed, false));
        Ok((edge, gate?.0))
    }
}

#[test]
fn a_gate_keeps_the_limits_that_the_edge_names() {
    local(async {
        let world = World::new().await;
        let limits = Agreed { max_head: 1000, ..Agreed::default() };
        let (edge, gate) = world.welcomed_with(Welcome { limits, ..welcome() }).await.unwrap();
        let (mut asked, _) = open(&edge, Method::Get, b"", true);
        let mut stream = gate.accept().await.unwrap();
        let mut large = ResponseHead::new(200);
        large.headers.push(b"x-large", &[b'x'; 2000]).unwrap();
        assert!(stream.send_response(&large, b"", true).is_err());
        stream.send_response(&ResponseHead::new(200), b"", true).unwrap();
        assert_eq!(answer(&mut asked).await.unwrap().0, 200);
    });
}

#[test]
fn a_welcome_to_other_workloads_is_none() {
    local(async {
        let world = World::new().await;
        let mut other = welcome();
        other.workloads[0].name = "blog".parse().unwrap();
        let refused = world.welcomed_with(other).await;
        assert!(matches!(refused, Err(ConnectError::Protocol(Violation::BadPayload(_)))));
        let fewer = world.welcomed_with(Welcome { workloads: vec![], ..welcome() }).await;
        assert!(matches!(fewer, Err(ConnectError::Protocol(Violation::BadPayload(_)))));
    });
}
