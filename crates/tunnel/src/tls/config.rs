//! The rustls configuration for clients: TLS 1.3 and 1.2, post-quantum key exchange first.

use std::sync::Arc;

use rustls::{
    CipherSuite, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::ResolvesServerCert,
};

/// What the edge speaks to clients, best first.
pub const CLIENT_ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A configuration for [`super::ServerStream`].
///
/// Secrets can be extracted because our record layer takes over after the handshake. One ticket is sent instead of
/// two: clients of one origin seldom use more, and each costs the client's handshake CPU and bytes.
pub fn client_facing(certs: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certs);
    config.alpn_protocols = CLIENT_ALPN.map(<[u8]>::to_vec).to_vec();
    config.enable_secret_extraction = true;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    config.max_early_data_size = 0;
    config.ignore_client_order = true;
    Ok(config)
}

/// `config` with the suite order of a client that puts ChaCha20 first, because it has no AES in hardware.
pub(crate) fn client_order(config: Arc<ServerConfig>) -> Arc<ServerConfig> {
    let mut changed = ServerConfig::clone(&config);
    changed.ignore_client_order = false;
    Arc::new(changed)
}

/// aws-lc-rs with X25519MLKEM768 first, whatever the process default is; and AES-128 with SHA-256 first: as safe as any
/// against what anybody can do, and SHA-384, which has no instructions of its own, costs a seventh of a handshake.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
        aws_lc_rs::kx_group::SECP384R1,
    ];
    provider.cipher_suites.sort_by_key(|suite| {
        let short = matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        );
        (suite.tls13().is_none(), !short)
    });
    Arc::new(provider)
}
