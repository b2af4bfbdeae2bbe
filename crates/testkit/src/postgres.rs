//! A PostgreSQL server of the test's own, from Debian's package: in a folder of its own, reached over a socket in it, so
//! that no port and no other server matters. It ends with the value, or with the process at the latest.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
/// A name for the socket, no more: nothing listens there.
const PORT: u16 = 5432;
const STEP: Duration = Duration::from_millis(10);
/// Nothing that a test writes must outlive it, and few things happen at once.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "autovacuum=off",
    "shared_buffers=16MB",
    "max_connections=200",
    "max_wal_size=64MB",
    "timezone=UTC",
];

static SHARED: Mutex<(Weak<Server>, u32)> = Mutex::new((Weak::new(), 0));

/// A running server.
pub struct Server {
    dir: TempDir,
    bin: PathBuf,
    user: Option<(u32, u32)>,
    settings: Vec<String>,
    port: u16,
    keeper: Option<Keeper>,
}

/// The thread that the server was started by. The server is told to end when that thread does, so the thread lasts until
/// then: one of a test would end with its test.
struct Keeper {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// An empty database on a server that lasts as long as any of its databases.
pub struct Database {
    /// Its place, as `postgres://…`.
    pub url: String,
    /// Keeps the server running.
    pub server: Arc<Server>,
}

/// A new, empty database, on the server that this process has.
pub fn database() -> Result<Database> {
    let (server, number) = {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let server = match shared.0.upgrade() {
            Some(server) => server,
            None => Arc::new(Server::start()?),
        };
        *shared = (Arc::downgrade(&server), shared.1 + 1);
        (server, shared.1)
    };
    let name = format!("test_{number}");
    server.say("postgres", &format!("CREATE DATABASE {name}"))?;
    Ok(Database { url: server.url(&name), server })
}

impl Server {
    /// Makes a server and starts it.
    ///
    /// # Errors
    /// When the package is missing, or the server does not start; with what it said.
    pub fn start() -> Result<Self> {
        let bin = binaries()?;
        let dir = tempfile::Builder::new().prefix("mezu-pg-").tempdir()?;
        let user = unprivileged()?;
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid))?;
        }
        let settings = SETTINGS.iter().map(|setting| (*setting).to_owned()).collect();
        let mut server = Self { dir, bin, user, settings, port: PORT, keeper: None };
        let data = server.data();
        let initdb = ["--username=mezu", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"];
        let made = server
            .command("initdb")
            .args(initdb)
            .args(["--no-instructions", "--wal-segsize=1", "--pgdata"])
            .arg(&data)
            .stdin(Stdio::null())
            .output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.run()?;
        Ok(server)
    }

    /// The place of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://mezu@localhost:{}/{database}?host={}", self.port, self.dir.path().display())
    }

    /// Has `psql` say something, and gives the answer: rows in lines, columns parted by `|`.
    ///
    /// # Errors
    /// What the server answered.
    pub fn say(&self, database: &str, sql: &str) -> Result<String> {
        let said = Command::new(self.bin.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"])
            .args(["--username", "mezu", "--dbname", database, "--command", sql])
            .args(["--port", &self.port.to_string(), "--host"])
            .arg(self.dir.path())
            .stdin(Stdio::null())
            .output()?;
        ensure!(said.status.success(), "{sql}: {}", String::from_utf8_lossy(&said.stderr));
        Ok(String::from_utf8_lossy(&said.stdout).trim_end().to_owned())
    }

    /// Has the server listen on a port of 127.0.0.1 too, with that certificate and key (PEM), and tells the port.
    ///
    /// # Errors
    /// When the server does not come back.
    pub fn listen_with_tls(&mut self, certificate: &str, key: &str) -> Result<u16> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        self.keep("ssl_cert_file", certificate)?;
        self.keep("ssl_key_file", key)?;
        self.settings.extend(["ssl=on".into(), "listen_addresses=127.0.0.1".into(), format!("port={port}")]);
        self.port = port;
        self.crash()?;
        Ok(port)
    }

    /// Has the server believe in clients' certificates from that authority (PEM), once it is started again.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn believe(&mut self, authority: &str) -> Result<()> {
        self.keep("ssl_ca_file", authority)
    }

    /// Puts a rule before those of `pg_hba.conf`, which let everybody in; in force once it is started again.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn rule(&mut self, rule: &str) -> Result<()> {
        let file = self.data().join("pg_hba.conf");
        let rules = std::fs::read_to_string(&file)?;
        Ok(std::fs::write(&file, format!("{rule}\n{rules}"))?)
    }

    /// Keeps a text in a file of the server, named by one of its settings.
    fn keep(&mut self, setting: &str, text: &str) -> Result<()> {
        let file = self.dir.path().join(setting);
        std::fs::write(&file, text)?;
        std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        if let Some((uid, gid)) = self.user {
            chown(&file, Some(uid), Some(gid))?;
        }
        self.settings.push(format!("{setting}={}", file.display()));
        Ok(())
    }

    /// Ends the server at once, as a power cut would, and starts it again on the same data.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn crash(&mut self) -> Result<()> {
        self.stop();
        self.run()
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts the server, after [`Server::stop`], from a thread of its own and waits until it answers.
    ///
    /// # Errors
    /// When it does not, with what it said.
    pub fn run(&mut self) -> Result<()> {
        let log = std::fs::File::create(self.dir.path().join("log"))?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.dir.path()).stdin(Stdio::null());
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone()?).stderr(log);
        let (stop, stopped) = channel();
        let (tell, told) = channel();
        let thread = std::thread::Builder::new().name("postgres".into()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            let _ = tell.send(Ok(()));
            // An error: the value that could have told is gone, which says the same.
            let _ = stopped.recv();
            let _ = end(&mut child);
        })?;
        told.recv().context("the thread of the server has ended")??;
        self.keeper = Some(Keeper { stop, thread });
        let until = Instant::now() + PATIENCE;
        while self.say("postgres", "SELECT 1").is_err() {
            if Instant::now() > until {
                bail!("postgres does not answer: {}", std::fs::read_to_string(self.dir.path().join("log"))?);
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Ends the server at once and leaves it so.
    pub fn stop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.stop.send(());
            let _ = keeper.thread.join();
        }
    }

    /// A program of the package, as a user that it runs for.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        if let Some((uid, gid)) = self.user {
            command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups");
        }
        // QUIT: the server ends its own processes too, and at once.
        command.args(["--pdeathsig", "QUIT", "--"]).arg(self.bin.join(program)).current_dir(self.dir.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// SIGQUIT, by the child's own id: an immediate end, without a clean shutdown.
fn end(child: &mut Child) -> Result<ExitStatus> {
    let id = child.id().to_string();
    Command::new("kill").args(["-QUIT", &id]).status()?;
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(STEP);
    }
    child.kill()?;
    Ok(child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0)))
}

/// The newest server that is installed.
fn binaries() -> Result<PathBuf> {
    let all = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(all)
        .context("no PostgreSQL here: apt-get install postgresql")?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            path.join("bin/postgres").exists().then(|| (version, path.join("bin")))
        })
        .collect();
    versions.sort();
    Ok(versions.pop().context("no PostgreSQL server here: apt-get install postgresql")?.1)
}

/// Whom the server runs as: it refuses to be root. `None`: as whoever we are.
fn unprivileged() -> Result<Option<(u32, u32)>> {
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let user = users.lines().find(|line| line.starts_with("postgres:")).context("there is no user postgres")?;
    let mut fields = user.split(':').skip(2).map(str::parse);
    match (fields.next(), fields.next()) {
        (Some(Ok(uid)), Some(Ok(gid))) => Ok(Some((uid, gid))),
        _ => bail!("/etc/passwd: {user}"),
    }
}
