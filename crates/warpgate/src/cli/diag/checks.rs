//! The checks, in the order in which a connection is made.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use warpgate::{
    DialError, EdgeAddress,
    probe::{self, Authorities, Probe, ProbeError},
};

use super::{Finding, Verdict};
use crate::cli::{args::ConnectArgs, file::File, run};

/// A clock that is further off makes certificates look expired or not yet valid.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// A key is shown to an edge only together with workloads to register, which a mere look must not do.
const NOT_ASKED: &str = "whether the edge knows it shows when a workload connects";
/// No clock that is right shows less than this (2026-01-01).
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);

pub(crate) async fn all(args: &ConnectArgs, file: &File, edge: &EdgeAddress) -> Vec<Finding> {
    let mut findings = Vec::new();
    let proxy = match run::choose_proxy(args, file, edge) {
        Ok(Some(proxy)) => {
            findings.push(Finding::good("proxy", format!("{proxy} (it resolves the edge's name)")));
            Some(proxy)
        }
        Ok(None) => {
            findings.push(Finding::good("proxy", "none"));
            None
        }
        Err(error) => {
            findings.push(Finding::bad("proxy", format!("{error:#}"), "correct --proxy, HTTPS_PROXY or ALL_PROXY"));
            None
        }
    };
    let mut named = true;
    if proxy.is_none() {
        let name = name(edge).await;
        named = name.verdict == Verdict::Good;
        findings.push(name);
    }
    let ca = run::ca(args, file, edge);
    let probe = Probe { edge: edge.clone(), proxy, ca };
    findings.push(trust(&probe.trust()));
    if named {
        findings.extend(way(&probe).await);
    } else {
        findings.extend([
            Finding::skipped("port", "no address"),
            Finding::skipped("tls", "no connection"),
            clock(None),
        ]);
    }
    findings.push(key(args, file));
    findings
}

async fn name(edge: &EdgeAddress) -> Finding {
    match probe::resolve(edge).await {
        Ok(addresses) => {
            let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            Finding::good("name", format!("{} is {}", edge.host, list.join(", ")))
        }
        Err(error) => Finding::bad(
            "name",
            error.to_string(),
            "check the spelling of the edge and this machine's DNS; behind a proxy set HTTPS_PROXY",
        ),
    }
}

fn trust(authorities: &Result<Authorities, ProbeError>) -> Finding {
    match authorities {
        Ok(Authorities::System(0)) => Finding::good("trust", "the authorities given with --ca, and no others"),
        Ok(Authorities::System(many)) => {
            Finding::good("trust", format!("{many} certificate authorities of this system"))
        }
        Ok(Authorities::Bundled(many)) => Finding::warn(
            "trust",
            format!("this system has no certificate authorities; {many} that came with warpgate are used"),
            "install the package ca-certificates, so that they stay up to date",
        ),
        Err(error) => Finding::bad("trust", error.to_string(), "correct --ca, SSL_CERT_FILE or SSL_CERT_DIR"),
    }
}

/// Port, TLS and clock come out of one connection.
async fn way(probe: &Probe) -> Vec<Finding> {
    let place = probe.edge.to_string();
    match probe.run().await {
        Ok(seen) => {
            let port = Finding::good("port", format!("{place} answers in {} ms", seen.connected.as_millis()));
            let tls =
                Finding::good("tls", "TLS 1.3, the certificate is trusted, and the edge speaks the tunnel protocol");
            vec![port, tls, skew(seen.clock_ahead)]
        }
        Err(ProbeError::Dial(error)) => {
            let fix = dial_fix(&error, probe.edge.port);
            let seen = mezu_runtime::Chain(&error).to_string();
            vec![Finding::bad("port", seen, fix), Finding::skipped("tls", "no connection"), clock(None)]
        }
        Err(ProbeError::Setup(text)) => {
            vec![
                Finding::skipped("port", "trust cannot be set up"),
                Finding::bad("tls", text, "see above: trust"),
                clock(None),
            ]
        }
        Err(ProbeError::Tls(text)) => {
            let port = Finding::good("port", format!("{place} accepts connections"));
            let hint = clock(Some(&text));
            vec![port, Finding::bad("tls", text.clone(), tls_fix(&text)), hint]
        }
    }
}

