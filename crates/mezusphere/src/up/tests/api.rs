//! The API where the program serves it: at the admin listener for whoever shows who they are, at the socket for the
//! operator.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::*;

/// What came back: status, head and body.
type Got = (u16, String, Value);

async fn ask(mut io: impl AsyncRead + AsyncWrite + Unpin, request: &str, headers: &str, body: Option<Value>) -> Got {
    let host = if headers.contains("Host:") { "" } else { "Host: localhost\r\n" };
    let body = body.map(|body| body.to_string());
    let told = body
        .as_ref()
        .map_or(String::new(), |body| format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    let head = format!("{request} HTTP/1.1\r\n{host}Connection: close\r\n{headers}{told}\r\n");
    io.write_all(head.as_bytes()).await.unwrap();
    io.write_all(body.unwrap_or_default().as_bytes()).await.unwrap();
    let mut text = String::new();
    io.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn at_admin(running: &Running, request: &str, headers: &str, body: Option<Value>) -> Got {
    ask(TcpStream::connect(running.admin_addr()).await.unwrap(), request, headers, body).await
}

pub(super) async fn at_socket(running: &Running, request: &str, body: Option<Value>) -> Got {
    let socket = running.data().join(crate::api::SOCKET);
    ask(UnixStream::connect(socket).await.unwrap(), request, "", body).await
}

#[tokio::test]
async fn the_token_of_the_first_run_makes_the_first_owner_and_is_gone() {
    let dir = TempDir::new().unwrap();
    let first = start(&dir).await;
    let token = first.setup_token().unwrap();
    let mode = fs::metadata(first.setup_token_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    first.drain().await;
    let second = start(&dir).await;
    assert_eq!(second.setup_token().unwrap(), token, "what was shown keeps working");

    let asked = json!({"token": token, "email": "a@example.com", "name": "A", "password": "plum tractor violin seven"});
    let (status, head, body) = at_admin(&second, "POST /api/v1/setup", "", Some(asked)).await;
    assert_eq!(status, 201, "{head} {body}");
    let cookie = head.split_once("set-cookie: ").unwrap().1.split(';').next().unwrap();
    assert!(cookie.starts_with("__host-mezu-console=mzs_ses_"), "{cookie}");
    let (status, _, state) = at_admin(&second, "GET /api/v1/setup", "", None).await;
    assert_eq!((status, state), (200, json!({"is_open": false})));
    let (_, _, log) = at_socket(&second, "GET /api/v1/orgs/default/audit?action=setup.complete", None).await;
    assert_eq!(log["items"][0]["source"], "127.0.0.1", "{log}");
    second.drain().await;
    let third = start(&dir).await;
    assert!(third.setup_token().is_none() && !third.setup_token_file().exists());
    third.drain().await;
}

#[tokio::test]
async fn the_socket_is_the_operators_and_a_change_is_served_when_it_is_answered() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let (status, _, problem) = at_admin(&running, "GET /api/v1/orgs", "", None).await;
    assert_eq!((status, problem["code"].as_str()), (401, Some("unauthenticated")));
    let (status, head, org) = at_socket(&running, "POST /api/v1/orgs", Some(json!({"name": "acme"}))).await;
    assert_eq!((status, org["name"].as_str()), (201, Some("acme")), "{head}");
    let generation = running.ops.live.edge().unwrap().generation();
    assert!(head.contains(&format!("\r\nmezu-generation: {generation}\r\n")), "{head}");
    assert!(running.ops.publisher.current().orgs.iter().any(|org| org.name.as_str() == "acme"));
    // What is neither the API's nor the instance's own is a problem; what was there before still is.
    let (status, _, problem) = at_socket(&running, "GET /nothing", None).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("no_operation")));
    assert_eq!(at_socket(&running, "GET /v1/status", None).await.0, 200);
    assert_eq!(at_admin(&running, "GET /healthz", "", None).await.0, 200);
    running.drain().await;
}

