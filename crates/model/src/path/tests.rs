//! The table of threat 2, and the laws that hold for every path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::PathError::*;
use super::*;

fn normal(raw: &[u8]) -> Result<String, PathError> {
    let mut out = String::from("left over from the request before");
    normalise(raw, &mut out).map(|()| out)
}

#[test]
fn paths_with_one_reading_get_one_spelling() {
    let table: &[(&str, &str)] = &[
        // left alone
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("/a/b/c.html", "/a/b/c.html"),
        ("/a.b.c/d..e/...", "/a.b.c/d..e/..."),
        ("/.well-known/acme-challenge/x", "/.well-known/acme-challenge/x"),
        ("/..a/.b/c..", "/..a/.b/c.."),
        ("/~user/-_.~", "/~user/-_.~"),
        ("/!$&'()*+,=:@", "/!$&'()*+,=:@"),
        ("/a:b@c", "/a:b@c"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/100%25%20sure", "/100%25%20sure"),
        ("/a%3Bb", "/a%3Bb"),
        ("/a%3Fb%23c", "/a%3Fb%23c"),
        ("/%E9t%E9", "/%E9t%E9"),
        // dot segments, RFC 3986 §5.2.4
        ("/.", "/"),
        ("/..", "/"),
        ("/./", "/"),
        ("/../", "/"),
        ("/../../..", "/"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/../../c", "/c"),
        ("/a/b/../../../c", "/c"),
        ("/a/b/c/./../../g", "/a/g"),
        ("/public/../admin", "/admin"),
        // dots in disguise
        ("/public/%2e%2e/admin", "/admin"),
        ("/public/%2E./admin", "/admin"),
        ("/public/.%2e/admin", "/admin"),
        ("/public/%2e/x", "/public/x"),
        ("/%2e%2e/%2e%2e/admin", "/admin"),
        ("/%2e%2e%2e/x", "/.../x"),
        // empty segments
        ("//", "/"),
        ("//admin", "/admin"),
        ("///a////b//", "/a/b/"),
        ("/a//../b", "/b"),
        ("/a/..//b", "/b"),
        ("//..//", "/"),
        // equivalent spellings
        ("/%61dmin", "/admin"),
        ("/%41%5a%7a%30%7E%2d%5F", "/AZz0~-_"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%3ab", "/a%3Ab"),
        ("/a[0]", "/a%5B0%5D"),
        ("/a%5b0%5d", "/a%5B0%5D"),
        ("/a|b^c`d{e}\"<>", "/a%7Cb%5Ec%60d%7Be%7D%22%3C%3E"),
        ("/%25", "/%25"),
    ];
    for (raw, expected) in table {
        assert_eq!(normal(raw.as_bytes()).as_deref(), Ok(*expected), "{raw}");
    }
}

#[test]
fn paths_with_two_readings_are_refused() {
    let table: &[(&[u8], PathError)] = &[
        (b"", NotAbsolute),
        (b"*", NotAbsolute),
        (b"a/b", NotAbsolute),
        (b"http://a/b", NotAbsolute),
        (b"%2Fa", NotAbsolute),
        (b"/public%2fadmin", EncodedSlash),
        (b"/public/..%2Fadmin", EncodedSlash),
        (b"/public\\..\\admin", Backslash),
        (b"/public/..%5cadmin", Backslash),
        (b"/a%00", EncodedControl),
        (b"/a%00.html", EncodedControl),
        (b"/a%0d%0aSet-Cookie:x", EncodedControl),
        (b"/a%7f", EncodedControl),
        (b"/a%09b", EncodedControl),
        (b"/a\0b", Control),
        (b"/a\tb", Control),
        (b"/a\r\nb", Control),
        (b"/a b", Control),
        (b"/a\x7f", Control),
        (b"/caf\xc3\xa9", NonAscii),
        (b"/\xff", NonAscii),
        (b"/a#b", Fragment),
        (b"/a?b", QueryMark),
        (b"/public;/../admin", Parameter),
        (b"/public/..;/admin", Parameter),
        (b"/a;jsessionid=1", Parameter),
        (b"/public/..%3B/admin", Parameter),
        (b"/public/%2e%2e%3b/admin", Parameter),
        (b"/public/.%3bx/admin", Parameter),
        (b"/%252e%252e/admin", DoubleEncoding),
        (b"/%252Fadmin", DoubleEncoding),
        (b"/%25252e", DoubleEncoding),
        (b"/%25%32%65", DoubleEncoding),
        (b"/%252%65", DoubleEncoding),
        (b"/%2", BadEscape),
        (b"/%", BadEscape),
        (b"/%25%7", BadEscape),
        (b"/%zz", BadEscape),
        (b"/%u002f", BadEscape),
        (b"/%+f", BadEscape),
        (b"/% 2f", BadEscape),
        (b"/%c0%ae%c0%ae/admin", Overlong),
        (b"/..%c0%afadmin", Overlong),
        (b"/%e0%80%af", Overlong),
        (b"/%f0%80%80%af", Overlong),
        (b"/%C1%9C", Overlong),
    ];
    for (raw, expected) in table {
        let mut out = String::from("old");
        assert_eq!(normalise(raw, &mut out), Err(*expected), "{}", raw.escape_ascii());
        assert_eq!(out, "", "nothing may be left to forward: {}", raw.escape_ascii());
    }
}

#[test]
fn no_spelling_reaches_the_closed_tree_from_the_open_one() {
    // Every path of up to five pieces: what comes out begins with /admin only if policy sees it begin with /admin.
    let pieces = ["/", "..", ".", "%2e", "%2E%2E", "public", "admin", "%2f", ";", "\\", "%5c", "%25", "%61dmin"];
    let mut paths = vec![String::from("/public")];
    for _ in 0..4 {
        paths = paths.iter().flat_map(|path| pieces.iter().map(move |piece| format!("{path}{piece}"))).collect();
        for raw in &paths {
            let Ok(once) = normal(raw.as_bytes()) else {
                continue;
            };
            assert!(
                once.starts_with('/') && !once.contains("//") && !once.contains(';') && !once.contains('\\'),
                "{raw}"
            );
            assert!(once.split('/').all(|segment| segment != "." && segment != ".."), "{raw}");
            assert_eq!(
                normal(once.as_bytes()).as_deref(),
                Ok(once.as_str()),
                "a second pass must change nothing: {raw}"
            );
        }
    }
}

#[test]
fn the_fast_path_agrees_with_the_slow_one() {
    for byte in 0..=u8::MAX {
        for raw in [vec![b'/', byte], vec![b'/', b'a', byte, b'b'], vec![b'/', byte, byte], vec![byte, b'/']] {
            if is_normal(&raw) {
                let mut slow = String::new();
                rewrite(&raw, &mut slow).unwrap();
                assert_eq!(slow.as_bytes(), raw);
            }
        }
    }
}

#[test]
fn queries_are_checked_not_changed() {
    for fine in ["", "a=b", "a=%2F%00&b=//..//", "?;[]|\\'\"", "x=y?z"] {
        assert_eq!(check_query(fine.as_bytes()), Ok(()), "{fine}");
    }
    for (raw, error) in
        [(&b"a b"[..], Control), (b"a\nb", Control), (b"\x7f", Control), (b"\xc3\xa9", NonAscii), (b"a#b", Fragment)]
    {
        assert_eq!(check_query(raw), Err(error), "{}", raw.escape_ascii());
    }
}