fn dial_fix(error: &DialError, port: u16) -> String {
    match error {
        DialError::Connect(_, source) if source.kind() == std::io::ErrorKind::ConnectionRefused => format!(
            "nothing listens on port {port} there: is the edge running, and is this its HTTPS port? `mezusphere status` \
             on its machine shows it"
        ),
        DialError::Proxy(..) | DialError::ProxyTls(..) => "correct --proxy, HTTPS_PROXY or ALL_PROXY".to_owned(),
        _ => format!(
            "allow outbound TCP to port {port} in the firewall, or set HTTPS_PROXY if this network needs a proxy"
        ),
    }
}

fn tls_fix(text: &str) -> &'static str {
    let lower = text.to_ascii_lowercase();
    if lower.contains("unknownissuer") || lower.contains("unknown issuer") {
        "the edge's certificate is from an authority that this machine does not know: give its file with --ca, or \
         install it; if a firewall opens TLS on the way, ask for an exception"
    } else if lower.contains("notvalidforname") || lower.contains("not valid for name") {
        "the certificate is for another name: give --edge the name that the edge is known by"
    } else if lower.contains("expired") || lower.contains("notvalidyet") || lower.contains("not valid yet") {
        "renew the edge's certificate, or set this machine's clock right"
    } else {
        "something on the way answers that is not the edge, or an old TLS: check --edge, and firewalls that open TLS"
    }
}

/// This machine's clock beside the edge's.
fn skew(ahead: Option<i64>) -> Finding {
    let Some(ahead) = ahead else { return clock(None) };
    if ahead.unsigned_abs() <= CLOCK_TOLERANCE.as_secs() {
        return Finding::good("clock", "agrees with the edge's");
    }
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    Finding::warn(
        "clock",
        format!("this machine is {} s {side} the edge", ahead.unsigned_abs()),
        "compare both with `date -u`; set the wrong one, for example: timedatectl set-ntp true",
    )
}

/// What can be said of the clock without the edge.
fn clock(tls: Option<&str>) -> Finding {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let doubted = tls.is_some_and(|text| {
        let lower = text.to_ascii_lowercase();
        lower.contains("expired") || lower.contains("valid yet") || lower.contains("notvalidyet")
    });
    if now + CLOCK_TOLERANCE < EARLIEST {
        Finding::bad(
            "clock",
            "this machine's clock is years behind",
            "set it, for example with NTP: timedatectl set-ntp true",
        )
    } else if doubted {
        Finding::warn(
            "clock",
            format!("this machine says {} seconds since 1970; the certificate's dates do not agree", now.as_secs()),
            "compare with `date -u`; if it is wrong: timedatectl set-ntp true",
        )
    } else {
        Finding::good("clock", "plausible")
    }
}

fn key(args: &ConnectArgs, file: &File) -> Finding {
    use warpgate::key::Source;
    match run::lookup(args, file).find() {
        Ok((_, Source::Argument)) => Finding::warn(
            "key",
            "whole, but on the command line, where every process of this machine can read it",
            "use MEZUSPHERE_KEY, --key-file or `warpgate login`",
        ),
        Ok((_, Source::File(path))) if warpgate::key::is_exposed(&path) => Finding::warn(
            "key",
            format!("whole, but others can read {}", path.display()),
            format!("chmod 600 {}", path.display()),
        ),
        Ok((_, Source::File(path) | Source::Login(path))) => {
            Finding::good("key", format!("whole, from {}; {NOT_ASKED}", path.display()))
        }
        Ok((_, Source::Variable)) => {
            Finding::good("key", format!("whole, from {}; {NOT_ASKED}", warpgate::key::VARIABLE))
        }
        Err(error) => Finding::bad(
            "key",
            mezu_runtime::Chain(&error).to_string(),
            "run `warpgate login`, or make one on the edge with `mezusphere key create` and give it with --key-file",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_word_is_taken_is_told() {
        let of = |authorities| trust(&authorities);
        assert_eq!(of(Ok(Authorities::System(140))).verdict, Verdict::Good);
        let bundled = of(Ok(Authorities::Bundled(146)));
        assert_eq!(bundled.verdict, Verdict::Warn);
        assert!(bundled.seen.contains("146 that came with warpgate"), "{}", bundled.seen);
        let none = of(Err(ProbeError::Setup("nobody".into())));
        assert_eq!((none.verdict, none.seen.as_str()), (Verdict::Bad, "nobody"));
    }
}
