//! Programs that others wrote, through the whole chain. `scripts/test-peers.sh` installs what these need.

use anyhow::{Context as _, Result, ensure};
use mezu_testkit::World;
use mezu_testkit::workload::builtin::Checksum;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const LIMIT: Duration = Duration::from_secs(100);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

fn python() -> Result<PathBuf> {
    let path = root().join("target/peers/python/bin/python");
    ensure!(path.exists(), "run scripts/test-peers.sh first");
    Ok(path)
}

fn node() -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", root().join("target/peers/node_modules"));
    command
}

/// Runs a program to its end; what it printed, if it succeeded.
async fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output).await.with_context(|| format!("no end: {shown}"))??;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{shown}: {}\n{said}{errors}", output.status);
    Ok(said.into_owned())
}

/// Starts a server that prints its port first.
async fn serve(command: &mut Command) -> Result<(Child, u16)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    mezu_testkit::patiently("the server's port", output.read_line(&mut line)).await??;
    Ok((child, line.trim().parse()?))
}

fn curl(world: &World, protocol: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["-sSf", protocol, "--max-time", "90", "--cacert"]).arg(world.ca());
    for target in [&world.target, &world.routed()] {
        command.args(["--resolve", &format!("{}:127.0.0.1", target.authority())]);
    }
    command
}

fn url(target: &mezu_testkit::Target, path: &str) -> String {
    format!("https://{}{path}", target.authority())
}

#[tokio::test]
async fn curl_gets_posts_and_uploads() -> Result<()> {
    let world = World::start().await?;
    let big = world.folder().join("big");
    std::fs::write(&big, mezu_testkit::workload::builtin::pattern_block(0, 5 << 20))?;
    let (at_echo, at_upload) = (url(&world.target, "/echo?a=b"), url(&world.target, "/upload"));
    for protocol in ["--http1.1", "--http2"] {
        let got = run(curl(&world, protocol).arg(&at_echo)).await?;
        assert!(got.starts_with("GET /echo?a=b HTTP/1.1\r\n"), "{got}");
        let posted = run(curl(&world, protocol).args(["-d", "a=1", &at_echo])).await?;
        assert!(posted.ends_with("\r\n\r\na=1"), "{posted}");
        let head = run(curl(&world, protocol).args(["-I", &at_echo])).await?;
        assert!(head.contains("200"), "{head}");
        let up = run(curl(&world, protocol).arg("-T").arg(&big).arg(&at_upload)).await?;
        assert_eq!(up, Checksum::of_pattern(5 << 20).to_string());
    }
    Ok(())
}

