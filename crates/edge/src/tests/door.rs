//! Before a connection is a client's or a gate's.

use mezu_model::Limits;
use tokio::net::TcpStream;

use super::world::{echo, with_limits};

const GET: &str = "GET /x HTTP/1.1\r\nhost: shop.base.test\r\nconnection: close\r\n\r\n";

#[test]
fn those_who_connect_and_say_nothing_keep_nobody_out() {
    let limits = Limits { handshakes_open: 2, handshakes_per_second: 5, ..Limits::default() };
    with_limits(1, limits, |world| async move {
        world.gate(1, 1, echo("one")).await;
        let mut silent = Vec::new();
        for _ in 0..100 {
            silent.push(TcpStream::connect(world.edge.https_addr()).await.unwrap());
        }
        assert_eq!(world.ask(GET).await.text(), "one GET /x ");
        drop(silent);
    });
}

/// Many gates may stand behind one address: whoever has shown a key counts by that.
#[test]
fn gates_do_not_use_up_the_places_of_their_address() {
    let limits = Limits { connections_per_address: 3, connect_burst: 3, connects_per_second: 1, ..Limits::default() };
    with_limits(1, limits, |world| async move {
        let mut tunnels = Vec::new();
        for gate in 1..9 {
            tunnels.push(world.tunnel(gate, echo("one")).await.unwrap());
        }
        assert_eq!(world.ask(GET).await.text(), "one GET /x ");
    });
}
