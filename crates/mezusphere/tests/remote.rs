//! The built binary against an instance elsewhere: over its API, by HTTP and HTTPS, as a member.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "plum tractor violin seven";

/// An instance, and somebody elsewhere who is an owner.
struct World {
    dir: TempDir,
    child: Child,
    admin: SocketAddr,
}

impl World {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let any = "127.0.0.1:0";
        let mut child = mezusphere(&dir)
            .env("MEZUSPHERE_DATA", dir.path().join("data"))
            .args(["up", "--https", any, "--http", "off", "--admin", any, "--workers", "1", "--log-format", "json"])
            .args(["--drain-timeout", "1s"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let serving = lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .find(|line| line["message"] == "serving");
        let admin = serving.unwrap()["admin"].as_str().unwrap().parse().unwrap();
        // Kept read, so that the child never waits for a full pipe.
        std::thread::Builder::new().spawn(move || lines.for_each(drop)).unwrap();
        let world = Self { dir, child, admin };
        world.set_up();
        world
    }

    /// Makes the first owner.
    fn set_up(&self) {
        let token = std::fs::read_to_string(self.dir.path().join("data/setup-token")).unwrap();
        let person = json!({
            "token": token.trim(), "name": "Ada", "email": "ada@example.com", "password": PASSWORD
        });
        let body = person.to_string();
        let mut stream = TcpStream::connect(self.admin).unwrap();
        let head = format!(
            "POST /api/v1/setup HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }

    fn url(&self) -> String {
        format!("http://{}", self.admin)
    }

    fn run(&self, words: &[&str]) -> Output {
        mezusphere(&self.dir).args(words).stdin(Stdio::null()).output().unwrap()
    }

    /// With lines on standard input.
    fn told(&self, words: &[&str], input: &str) -> Output {
        let mut child = mezusphere(&self.dir)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["--json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn login(&self) -> Output {
        self.told(&["login", &self.url(), "--email", "ada@example.com"], &format!("{PASSWORD}\n"))
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("config/mezusphere/login.json")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, of somebody who has neither a data directory nor a login but their own.
fn mezusphere(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mezusphere"));
    command.env("HOME", dir.path()).env("XDG_CONFIG_HOME", dir.path().join("config"));
    for name in ["DATA", "LOG", "API", "TOKEN", "CA", "ORG"] {
        command.env_remove(format!("MEZUSPHERE_{name}"));
    }
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_login_by_password_is_used_by_all_commands_until_the_logout() {
    let world = World::start();
    let nobody = world.run(&["route", "list", "--api", &world.url()]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("mezusphere login"), "{nobody:?}");
    let wrong = world.told(&["login", &world.url(), "--email", "ada@example.com"], "not this one\n");
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(!world.file().exists());

    let login = world.login();
    assert!(login.status.success(), "{}", text(&login.stderr));
    assert!(text(&login.stdout).contains("as ada@example.com: owner of default"), "{login:?}");
    assert_eq!(std::fs::metadata(world.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(world.file()).unwrap();
    assert!(kept.contains("mzs_pat_") && !kept.contains(PASSWORD) && !kept.contains("mzs_ses_"));

    let me = world.json(&["whoami"]);
    assert_eq!((me["at"].as_str(), me["me"]["kind"].as_str()), (Some(world.url().as_str()), Some("token")));
    world.json(&["workload", "create", "shop"]);
    let route = world.json(&["route", "add", "shop.mezusphere.localhost", "--workload", "shop", "--body-limit", "9"]);
    let told = world.json(&["try", "POST", "shop.mezusphere.localhost/", "--body", "10"]);
    assert_eq!((&told["route"], told["outcome"]["stage"].as_str()), (&route["id"], Some("body_limit")));
    assert_eq!(world.json(&["requests"]), json!([]));
    assert_eq!(world.run(&["status"]).status.code(), Some(1), "that is told on the machine itself");
    assert_eq!(world.run(&["member", "reset", "ada@example.com"]).status.code(), Some(1));

    std::fs::set_permissions(world.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(text(&world.run(&["whoami"]).stderr).contains("chmod 600"));
    std::fs::set_permissions(world.file(), std::fs::Permissions::from_mode(0o600)).unwrap();

    assert_eq!(world.json(&["logout"])["revoked"], true);
    assert!(!world.file().exists());
    let token = serde_json::from_str::<Value>(&kept).unwrap()["token"].as_str().unwrap().to_string();
    let revoked =
        mezusphere(&world.dir).args(["whoami", "--api", &world.url()]).env("MEZUSPHERE_TOKEN", token).output();
    let revoked = revoked.unwrap();
    assert_eq!(revoked.status.code(), Some(1));
    assert!(text(&revoked.stderr).contains("does not know this token"), "{revoked:?}");
}

#[test]
fn a_token_is_taken_from_standard_input_or_the_environment() {
    let world = World::start();
    assert!(world.login().status.success());
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(world.file()).unwrap()).unwrap();
    let token = kept["token"].as_str().unwrap();
    std::fs::remove_file(world.file()).unwrap();
    let by_hand = world.told(&["login", &world.url()], &format!("{token}\n"));
    assert!(by_hand.status.success(), "{by_hand:?}");
    assert!(world.run(&["route", "list"]).status.success());
    assert_eq!(world.json(&["logout"])["revoked"], false, "a token that was brought is left alone");
    let by_environment = mezusphere(&world.dir)
        .args(["route", "list", "--api", &world.url()])
        .env("MEZUSPHERE_TOKEN", token)
        .output()
        .unwrap();
    assert!(by_environment.status.success(), "{by_environment:?}");
    let odd = world.told(&["login", &world.url()], "something else\n");
    assert!(text(&odd.stderr).contains("mzs_pat_") && !text(&odd.stderr).contains("something else"), "{odd:?}");
}

#[test]
fn over_tls_only_who_is_trusted_is_told_a_secret() {
    let world = World::start();
    let (port, ca) = tls_in_front(world.admin);
    let url = format!("https://localhost:{port}");
    let file = world.dir.path().join("ca.pem");
    std::fs::write(&file, ca).unwrap();
    let words = ["login", &url, "--email", "ada@example.com"];
    let untrusted = world.told(&words, &format!("{PASSWORD}\n"));
    assert_eq!(untrusted.status.code(), Some(3), "{untrusted:?}");
    assert!(text(&untrusted.stderr).contains("--ca FILE"));
    let login = world.told(&[&words[..], &["--ca", file.to_str().unwrap()]].concat(), &format!("{PASSWORD}\n"));
    assert!(login.status.success(), "{login:?}");
    assert_eq!(world.json(&["whoami"])["at"], url.as_str());
    let plain = world.run(&["login", "http://console.example.com", "--email", "ada@example.com"]);
    assert_eq!(plain.status.code(), Some(2), "{plain:?}");
    let away = world.run(&["whoami", "--api", "http://127.0.0.1:1"]);
    assert_eq!(away.status.code(), Some(1), "nothing says who asks there: {away:?}");
}

/// A server that ends TLS before the admin listener, as a proxy does. Its port, and the authority to trust.
fn tls_in_front(admin: SocketAddr) -> (u16, String) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::Builder::new()
        .spawn(move || {
            // One at a time is enough for one client that asks one thing after the other.
            for client in listener.incoming().map_while(Result::ok) {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                relay(rustls::StreamOwned::new(connection, client), TcpStream::connect(admin).unwrap());
            }
        })
        .unwrap();
    (port, cert.pem())
}

/// Hands requests on and answers back, until one side has no more.
fn relay(mut client: rustls::StreamOwned<rustls::ServerConnection, TcpStream>, mut server: TcpStream) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        server.write_all(&buffer[..length]).unwrap();
        let answer = answer(&mut server, &mut buffer);
        if client.write_all(&answer).is_err() {
            break;
        }
    }
}

/// A whole answer: the head, and as much as it says.
fn answer(server: &mut TcpStream, buffer: &mut [u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let length = server.read(buffer).unwrap();
        whole.extend_from_slice(&buffer[..length]);
        let known = text(&whole).to_ascii_lowercase();
        let Some((head, body)) = known.split_once("\r\n\r\n") else { continue };
        let told = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length == 0 || body.len() >= told.map_or(0, |told| told.parse().unwrap()) {
            return whole;
        }
    }
}
