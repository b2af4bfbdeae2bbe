#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::indexing_slicing)]
//! CPU per exchange and per GiB of a tunnel's two ends, and of the edge's TLS towards clients.
//!
//! `cargo run --release -p mezu-tunnel --example measure -- [exchange|down|up|tls|tls-down|shake|idle] [count or MiB] [in flight]`
//! Each end is a thread; its CPU time comes from `/proc/thread-self/schedstat`.

mod idle;
mod tls;
mod tunnel;

use std::{sync::Arc, thread};

use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    pki_types::PrivateKeyDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{runtime::LocalOptions, task::LocalSet};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// A certificate for `edge.test`, and who trusts it.
pub(crate) fn certs() -> (Arc<dyn ResolvesServerCert>, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["edge.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let chain = vec![made.cert.der().clone()];
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).unwrap();
    (Arc::new(One(Arc::new(key))), roots)
}

fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_else(|| "all".to_owned());
    let count = args.next().map(|n| n.parse().unwrap());
    let flight = args.next().map_or(64, |n| n.parse().unwrap());
    for (name, run, standard) in [
        ("exchange", tunnel::exchange as fn(usize, usize), 400_000),
        ("down", tunnel::down, 2048),
        ("up", tunnel::up, 2048),
        ("tls", tls::exchange, 200_000),
        ("tls-down", tls::down, 2048),
        ("shake", tls::shake, 2000),
        ("idle", idle::idle, 5000),
    ] {
        if what == name || what == "all" {
            run(count.unwrap_or(standard), flight);
        }
    }
}

/// This thread's CPU time, µs.
pub(crate) fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e3
}

pub(crate) fn on_thread<F: Future<Output = f64> + 'static>(
    make: impl FnOnce() -> F + Send + 'static,
) -> thread::JoinHandle<f64> {
    thread::Builder::new()
        .spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all();
            if std::env::var_os("MEASURE_LOCAL_SET").is_some() {
                return LocalSet::new().block_on(&builder.build().unwrap(), make());
            }
            builder.build_local(LocalOptions::default()).unwrap().block_on(make())
        })
        .unwrap()
}

pub(crate) fn report(name: &str, unit: &str, count: f64, wall: f64, near: f64, far: f64) {
    println!(
        "{name:9} {:9.0} {unit}/s   CPU per {unit}: {:8.2} µs = {:.2} + {:.2}",
        count / wall,
        (near + far) / count,
        near / count,
        far / count
    );
}