#[tokio::test]
async fn h2load_sees_no_failure() -> Result<()> {
    let world = World::start().await?;
    let connect = format!("127.0.0.1:{}", world.target.address.port());
    for options in [vec!["--h1", "-c", "32"], vec!["-c", "8", "-m", "16"]] {
        let mut command = Command::new("h2load");
        command.args(options).args(["-n", "4000", "--connect-to", &connect, &url(&world.target, "/bytes/1024")]);
        let said = run(&mut command).await?;
        assert!(said.contains("4000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
        assert!(said.contains("status codes: 4000 2xx"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn npm_ws_talks_to_npm_ws() -> Result<()> {
    let (_server, port) = serve(node().arg(script("ws_server.js"))).await?;
    let world = World::builder().target(&port.to_string()).start().await?;
    let said = run(node().arg(script("ws_client.js")).args(peer_arguments(&world))).await?;
    assert_eq!(said, "fine\n");
    Ok(())
}

#[tokio::test]
async fn grpc_makes_every_kind_of_call() -> Result<()> {
    let (_server, port) = serve(Command::new(python()?).arg(script("grpc_server.py"))).await?;
    let world = World::builder().target(&format!("h2c://127.0.0.1:{port}")).start().await?;
    let said = run(Command::new(python()?).arg(script("grpc_client.py")).args(peer_arguments(&world))).await?;
    assert_eq!(said, "fine\n");
    Ok(())
}

fn peer_arguments(world: &World) -> [String; 3] {
    [world.target.address.port().to_string(), world.target.host.clone(), world.ca().display().to_string()]
}

#[tokio::test]
async fn git_clones_and_pushes() -> Result<()> {
    let folder = tempfile_folder()?;
    let (bare, first) = (folder.path().join("all.git"), folder.path().join("first"));
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
            .args(arguments);
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command
    };
    let (bare_text, first_text) = (bare.display().to_string(), first.display().to_string());
    run(&mut git(&["init", "-q", "--bare", &bare_text])).await?;
    run(&mut git(&["-C", &bare_text, "config", "http.receivepack", "true"])).await?;
    let (_server, port) = serve(Command::new("python3").arg(script("git_server.py")).arg(folder.path())).await?;
    let world = World::builder().target(&port.to_string()).start().await?;
    let remote = url(&world.target, "/all.git");
    let resolve = format!("http.curloptResolve={}:127.0.0.1", world.target.authority());
    let git = |arguments: &[&str]| {
        let mut command = git(&["-c", &resolve]);
        command.args(arguments).env("GIT_SSL_CAINFO", world.ca());
        command
    };
    run(&mut git(&["clone", "-q", &remote, &first_text])).await?;
    // Chunked over HTTP/1.1, of known length over HTTP/2. Not chunked over HTTP/2: there git waits for ever where curl
    // asks for more after the end of the body, as it does when the flow-control window is spent (git pull request 1608).
    let pushes = [("chunked", "http.version=HTTP/1.1"), ("sized", "http.postBuffer=8388608")];
    for (at, (name, setting)) in (0..).zip(pushes) {
        std::fs::write(first.join(name), mezu_testkit::workload::builtin::pattern_block(at, 3 << 20))?;
        run(&mut git(&["-C", &first_text, "add", "."])).await?;
        run(&mut git(&["-C", &first_text, "commit", "-qm", name])).await?;
        run(&mut git(&["-C", &first_text, "-c", setting, "push", "-q", "origin", "HEAD:main"])).await?;
    }
    let second = folder.path().join("second");
    run(&mut git(&["clone", "-q", "-b", "main", &remote, &second.display().to_string()])).await?;
    for (name, _) in pushes {
        assert!(std::fs::read(second.join(name))? == std::fs::read(first.join(name))?, "{name} differs");
    }
    Ok(())
}

fn tempfile_folder() -> Result<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("mezu-git-").tempdir()?)
}

/// Two GiB each way, whole, and neither program grows by them.
#[tokio::test]
async fn two_gib_pass_both_ways_in_flat_memory() -> Result<()> {
    const SIZE: u64 = 2 << 30;
    let world = World::builder().route(&["--set", "body_limit={\"bytes\":4294967296}"]).start().await?;
    let file = world.folder().join("large");
    let target = world.routed();
    for protocol in ["--http1.1", "--http2"] {
        run(curl(&world, protocol).args(["-o", "/dev/null", &url(&target, "/bytes/67108864")])).await?;
    }
    let warm = (world.edge.peak_kib()?, world.gates[0].peak_kib()?);
    run(curl(&world, "--http2").arg("-o").arg(&file).arg(url(&target, &format!("/bytes/{SIZE}")))).await?;
    let wanted = tokio::task::spawn_blocking(|| Checksum::of_pattern(SIZE).to_string()).await?;
    let sum = run(Command::new("sha256sum").arg(&file)).await?;
    assert!(wanted.ends_with(sum.split_whitespace().next().context("no sum")?), "{wanted} {sum}");
    let up = run(curl(&world, "--http1.1").arg("-T").arg(&file).arg(url(&target, "/upload"))).await?;
    assert_eq!(up, wanted);
    let (edge, gate) = (world.edge.peak_kib()?, world.gates[0].peak_kib()?);
    assert!(edge < warm.0 + 16 * 1024 && gate < warm.1 + 16 * 1024, "grew from {warm:?} to {edge} and {gate} KiB");
    Ok(())
}