#[tokio::test]
async fn a_page_whose_name_was_turned_to_us_gets_nothing() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let (status, _, problem) = at_admin(&running, "GET /api/v1/setup", "Host: evil.example\r\n", None).await;
    assert_eq!((status, problem["code"].as_str()), (421, Some("wrong_host")));
    let (status, _, problem) =
        at_admin(&running, "POST /api/v1/session", "Origin: http://evil.example\r\n", Some(json!({}))).await;
    assert_eq!((status, problem["code"].as_str()), (403, Some("cross_site")));
    running.drain().await;
}

#[tokio::test]
async fn a_seal_key_is_kept_and_never_replaced() {
    let dir = TempDir::new().unwrap();
    start(&dir).await.drain().await;
    let file = dir.path().join("data/seal.key");
    let key = fs::read(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    start(&dir).await.drain().await;
    assert_eq!(fs::read(&file).unwrap(), key);
    fs::write(&file, "short").unwrap();
    assert!(matches!(Running::start(settings(&dir)).await, Err(UpError::DataDir { .. })));
}

#[tokio::test]
async fn the_dry_run_is_the_edges_own_as_things_are_and_as_a_draft_would_have_them() {
    let dir = TempDir::new().unwrap();
    let running = start(&dir).await;
    let post = async |what: &str, body: Value| {
        let got = at_socket(&running, &format!("POST /api/v1/orgs/default/{what}"), Some(body)).await;
        assert!(got.0 < 300, "{what}: {got:?}");
        got.2
    };
    post("workloads", json!({ "name": "shop" })).await;
    let limit = json!({ "body_limit": { "bytes": 10 }, "rate_limit": { "limits": [{ "requests": 1, "per": 60 }] } });
    let route = json!({ "host": "shop.example", "path": "/u/{id}", "workload": "shop", "pipeline": limit });
    let made = post("routes", route.clone()).await;
    let trial = json!({ "url": "https://shop.example/u/7?x", "body": 9 });
    for _ in 0..3 {
        let told = post("try", trial.clone()).await;
        let stages: Vec<_> = told["stages"].as_array().unwrap().iter().map(|one| &one["passed"]).collect();
        assert_eq!(stages, [true, true], "nothing is used up: {told}");
        assert_eq!((&told["route"], told["host_known"].as_bool()), (&made["id"], Some(true)));
        assert_eq!(told["candidates"][0]["captures"], json!([{ "name": "id", "value": "7" }]));
        assert_eq!(told["candidates"][0]["workload"], "shop");
        assert_eq!((&told["outcome"]["kind"], &told["outcome"]["code"]), (&json!("refused"), &json!("MEZU-2001")));
    }
    let refused = post("try", json!({ "url": "shop.example/u/7", "body": 11 })).await;
    assert_eq!((&refused["outcome"]["stage"], &refused["outcome"]["status"]), (&json!("body_limit"), &json!(413)));

    let mut answer = route;
    answer["pipeline"] = json!({ "respond": { "status": 418 } });
    let ops = json!([{ "put": { "id": made["id"], "route": answer } }]);
    let draft = post("drafts", json!({ "name": "tea", "ops": ops })).await;
    let told = post("try", json!({ "url": "shop.example/u/7", "draft": draft["id"] })).await;
    assert_eq!(told["outcome"], json!({ "kind": "replied", "stage": "respond", "status": 418 }), "{told}");
    assert_eq!(post("try", trial.clone()).await["outcome"]["kind"], "refused", "a draft is not served");
    let odd = at_socket(&running, "POST /api/v1/orgs/default/try", Some(json!({ "url": "a b" }))).await;
    assert_eq!((odd.0, &odd.2["pointer"]), (422, &json!("/url")));
    let none = at_socket(&running, "GET /api/v1/orgs/default/requests", None).await;
    assert_eq!((none.0, none.2), (200, json!({ "items": [], "next": null })));
    running.drain().await;
}
