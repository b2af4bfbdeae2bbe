//! An axum program on the internet with no port opened at all.
//!
//! ```sh
//! MEZUSPHERE_EDGE=localhost:8443 MEZUSPHERE_CA=data/ca.pem MEZUSPHERE_KEY=$(cat data/first-key) \
//!     cargo run -p warpgate --example embed_axum
//! ```

use std::{env, io};

use anyhow::Context as _;
use axum::{Router, routing::get};
use tokio::io::DuplexStream;
use warpgate::{Acceptor, Seed, Target, Warpgate};

#[tokio::main]
#[allow(clippy::print_stdout, reason = "an example talks to its user")]
async fn main() -> anyhow::Result<()> {
    let app = Router::new().route("/", get(|| async { "Hello from a program with no open port.\n" }));

    let (target, acceptor) = Target::in_process();
    let edge = env::var("MEZUSPHERE_EDGE").context("set MEZUSPHERE_EDGE to host:port")?.parse()?;
    let key = Seed::parse(&env::var("MEZUSPHERE_KEY").context("set MEZUSPHERE_KEY")?)?;
    let mut warpgate = Warpgate::builder().edge(edge).key(key).workload("embedded".parse()?, target);
    if let Ok(ca) = env::var("MEZUSPHERE_CA") {
        warpgate = warpgate.ca(ca);
    }
    let warpgate = warpgate.start()?;
    println!("{}", warpgate.urls().await?.join("\n"));

    axum::serve(Connections(acceptor), app)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    warpgate.drain();
    println!("{}", warpgate.ended().await);
    Ok(())
}

/// Warpgate's connections in axum's terms.
struct Connections(Acceptor);

impl axum::serve::Listener for Connections {
    type Io = DuplexStream;
    type Addr = &'static str;

    async fn accept(&mut self) -> (DuplexStream, &'static str) {
        match self.0.accept().await {
            Some(connection) => (connection, "warpgate"),
            // Warpgate has ended: nothing will ever come.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<&'static str> {
        Ok("warpgate")
    }
}
