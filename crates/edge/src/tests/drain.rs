//! Going away without losing anything.

use super::world::{HOST, script, with_edge};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n")
}

#[test]
fn a_request_under_way_is_finished_and_its_connection_closed() {
    with_edge(2, |world| async move {
        let (told, mut heard) = tokio::sync::mpsc::channel(4);
        let go = std::rc::Rc::new(tokio::sync::Notify::new());
        let waits = go.clone();
        let tunnels = world.gate(1, 2, script(move |mut asked| {
            let (told, go) = (told.clone(), waits.clone());
            async move {
                asked.head().await;
                told.send(()).await.unwrap();
                go.notified().await;
                asked.answer(200, b"late").await;
            }
        })).await;
        let mut client = world.client().await;
        client.send(&get("/")).await;
        heard.recv().await.unwrap();
        let asks = async {
            // The last listener is closed after the clients were told.
            while tokio::net::TcpStream::connect(world.edge.https_addr()).await.is_ok() {}
            assert!(!world.edge.is_ready());
            go.notify_one();
            assert_eq!(client.answer().await.text(), "late");
            // One that was on its way already is served as well, and is the last.
            client.send(&get("/")).await;
            heard.recv().await.unwrap();
            go.notify_one();
            let answer = client.answer().await;
            assert_eq!((answer.text(), answer.field("connection")), ("late", Some("close")));
            assert!(client.is_closed().await);
        };
        tokio::join!(world.edge.drain(), asks);
        for tunnel in tunnels {
            tunnel.session.closed().await;
        }
        assert!(tokio::net::TcpStream::connect(world.edge.https_addr()).await.is_err());
    });
}
