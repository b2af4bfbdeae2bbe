//! The fields that tell a workload about its client. They are written last, from what the edge says beside the head,
//! after everything of those names is removed once more: the last hop before the workload vouches for them (B3).

use std::{
    io::Write as _,
    net::{IpAddr, SocketAddr},
};

use mezu_model::{Context, Header, Headers, Known, Protocol, RequestHead, Scheme, fields, known};

/// Whether a request field must not come from the client: reserved, hop-by-hop, framing, or written here.
#[inline]
pub(crate) fn is_ours(known: Option<Known>, name: &[u8]) -> bool {
    match known {
        Some(
            known::HOST
            | known::CONTENT_LENGTH
            | known::TRANSFER_ENCODING
            | known::CONNECTION
            | known::KEEP_ALIVE
            | known::UPGRADE
            | known::TE
            | known::PROXY_CONNECTION
            | known::PROXY_AUTHORIZATION
            | known::SEC_WEBSOCKET_KEY
            | known::SEC_WEBSOCKET_ACCEPT
            | known::FORWARDED
            | known::X_FORWARDED_FOR
            | known::X_FORWARDED_HOST
            | known::X_FORWARDED_PORT
            | known::X_FORWARDED_PROTO
            | known::X_FORWARDED_SERVER
            | known::X_REAL_IP
            | known::X_REQUEST_ID
            | known::TRACEPARENT
            | known::MEZU_RAY,
        ) => true,
        Some(_) => false,
        // From a client the edge lets it through as little as the others.
        None => fields::is_dropped(name) && name != fields::MIRROR,
    }
}

/// Whether a request's trailer may go on to the workload: one that says what the head says of the client never.
pub(crate) fn is_trailer(field: Header<'_>) -> bool {
    fields::is_trailer(field.known, field.name) && !is_ours(field.known, field.name)
}

/// Text of at most `N` bytes on the stack.
#[derive(Debug)]
pub(crate) struct Short<const N: usize> {
    text: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    pub(crate) fn new() -> Self {
        Self { text: [0; N], len: 0 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}

impl<const N: usize> std::io::Write for Short<N> {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let room = self.text.get_mut(self.len..).unwrap_or_default();
        let n = data.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..n), data.get(..n)) {
            to.copy_from_slice(from);
        }
        self.len += n;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An IPv4 address digit by digit: `fmt` costs ten times as much and this is written for every request.
fn write_ip(ip: IpAddr, out: &mut Short<48>) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            for (i, octet) in v4.octets().into_iter().enumerate() {
                if i > 0 {
                    let _ = out.write(b".");
                }
                let digits = [octet / 100 + b'0', octet / 10 % 10 + b'0', octet % 10 + b'0'];
                let skip = if octet >= 100 {
                    0
                } else if octet >= 10 {
                    1
                } else {
                    2
                };
                let _ = out.write(digits.get(skip..).unwrap_or_default());
            }
        }
        v6 => {
            let _ = write!(out, "{v6}");
        }
    }
}

/// Decimal digits of a number, appended.
pub(crate) fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut len = 0;
    for slot in digits.iter_mut().rev() {
        // The remainder of 10 fits a byte.
        *slot = b'0' + (number % 10) as u8;
        number /= 10;
        len += 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - len..).unwrap_or_default());
}

/// Everything that is said of the client, in pieces that both codecs can write.
pub(crate) struct Facts<'a> {
    ip: Short<48>,
    ip_is_v6: bool,
    host: &'a [u8],
    ray: [u8; 32],
    head: &'a RequestHead,
    context: &'a Context,
}

impl<'a> Facts<'a> {
    /// `host` is the public host with its port where that is not the scheme's own.
    pub(crate) fn new(head: &'a RequestHead, context: &'a Context, host: &'a [u8]) -> Self {
        let mut ip = Short::new();
        let client = context.client.ip().to_canonical();
        write_ip(client, &mut ip);
        Self { ip, ip_is_v6: client.is_ipv6(), host, ray: context.ray.to_hex(), head, context }
    }

