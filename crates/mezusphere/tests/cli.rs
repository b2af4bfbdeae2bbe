//! The built binary, as a script meets it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

struct Instance {
    dir: TempDir,
    child: Child,
}

impl Instance {
    fn start() -> Self {
        Self::start_in(TempDir::new().unwrap())
    }

    /// Starts the binary and waits until it says that it serves.
    fn start_in(dir: TempDir) -> Self {
        let any = "127.0.0.1:0";
        let mut child = mezusphere(&dir)
            .args(["up", "--https", any, "--http", any, "--admin", any, "--workers", "1", "--log-format", "json"])
            .args(["--drain-timeout", "1s"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let serving = lines.by_ref().map_while(Result::ok).any(|line| {
            assert!(!line.contains("mzs_gate_"), "a key in the log: {line}");
            serde_json::from_str::<Value>(&line).is_ok_and(|line| line["message"] == "serving")
        });
        assert!(serving, "it did not start");
        // Kept read, so that the child never waits for a full pipe.
        std::thread::Builder::new().spawn(move || lines.for_each(drop)).unwrap();
        Self { dir, child }
    }

    fn run(&self, words: &[&str]) -> Output {
        mezusphere(&self.dir).args(words).output().unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["--json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Kills without warning and gives the directory back.
    fn crash(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.dir, TempDir::new().unwrap())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mezusphere(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mezusphere"));
    command.env("MEZUSPHERE_DATA", dir.path().join("data")).env("XDG_CONFIG_HOME", dir.path().join("config"));
    for name in ["MEZUSPHERE_LOG", "MEZUSPHERE_API", "MEZUSPHERE_TOKEN", "MEZUSPHERE_CA", "MEZUSPHERE_ORG"] {
        command.env_remove(name);
    }
    command
}

#[test]
fn keys_from_making_to_revoking() {
    let instance = Instance::start();
    let first = std::fs::read_to_string(instance.dir.path().join("data/first-key")).unwrap();
    assert!(first.starts_with("mzs_gate_"));

    let made = instance.run(&["key", "create", "--name", "laptop"]);
    let secret = String::from_utf8(made.stdout).unwrap();
    assert!(secret.starts_with("mzs_gate_") && secret.lines().count() == 1, "{secret}");

    let file: PathBuf = instance.dir.path().join("key");
    instance.json(&["key", "create", "--out", file.to_str().unwrap()]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let names = |list: &Value| list.as_array().unwrap().iter().map(|key| key["name"].to_string()).collect::<Vec<_>>();
    assert_eq!(names(&instance.json(&["key", "list"])), ["\"first\"", "\"laptop\"", "\"key-1\""]);
    assert!(instance.refused(&["key", "create", "--name", "laptop"]).contains("exists already"));
    assert_eq!(instance.json(&["key", "revoke", "laptop"])["revoked"], true);
    assert!(instance.refused(&["key", "revoke", "laptop"]).contains("no live key"));
    assert_eq!(names(&instance.json(&["key", "list"])), ["\"first\"", "\"key-1\""]);
    assert_eq!(instance.json(&["key", "list", "--all"]).as_array().unwrap().len(), 3);
}

#[test]
fn a_secret_never_reaches_the_instance() {
    let instance = Instance::start();
    let secret = instance.json(&["key", "create"])["secret"].as_str().unwrap().to_string();
    let data = instance.dir.path().join("data");
    let mut files = vec![data];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            assert!(!content.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", path.display());
        }
    }
}

#[test]
fn refusals_say_what_to_do() {
    let instance = Instance::start();
    assert!(instance.refused(&["route", "add", "a.test", "--workload", "shop"]).contains("no workload"));
    assert!(instance.refused(&["route", "remove", "a.test"]).contains("route list"));
    let second = mezusphere(&instance.dir).arg("up").output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8(second.stderr).unwrap().contains("already uses"));
}

#[test]
fn what_is_applied_is_exported_and_can_be_taken_back() {
    let instance = Instance::start();
    instance.json(&["workload", "create", "shop", "--label", "tier=front"]);
    let file = instance.dir.path().join("config.toml");
    let text = "version = 1\nhostnames = [\"shop.example\"]\n[[account]]\nname = \"first\"\n\
                [[route]]\nhost = \"shop.example\"\npath = \"/api\"\nworkload = \"shop\"\n\
                [route.pipeline.body_limit]\nbytes = 9\n";
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let dry = String::from_utf8(instance.run(&["apply", "-f", path, "--dry-run"]).stdout).unwrap();
    assert!(dry.contains("+ shop.example/api") && dry.contains("+ hostname shop.example"), "{dry}");
    assert_eq!(instance.json(&["route", "list"]), serde_json::json!([]));
    let unasked = instance.run(&["apply", "-f", path]);
    assert_eq!(unasked.status.code(), Some(2), "nobody can be asked here");
    assert_eq!(instance.json(&["route", "list"]), serde_json::json!([]));
    assert_eq!(instance.run(&["diff", path]).status.code(), Some(1));
    let applied = instance.run(&["apply", "-f", path, "--yes"]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    assert!(instance.run(&["diff", path]).status.success());
    let exported = String::from_utf8(instance.run(&["export"]).stdout).unwrap();
    assert!(exported.contains("bytes = 9") && exported.contains("name = \"first\""), "{exported}");
    std::fs::write(&file, &exported).unwrap();
    let again = String::from_utf8(instance.run(&["apply", "-f", path]).stdout).unwrap();
    assert_eq!(again.trim(), "Nothing to change.");

    let listed = instance.json(&["publish", "list"]);
    assert_eq!(listed[0]["summary"], "config.toml");
    instance.run(&["undo"]);
    assert_eq!(instance.json(&["route", "list"]), serde_json::json!([]));
    assert!(instance.refused(&["undo"]).contains("nothing to take back"));
    assert_eq!(instance.json(&["audit", "verify"])["is_whole"], true);
    assert_eq!(instance.json(&["workload", "list", "--label", "tier=front"])[0]["name"], "shop");
    assert!(instance.refused(&["hostname", "claim", "api.mezusphere.localhost"]).contains("kept back"));
}

#[test]
fn a_route_is_changed_by_flags_and_one_that_is_never_reached_says_so() {
    let instance = Instance::start();
    instance.json(&["workload", "create", "shop"]);
    let host = "shop.mezusphere.localhost";
    let add = ["route", "add", host, "--workload", "shop"];
    let made = instance.json(&[&add[..], &["--path", "/u/{id}", "--method", "get", "--body-limit", "1KiB"]].concat());
    assert_eq!(made["pipeline"]["body_limit"]["bytes"], 1024);
    let named = "shop.mezusphere.localhost/u/{id}";
    let set = instance.json(&["route", "set", named, "--any-method", "--unset", "body_limit", "--max-in-flight", "7"]);
    assert_eq!(
        (&set["matcher"], &set["pipeline"]),
        (&serde_json::json!({}), &serde_json::json!({"concurrency": {"requests": 7}}))
    );
    assert!(instance.refused(&["route", "set", named]).contains("says that already"));
    let hidden = instance.run(&[&add[..], &["--path", "/u/{other}"]].concat());
    assert!(String::from_utf8(hidden.stderr).unwrap().contains("never reached"));
    let order = String::from_utf8(instance.run(&["route", "order", host]).stdout).unwrap();
    assert!(order.contains("never reached: /u/{id} (place 1)"), "{order}");
    assert!(!order.contains('\u{1b}'), "no colour where nobody sees it");
    let shown = String::from_utf8(instance.run(&["route", "show", named]).stdout).unwrap();
    assert!(shown.contains("concurrency"), "{shown}");
    let tried =
        String::from_utf8(instance.run(&["try", "get", "https://shop.mezusphere.localhost/u/7"]).stdout).unwrap();
    assert!(tried.contains("yes id=7") && tried.contains("MEZU-2001"), "{tried}");
    assert!(instance.refused(&["why", "00000000000000000000000000000001"]).contains("no such request"));
}

#[test]
fn a_draft_is_written_tried_and_published_by_its_name() {
    let instance = Instance::start();
    instance.json(&["workload", "create", "shop"]);
    let file = instance.dir.path().join("shop.toml");
    let text = "version = 1\n[[route]]\nhost = \"shop.example\"\nworkload = \"shop\"\n[route.pipeline.respond]\nstatus = 418\n";
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let written = instance.json(&["draft", "write", "sale", "-f", path, "--at", "2h"]);
    assert!(written["publish_at"].is_string());
    assert_eq!(instance.json(&["draft", "schedule", "sale", "never"])["publish_at"], Value::Null);
    assert_eq!(instance.run(&["draft", "diff", "sale"]).status.code(), Some(1));
    let tried = instance.json(&["try", "GET", "shop.example/", "--draft", "sale"]);
    assert_eq!((&tried["outcome"]["status"], &tried["draft"]), (&serde_json::json!(418), &written["id"]));
    assert_eq!(instance.json(&["route", "list"]), serde_json::json!([]));
    instance.json(&["draft", "publish", "sale"]);
    assert_eq!(instance.json(&["route", "list"])[0]["host"], "shop.example");
    assert!(instance.json(&["publish", "list"])[0]["generation"].is_u64());
    assert!(instance.refused(&["draft", "discard", "sale"]).contains("no draft"));
}

#[test]
fn a_service_account_is_given_and_taken_what_it_may() {
    let instance = Instance::start();
    let made = instance.json(&["account", "create", "ci", "--workload", "shop", "--from", "192.0.2.0/24"]);
    assert_eq!(made["cidrs"], serde_json::json!(["192.0.2.0/24"]));
    instance.json(&["key", "create", "--account", "ci", "--name", "ci-1"]);
    let set = instance.json(&["account", "set", "ci", "--from-anywhere"]);
    assert_eq!((&set["cidrs"], &set["workloads"]), (&Value::Null, &serde_json::json!(["shop"])));
    assert_eq!(instance.json(&["account", "show", "ci"])["keys"][0]["name"], "ci-1");
    instance.json(&["account", "delete", "ci"]);
    assert!(instance.refused(&["account", "show", "ci"]).contains("account list"));
}

#[test]
fn a_backup_of_a_running_instance_is_restored_into_another_directory() {
    let instance = Instance::start();
    instance.json(&["key", "create", "--name", "laptop"]);
    let file = instance.dir.path().join("backup");
    assert!(instance.json(&["backup", file.to_str().unwrap()])["rows"].as_u64().unwrap() > 0);
    assert!(instance.refused(&["restore", file.to_str().unwrap()]).contains("already uses"));
    let generation = instance.json(&["status"])["generation"].as_u64().unwrap();

    let dir = TempDir::new().unwrap();
    let damaged = dir.path().join("damaged");
    let content = std::fs::read(&file).unwrap();
    std::fs::write(&damaged, &content[..content.len() / 2]).unwrap();
    assert_eq!(mezusphere(&dir).arg("restore").arg(&damaged).output().unwrap().status.code(), Some(1));
    let restored = mezusphere(&dir).arg("restore").arg(&file).output().unwrap();
    assert!(restored.status.success(), "{restored:?}");
    let twice = mezusphere(&dir).arg("restore").arg(&file).output().unwrap();
    assert!(String::from_utf8(twice.stderr).unwrap().contains("a store at"));

    let other = Instance::start_in(dir);
    let names = |keys: &Value| keys.as_array().unwrap().iter().map(|key| key["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&other.json(&["key", "list"])), names(&instance.json(&["key", "list"])));
    assert!(other.json(&["status"])["generation"].as_u64().unwrap() >= generation);
    assert_eq!(other.json(&["audit", "verify"])["is_whole"], true);
}

#[test]
fn man_pages_are_written_for_every_command() {
    let dir = TempDir::new().unwrap();
    assert!(mezusphere(&dir).arg("man").arg(dir.path().join("man")).output().unwrap().status.success());
    for page in ["mezusphere.1", "mezusphere-apply.1", "mezusphere-route-add.1"] {
        assert!(dir.path().join("man").join(page).is_file(), "{page}");
    }
}

#[test]
fn without_an_instance_the_exit_code_says_so() {
    let dir = TempDir::new().unwrap();
    let output = mezusphere(&dir).arg("status").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("mezusphere up"));
    assert_eq!(mezusphere(&dir).arg("nonsense").output().unwrap().status.code(), Some(2));
    assert!(mezusphere(&dir).args(["completions", "bash"]).output().unwrap().status.success());
}

#[test]
fn a_term_signal_ends_it_cleanly_and_frees_the_directory() {
    let mut instance = Instance::start();
    assert_eq!(instance.json(&["status"])["draining"], false);
    instance.signal("-TERM");
    assert!(instance.child.wait().unwrap().success());
    let dir = std::mem::replace(&mut instance.dir, TempDir::new().unwrap());
    drop(instance);
    Instance::start_in(dir);
}

#[test]
fn no_acknowledged_key_is_lost_to_a_crash() {
    let mut dir = TempDir::new().unwrap();
    for round in 1..=5 {
        let instance = Instance::start_in(dir);
        instance.json(&["key", "create", "--name", &format!("round-{round}")]);
        // What nobody waits for may or may not be kept; it must not harm the rest.
        let mut pending =
            mezusphere(&instance.dir).args(["key", "create", "--json"]).stdout(Stdio::null()).spawn().unwrap();
        dir = instance.crash();
        pending.wait().unwrap();
    }
    let instance = Instance::start_in(dir);
    let keys = instance.json(&["key", "list"]);
    for round in 1..=5 {
        let name = format!("round-{round}");
        assert!(keys.as_array().unwrap().iter().any(|key| key["name"] == name.as_str()), "{name}");
    }
    let db = instance.crash();
    let check =
        Command::new("sqlite3").arg(db.path().join("data/mezusphere.db")).arg("PRAGMA integrity_check").output();
    if let Ok(check) = check {
        assert_eq!(String::from_utf8(check.stdout).unwrap().trim(), "ok");
    }
}

#[test]
fn the_password_of_a_store_is_shown_nowhere() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("password");
    let said = |url: &str, words: &[&str]| {
        let output = mezusphere(&dir).env("MEZUSPHERE_STORE", url).args(words).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains("sesame"), "{words:?}: {text}");
        (output.status.code(), text)
    };
    // Nothing listens at port 1.
    let away = "postgres://ada:open-sesame@127.0.0.1:1/m";
    for words in [&["up", "--help"][..], &["backup", "--help"], &["audit", "verify", "--help"]] {
        assert_eq!(said(away, words).0, Some(0));
    }
    let (code, text) = said(away, &["up"]);
    assert!(code == Some(1) && text.contains("postgres://ada@127.0.0.1:1/m") && text.contains("--store"), "{text}");
    for url in ["postgres://ada:open-sesame@:x/", "postgres://a:1?sslmode=sesame@h/d", "sesame://h/d"] {
        assert_eq!(said(url, &["backup", "file"]).0, Some(2), "{url}");
        assert_eq!(said(away, &["backup", "file", "--store", url]).0, Some(2), "{url}");
    }
    let with_file = |url: &str| said(url, &["backup", "b", "--store-password-file", file.to_str().unwrap()]);
    assert!(with_file(away).1.contains("password: No such file"));
    std::fs::write(&file, "\nopen-sesame").unwrap();
    assert!(with_file(away).1.contains("first line"));
    std::fs::write(&file, "open-sesame\n").unwrap();
    assert!(with_file("sqlite:db").1.contains("no password"));
    assert!(with_file(away).1.contains("cannot open the database"));
}

#[test]
fn a_store_in_another_file_is_used_by_every_command_that_opens_one() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let other = format!("sqlite:{}", file("other.db"));
    let none = mezusphere(&dir).args(["backup", &file("backup"), "--store", &other]).output().unwrap();
    assert!(String::from_utf8(none.stderr).unwrap().contains("no store at"));
    assert!(!dir.path().join("other.db").exists(), "a name that was mistyped makes no store");

    let instance = Instance::start();
    instance.json(&["backup", &file("backup")]);
    for (words, code) in
        [(["restore", &file("backup")], 0), (["restore", &file("backup")], 1), (["backup", &file("again")], 0)]
    {
        let output = mezusphere(&dir).args(words).args(["--store", &other]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let verify = ["audit", "verify", "--offline", "--json", "--store", &other];
    let output = mezusphere(&dir).args(verify).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["is_whole"], true);
}
