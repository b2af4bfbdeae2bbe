//! Tunnels through proxies that really forward.

use mezu_runtime::{Scope, spawn_local};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::{
    RULES, folder,
    mini_edge::{MiniEdge, get, local},
};

/// What a mini proxy was asked for.
type Asked = mpsc::Receiver<String>;

/// Speaks CONNECT or SOCKS5, whichever the first byte says, and forwards to this machine.
async fn mini_proxy() -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = mpsc::channel(16);
    spawn_local(&Scope::new(), "proxy", async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            spawn_local(&Scope::new(), "proxied", serve(client, tell.clone()));
        }
    });
    (port, asked)
}

async fn serve(mut client: TcpStream, tell: mpsc::Sender<String>) {
    let mut first = [0u8; 1];
    client.peek(&mut first).await.unwrap();
    let (said, port) = if first[0] == 5 { socks5(&mut client).await } else { connect(&mut client).await };
    tell.send(said).await.unwrap();
    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut far).await;
}

async fn connect(client: &mut TcpStream) -> (String, u16) {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        client.read_buf(&mut heard).await.unwrap();
    }
    let text = String::from_utf8(heard).unwrap();
    let authority = text.split(' ').nth(1).unwrap().to_owned();
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
    let port = authority.rsplit_once(':').unwrap().1.parse().unwrap();
    let login = text.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: ")).unwrap_or("nobody");
    (format!("{authority} {login}"), port)
}

async fn socks5(client: &mut TcpStream) -> (String, u16) {
    let mut greeting = [0u8; 4];
    client.read_exact(&mut greeting).await.unwrap();
    client.write_all(&[5, 2]).await.unwrap();
    let mut login = [0u8; 11];
    client.read_exact(&mut login).await.unwrap();
    client.write_all(&[1, 0]).await.unwrap();
    let mut head = [0u8; 5];
    client.read_exact(&mut head).await.unwrap();
    let mut rest = vec![0u8; usize::from(head[4]) + 2];
    client.read_exact(&mut rest).await.unwrap();
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let (name, port) = rest.split_at(rest.len() - 2);
    let login = String::from_utf8_lossy(&login[2..6]).into_owned();
    let port = u16::from_be_bytes([port[0], port[1]]);
    (format!("{}:{port} {login}", String::from_utf8_lossy(name)), port)
}

#[test]
fn tunnels_go_through_connect_and_socks5() {
    for (scheme, login) in [("http", "Basic dXNlcjpwYXNz"), ("socks5", "user")] {
        local(async {
            let mut edge = MiniEdge::start(RULES).await;
            let (port, mut asked) = mini_proxy().await;
            let (_dir, target) = folder();
            let proxy = format!("{scheme}://user:pass@127.0.0.1:{port}").parse().unwrap();
            let _gate = edge.gate().proxy(proxy).workload("web".parse().unwrap(), target).start().unwrap();
            let session = edge.next().await;
            assert_eq!(asked.recv().await.unwrap(), format!("localhost:{} {login}", edge.port));
            assert_eq!(get(&session, 0, "/a.txt").await.unwrap().1, b"hello");
        });
    }
}