    /// Appends all fields as HTTP/1.1 text.
    pub(crate) fn write_h1(&self, out: &mut Vec<u8>) {
        let ip = self.ip.as_bytes();
        out.extend_from_slice(b"x-forwarded-for: ");
        out.extend_from_slice(ip);
        out.extend_from_slice(b"\r\nx-real-ip: ");
        out.extend_from_slice(ip);
        out.extend_from_slice(match self.context.scheme {
            Scheme::Https => b"\r\nx-forwarded-proto: https\r\nx-forwarded-host: ",
            Scheme::Http => b"\r\nx-forwarded-proto: http\r\nx-forwarded-host: ",
        });
        out.extend_from_slice(self.host);
        out.extend_from_slice(b"\r\nx-forwarded-port: ");
        push_decimal(out, u64::from(self.context.port));
        out.extend_from_slice(b"\r\nforwarded: ");
        self.forwarded(out);
        out.extend_from_slice(b"\r\nvia: ");
        out.extend_from_slice(self.via());
        out.extend_from_slice(b"\r\nx-request-id: ");
        out.extend_from_slice(self.request_id());
        out.extend_from_slice(b"\r\ntraceparent: ");
        self.traceparent(out);
        out.extend_from_slice(b"\r\n");
    }

    /// Adds all fields to a list.
    pub(crate) fn push_all(&self, out: &mut Headers) {
        let mut text = Vec::with_capacity(128);
        out.push_known(known::X_FORWARDED_FOR, self.ip.as_bytes());
        out.push_known(known::X_REAL_IP, self.ip.as_bytes());
        out.push_known(known::X_FORWARDED_PROTO, self.context.scheme.as_str().as_bytes());
        out.push_known(known::X_FORWARDED_HOST, self.host);
        push_decimal(&mut text, u64::from(self.context.port));
        out.push_known(known::X_FORWARDED_PORT, &text);
        text.clear();
        self.forwarded(&mut text);
        out.push_known(known::FORWARDED, &text);
        out.push_known(known::VIA, self.via());
        out.push_known(known::X_REQUEST_ID, self.request_id());
        text.clear();
        self.traceparent(&mut text);
        out.push_known(known::TRACEPARENT, &text);
    }

    /// RFC 7239; what is no token stands in quotes.
    fn forwarded(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.ip_is_v6 { b"for=\"[" } else { b"for=" });
        out.extend_from_slice(self.ip.as_bytes());
        out.extend_from_slice(if self.ip_is_v6 { b"]\";host=" } else { b";host=" });
        let quoted = self.host.contains(&b':');
        if quoted {
            out.push(b'"');
        }
        out.extend_from_slice(self.host);
        if quoted {
            out.push(b'"');
        }
        out.extend_from_slice(b";proto=");
        out.extend_from_slice(self.context.scheme.as_str().as_bytes());
    }

    fn via(&self) -> &'static [u8] {
        match self.context.protocol {
            Protocol::H1 => b"1.1 mezusphere",
            Protocol::H2 => b"2 mezusphere",
            Protocol::H3 => b"3 mezusphere",
        }
    }

    /// The client's own id when it is short and plain, else the ray.
    fn request_id(&self) -> &[u8] {
        let sane = |id: &&[u8]| {
            (1..=128).contains(&id.len())
                && id
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'='))
        };
        self.head.headers.find(known::X_REQUEST_ID).filter(sane).unwrap_or(&self.ray)
    }

    /// The client's trace when valid (W3C Trace Context, version 00), else a new one named by the ray.
    fn traceparent(&self, out: &mut Vec<u8>) {
        if let Some(theirs) = self.head.headers.find(known::TRACEPARENT).filter(|t| is_traceparent(t)) {
            return out.extend_from_slice(theirs);
        }
        out.extend_from_slice(b"00-");
        out.extend_from_slice(&self.ray);
        out.push(b'-');
        out.extend_from_slice(self.ray.get(16..).unwrap_or_default());
        out.extend_from_slice(b"-01");
    }
}

fn is_traceparent(text: &[u8]) -> bool {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &[u8]| part.iter().all(|b| *b == b'0');
    text.len() == 55
        && text.starts_with(b"00-")
        && text.get(35) == Some(&b'-')
        && text.get(52) == Some(&b'-')
        && hex(part(3, 35))
        && hex(part(36, 52))
        && hex(part(53, 55))
        && !zero(part(3, 35))
        && !zero(part(36, 52))
}

