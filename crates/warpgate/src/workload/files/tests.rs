use std::{fs, os::unix::fs::symlink};

use super::{
    super::tests::{Said, request, stream},
    *,
};

/// A folder with a secret beside it and every known way to reach it.
fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("www");
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(root.join("index.html"), "<h1>hi</h1>").unwrap();
    fs::write(root.join("a b.txt"), "0123456789").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join(".env"), "secret").unwrap();
    fs::write(root.join(".git/config"), "secret").unwrap();
    fs::write(root.join("sub/page.html"), "sub").unwrap();
    fs::write(root.join("big.bin"), vec![7u8; 200_000]).unwrap();
    symlink(dir.path().join("secret"), root.join("absolute-link")).unwrap();
    symlink("../secret", root.join("relative-link")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("/", root.join("slash")).unwrap();
    symlink("sub/page.html", root.join("good-link")).unwrap();
    dir
}

async fn get(dir: &tempfile::TempDir, method: &str, path: &str, fields: &[(&str, &str)]) -> Said {
    let (mut stream, _edge, said) = stream();
    let mut request = request(method, path, b"");
    for (name, value) in fields {
        request.head.headers.push(name.as_bytes(), value.as_bytes()).unwrap();
    }
    serve(&dir.path().join("www"), &mut stream, &request).await.unwrap();
    assert!(said.borrow().ended);
    said.take()
}

#[tokio::test]
async fn nothing_outside_and_nothing_hidden_is_ever_given() {
    let dir = site();
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/%2E%2E/secret",
        "/sub/../../secret",
        "/sub/%2e%2e/%2e%2e/secret",
        "/..%2fsecret",
        "/..%5csecret",
        "/sub/..%2f..%2fsecret",
        "//../secret",
        "/./../secret",
        "/absolute-link",
        "/relative-link",
        "/up/secret",
        "/up/www/index.html",
        "/slash/etc/passwd",
        "/etc/passwd",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/.git/",
        "/sub/.hidden",
        "/a%00b",
        "/index.html%00",
        "/%",
        "/%2",
        "/%zz",
        "/%ff",
        "/.",
        "/..",
        "/index.html/",
        "/nothing",
        "/sub/",
        "relative",
        "/index.html%0a",
        "/sub/deep/",
    ] {
        let said = get(&dir, "GET", path, &[]).await;
        assert!(said.status() == 404, "{path}: {}", said.status());
        assert!(!String::from_utf8_lossy(&said.body).contains("secret"), "{path}");
    }
}

#[tokio::test]
async fn files_are_given_with_type_and_validators() {
    let dir = site();
    let index = get(&dir, "GET", "/", &[]).await;
    let head = index.head.as_ref().unwrap();
    assert_eq!((index.status(), index.body.as_slice()), (200, &b"<h1>hi</h1>"[..]));
    assert_eq!(head.headers.find(known::CONTENT_TYPE), Some(&b"text/html; charset=utf-8"[..]));
    assert_eq!(head.headers.find(known::CONTENT_LENGTH), Some(&b"11"[..]));
    let etag = String::from_utf8(head.headers.find(known::ETAG).unwrap().to_vec()).unwrap();
    let again = get(&dir, "GET", "/", &[("if-none-match", &etag)]).await;
    assert_eq!((again.status(), again.body.len()), (304, 0));
    let head_only = get(&dir, "HEAD", "/a%20b.txt", &[]).await;
    assert_eq!((head_only.status(), head_only.body.len()), (200, 0));
    assert_eq!(head_only.head.unwrap().headers.find(known::CONTENT_LENGTH), Some(&b"10"[..]));
    assert_eq!(get(&dir, "GET", "/good-link", &[]).await.body, b"sub");
    assert_eq!(get(&dir, "GET", "/empty", &[]).await.status(), 200);
    let big = get(&dir, "GET", "/big.bin", &[]).await;
    assert!(big.body.len() == 200_000 && big.body.iter().all(|b| *b == 7));
}

#[tokio::test]
async fn parts_redirects_and_methods() {
    let dir = site();
    let part = get(&dir, "GET", "/a%20b.txt", &[("range", "bytes=2-4")]).await;
    assert_eq!((part.status(), part.body.as_slice()), (206, &b"234"[..]));
    assert_eq!(part.head.unwrap().headers.find(known::CONTENT_RANGE), Some(&b"bytes 2-4/10"[..]));
    let beyond = get(&dir, "GET", "/a%20b.txt", &[("range", "bytes=10-")]).await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.head.unwrap().headers.find(known::CONTENT_RANGE), Some(&b"bytes */10"[..]));
    let folder = get(&dir, "GET", "/sub", &[]).await;
    assert_eq!(folder.head.as_ref().unwrap().headers.find(known::LOCATION), Some(&b"/sub/"[..]));
    assert_eq!(folder.status(), 301);
    let post = get(&dir, "POST", "/", &[]).await;
    assert_eq!((post.status(), post.head.unwrap().headers.find(known::ALLOW).is_some()), (405, true));
}

#[tokio::test]
async fn special_files_are_not_files() {
    let dir = site();
    let fifo = dir.path().join("www/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o644), 0)
        .unwrap();
    assert_eq!(get(&dir, "GET", "/pipe", &[]).await.status(), 404);
}
