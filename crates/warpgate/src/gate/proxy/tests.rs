#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;

use tokio::io::duplex;

use super::*;

fn proxy(text: &str) -> Proxy {
    text.parse().unwrap()
}

#[test]
fn spellings() {
    assert_eq!(proxy("proxy.lan:3128").to_string(), "http://proxy.lan:3128");
    assert_eq!(proxy("http://u:p@Proxy.lan").to_string(), "http://proxy.lan:80");
    assert_eq!(proxy("https://[::1]:8443").to_string(), "https://::1:8443");
    assert_eq!(proxy("socks5h://h").to_string(), "socks5://h:1080");
    assert_eq!(proxy("http://us%40er:p%3Aw@h:1").user, Some(("us@er".into(), "p:w".into())));
    for bad in
        ["ftp://h:1", "http://", "http://h:0", "http://h:x", "http://:p@h:1", "http://u%zz:p@h:1", "http://a b:1"]
    {
        assert!(bad.parse::<Proxy>().is_err(), "{bad}");
    }
}

#[test]
fn the_password_is_never_shown() {
    let shown = format!("{0} {0:?}", proxy("http://user:hunter2@h:1"));
    assert!(!shown.contains("hunter2") && !shown.contains("user"), "{shown}");
}

#[test]
fn exemptions() {
    let exempt = |list: &str, host: &str| is_exempt(list, host, 443);
    for (list, host) in [
        ("*", "a.test"),
        ("a.test", "a.test"),
        (".a.test", "x.a.test"),
        ("a.test", "x.a.test"),
        ("*.a.test", "x.a.test"),
        ("b, a.test", "A.test."),
        ("a.test:443", "a.test"),
        ("10.0.0.0/8", "10.9.8.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]:443", "::1"),
        ("fd00::/8", "fd12::1"),
        ("localhost", "localhost"),
    ] {
        assert!(exempt(list, host), "{list} {host}");
    }
    for (list, host) in [
        ("", "a.test"),
        ("a.test", "ba.test"),
        ("a.test", "test"),
        ("a.test:80", "a.test"),
        ("10.0.0.0/8", "11.0.0.1"),
        ("127.0.0.1", "127.0.0.2"),
        ("x.a.test", "a.test"),
        ("10.0.0.0/x", "10.0.0.1"),
    ] {
        assert!(!exempt(list, host), "{list} {host}");
    }
}

#[test]
fn the_environment_chooses() {
    let from = |pairs: &[(&str, &str)]| {
        let vars: HashMap<String, String> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        from_env("edge.test", 443, move |name| vars.get(name).cloned()).unwrap().map(|p| p.to_string())
    };
    assert_eq!(from(&[]), None);
    assert_eq!(from(&[("https_proxy", "h:1")]).as_deref(), Some("http://h:1"));
    assert_eq!(from(&[("HTTPS_PROXY", "a:1"), ("https_proxy", "b:1")]).as_deref(), Some("http://a:1"));
    assert_eq!(from(&[("ALL_PROXY", "socks5://s:1")]).as_deref(), Some("socks5://s:1"));
    assert_eq!(from(&[("HTTPS_PROXY", "h:1"), ("NO_PROXY", ".test")]), None);
}

/// Runs one side against a script of (what is expected, what is answered).
async fn against(proxy: Proxy, host: &str, script: Vec<(Vec<u8>, Vec<u8>)>) -> Result<String, ProxyError> {
    let (mut ours, mut theirs) = duplex(4096);
    let peer = async move {
        for (expected, answer) in script {
            let mut heard = vec![0u8; expected.len()];
            theirs.read_exact(&mut heard).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(&expected));
            theirs.write_all(&answer).await.unwrap();
        }
        theirs
    };
    let us = async {
        proxy.open(&mut ours, host, 443).await?;
        // What follows the answer is the edge's and untouched.
        let mut after = [0u8; 4];
        ours.read_exact(&mut after).await?;
        Ok(String::from_utf8_lossy(&after).into_owned())
    };
    let (result, _theirs) = tokio::join!(us, peer);
    result
}

#[tokio::test]
async fn connect_with_and_without_password() {
    let ask = "CONNECT edge.test:443 HTTP/1.1\r\nHost: edge.test:443\r\n";
    let answer = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: x\r\n\r\nedge".to_vec();
    let plain = vec![(format!("{ask}\r\n").into_bytes(), answer.clone())];
    assert_eq!(against(proxy("h:1"), "edge.test", plain).await.unwrap(), "edge");
    let login = format!("{ask}Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n").into_bytes();
    assert_eq!(against(proxy("user:pass@h:1"), "edge.test", vec![(login, answer)]).await.unwrap(), "edge");
    for (answer, auth) in [(&b"HTTP/1.1 407 Auth\r\n\r\n"[..], true), (b"HTTP/1.1 403 No\r\n\r\n", false)] {
        let script = vec![(format!("{ask}\r\n").into_bytes(), answer.to_vec())];
        let error = against(proxy("h:1"), "edge.test", script).await.unwrap_err();
        assert_eq!(matches!(error, ProxyError::Auth), auth);
        assert_eq!(matches!(error, ProxyError::Refused(403)), !auth);
    }
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 9000]].concat();
    let (mut ours, mut theirs) = duplex(32 * 1024);
    theirs.write_all(&endless).await.unwrap();
    assert!(matches!(proxy("h:1").open(&mut ours, "edge.test", 443).await, Err(ProxyError::Protocol)));
}

#[tokio::test]
async fn socks5_by_name_by_address_and_with_password() {
    let ask = [&[5u8, 1, 0, 3, 9][..], b"edge.test", &[1, 187]].concat();
    let good = [&[5u8, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"edge"].concat();
    let plain = vec![(vec![5, 1, 0], vec![5, 0]), (ask.clone(), good.clone())];
    assert_eq!(against(proxy("socks5://h"), "edge.test", plain).await.unwrap(), "edge");
    let by_address = vec![
        (vec![5, 1, 0], vec![5, 0]),
        (vec![5, 1, 0, 1, 192, 0, 2, 1, 1, 187], [&[5u8, 0, 0, 3, 2, b'h', b'i', 0, 0][..], b"edge"].concat()),
    ];
    assert_eq!(against(proxy("socks5://h"), "192.0.2.1", by_address).await.unwrap(), "edge");
    let login = vec![
        (vec![5, 2, 0, 2], vec![5, 2]),
        ([&[1u8, 4][..], b"user", &[4], b"pass"].concat(), vec![1, 0]),
        (ask.clone(), good),
    ];
    assert_eq!(against(proxy("socks5://user:pass@h"), "edge.test", login).await.unwrap(), "edge");
    let refused = vec![(vec![5, 1, 0], vec![5, 0xff])];
    assert!(matches!(against(proxy("socks5://h"), "edge.test", refused).await, Err(ProxyError::Auth)));
    let wrong = vec![(vec![5, 2, 0, 2], vec![5, 2]), ([&[1u8, 4][..], b"user", &[4], b"pass"].concat(), vec![1, 1])];
    assert!(matches!(against(proxy("socks5://user:pass@h"), "edge.test", wrong).await, Err(ProxyError::Auth)));
    let closed = vec![(vec![5, 1, 0], vec![5, 0]), (ask, vec![5, 5, 0, 1, 0, 0, 0, 0, 0, 0])];
    assert!(matches!(against(proxy("socks5://h"), "edge.test", closed).await, Err(ProxyError::Unreachable(_))));
}