/// The public host as the client named it, with the port where it is not the scheme's own.
pub(crate) fn public_host(head: &RequestHead) -> Short<272> {
    let mut out = Short::new();
    let _ = out.write(head.host.as_bytes());
    if let Some(port) = head.port.filter(|port| *port != head.scheme.default_port()) {
        let mut digits = Vec::with_capacity(5);
        push_decimal(&mut digits, u64::from(port));
        let _ = out.write(b":");
        let _ = out.write(&digits);
    }
    out
}

/// For logs and the live view.
pub(crate) fn shown(client: SocketAddr) -> IpAddr {
    client.ip().to_canonical()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mezu_model::RayId;

    use super::*;

    fn written(head: &RequestHead, context: &Context) -> String {
        let host = public_host(head);
        let mut out = Vec::new();
        Facts::new(head, context, host.as_bytes()).write_h1(&mut out);
        let mut list = Headers::new();
        Facts::new(head, context, host.as_bytes()).push_all(&mut list);
        let as_text: String = list
            .iter()
            .map(|h| format!("{}: {}\r\n", String::from_utf8_lossy(h.name), String::from_utf8_lossy(h.value)))
            .collect();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out, as_text);
        out
    }

    #[test]
    fn all_fields_over_ipv4() {
        let head = RequestHead { host: "a.test".into(), port: Some(8443), ..Default::default() };
        let context = Context {
            ray: RayId(0xabc),
            client: "203.0.113.9:5555".parse().unwrap(),
            port: 8443,
            protocol: Protocol::H2,
            ..Default::default()
        };
        assert_eq!(
            written(&head, &context),
            "x-forwarded-for: 203.0.113.9\r\nx-real-ip: 203.0.113.9\r\nx-forwarded-proto: https\r\n\
             x-forwarded-host: a.test:8443\r\nx-forwarded-port: 8443\r\n\
             forwarded: for=203.0.113.9;host=\"a.test:8443\";proto=https\r\nvia: 2 mezusphere\r\n\
             x-request-id: 00000000000000000000000000000abc\r\n\
             traceparent: 00-00000000000000000000000000000abc-0000000000000abc-01\r\n"
        );
    }

    #[test]
    fn ipv6_is_quoted_and_mapped_addresses_are_not_ipv6() {
        let head = RequestHead { host: "a.test".into(), port: Some(443), ..Default::default() };
        let with = |client: &str| written(&head, &Context { client: client.parse().unwrap(), ..Default::default() });
        assert!(with("[2001:db8::1]:1").contains("forwarded: for=\"[2001:db8::1]\";host=a.test;proto=https\r\n"));
        assert!(with("[::ffff:10.0.100.7]:1").contains("x-forwarded-for: 10.0.100.7\r\n"));
    }

    #[test]
    fn ids_of_the_client_are_kept_when_sane() {
        let mut head = RequestHead { host: "a.test".into(), ..Default::default() };
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        head.headers.push(b"traceparent", trace.as_bytes()).unwrap();
        head.headers.push(b"x-request-id", b"abc-1").unwrap();
        let out = written(&head, &Context::default());
        assert!(out.contains(&format!("traceparent: {trace}\r\n")) && out.contains("x-request-id: abc-1\r\n"));
        head.headers.set_known(known::X_REQUEST_ID, b"a b");
        head.headers.set_known(known::TRACEPARENT, b"00-00000000000000000000000000000000-b7ad6b7169203331-01");
        let out = written(&head, &Context::default());
        assert!(out.contains("x-request-id: 0000000000") && !out.contains("b7ad6b"));
    }

    #[test]
    fn what_a_client_may_not_say() {
        for name in [
            "x-mezu-user",
            "mezu-ray",
            "x-forwarded-for",
            "x-forwarded-user",
            "forwarded",
            "x-original-uri",
            "x-rewrite-url",
            "host",
            "connection",
            "te",
            "content-length",
            "sec-websocket-key",
        ] {
            assert!(is_ours(Known::lookup(name.as_bytes()), name.as_bytes()), "{name}");
        }
        for name in
            ["x-custom", "accept", "cookie", "via", "tracestate", "sec-websocket-protocol", "mezuzah", "mezu-mirror"]
        {
            assert!(!is_ours(Known::lookup(name.as_bytes()), name.as_bytes()), "{name}");
        }
    }
}
