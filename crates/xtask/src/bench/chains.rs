//! The chains that are compared: each takes HTTPS on a port of its own and ends at the same workload.

use super::processes::{Process, free_port, run, wait_for_port};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A running chain. Dropping it ends its processes.
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What a client must trust.
    pub(crate) ca: PathBuf,
    /// The processes whose CPU time counts, client and workload not among them.
    pub(crate) roots: Vec<u32>,
    /// Processes by name, for figures of one of them.
    processes: Vec<(&'static str, Process)>,
}

impl Chain {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", self.host, self.port)
    }

    pub(crate) fn process(&self, name: &str) -> Option<u32> {
        self.processes.iter().find(|(known, _)| *known == name).map(|(_, process)| process.id())
    }

    fn new(name: &'static str, host: &str, port: u16, ca: &Path, processes: Vec<(&'static str, Process)>) -> Self {
        let roots = processes.iter().map(|(_, process)| process.id()).collect();
        Self { name, host: host.into(), port, ca: ca.into(), roots, processes }
    }
}

/// What all chains share: a folder, a certificate, the workload's port.
pub(crate) struct Setting {
    pub(crate) folder: PathBuf,
    pub(crate) workload: u16,
    pub(crate) programs: PathBuf,
    pub(crate) tools: PathBuf,
}

const HOST: &str = "bench.mezusphere.localhost";

pub(crate) fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(String::from).collect()
}

/// A P-256 authority and a certificate for the chains that bring none of their own.
pub(crate) fn make_certificates(folder: &Path) -> Result<()> {
    let at = folder.display();
    let names = format!("subjectAltName=DNS:{HOST},DNS:rathole.test");
    std::fs::write(folder.join("names"), &names)?;
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for command in [
        format!("openssl req -x509 {ec} -keyout {at}/ca.key -out {at}/ca.pem -subj /CN=bench-ca -days 30"),
        format!("openssl req {ec} -keyout {at}/key.pem -out {at}/csr.pem -subj /CN=bench"),
        format!(
            "openssl x509 -req -in {at}/csr.pem -CA {at}/ca.pem -CAkey {at}/ca.key -CAcreateserial -out {at}/cert.pem -days 30 -extfile {at}/names"
        ),
        format!(
            "openssl pkcs12 -export -in {at}/cert.pem -inkey {at}/key.pem -passout pass:bench -out {at}/identity.pfx"
        ),
    ] {
        run(&words(&command), Duration::from_secs(20))?;
    }
    Ok(())
}

/// Client → edge → tunnel → Warpgate → workload.
pub(crate) fn ours(setting: &Setting) -> Result<Chain> {
    start_ours(setting, "mezusphere", "")
}

/// The same with a single tunnel: a request that comes to another worker of the edge than the one that has it hops.
pub(crate) fn one_tunnel(setting: &Setting) -> Result<Chain> {
    start_ours(setting, "mezusphere, one tunnel", "--connections 1")
}

/// The same with five stages on the route.
pub(crate) fn five_stages(setting: &Setting) -> Result<Chain> {
    let mut chain = start_ours(setting, "mezusphere, five stages", "")?;
    let host = HOST.replace("bench.", "staged.");
    let program = setting.programs.join("mezusphere").display().to_string();
    let mut command = words(&format!("{program} route add {host} --workload bench --data"));
    command.push(setting.folder.join(chain.name).display().to_string());
    command.extend(STAGES.iter().flat_map(|stage| ["--set".to_owned(), (*stage).to_owned()]));
    run(&command, Duration::from_secs(20))?;
    chain.host = host;
    wait_for_answer(&chain)?;
    Ok(chain)
}

/// Stages that all let every request pass, each with something to do.
const STAGES: [&str; 5] = [
    r#"cors={"origins":["https://a.example"]}"#,
    r#"ip_access={"otherwise":"pass_to_next_stages","rules":[{"networks":["192.0.2.0/24","2001:db8::/32"],"then":"refuse"}]}"#,
    r#"body_limit={"bytes":4294967296}"#,
    r#"rate_limit={"limits":[{"key":"address","requests":1000000,"per":1,"burst":1000000}]}"#,
    r#"headers={"request":{"set":[{"name":"x-stage","value":"five"}]},"response":{"remove":["server"]}}"#,
];

fn start_ours(setting: &Setting, name: &'static str, gate_options: &str) -> Result<Chain> {
    let data = setting.folder.join(name);
    std::fs::create_dir_all(&data)?;
    let (https, http, admin) = (free_port()?, free_port()?, free_port()?);
    let edge = setting.programs.join("mezusphere").display().to_string();
    let mut command = words(&format!(
        "{edge} up --https 127.0.0.1:{https} --http 127.0.0.1:{http} --admin 127.0.0.1:{admin} --base-domain mezusphere.localhost --data"
    ));
    command.push(data.display().to_string());
    command.extend(extra("MEZU_BENCH_EDGE_ARGS"));
    let mut edge = Process::start("mezusphere", &command, &setting.folder.join(format!("{name}.log")))?;
    wait_for_port(https, &mut edge)?;
    let (key, ca) = (data.join("first-key"), data.join("ca.pem"));
    wait_for_file(&key, &mut edge)?;
    let program = setting.programs.join("warpgate").display().to_string();
    let mut command =
        words(&format!("{program} http {} --name bench --edge mezusphere.localhost:{https}", setting.workload));
    command.extend(["--ca".into(), ca.display().to_string(), "--key-file".into(), key.display().to_string()]);
    command.extend(words(gate_options));
    command.extend(extra("MEZU_BENCH_WARPGATE_ARGS"));
    let mut gate = Process::start("warpgate", &command, &setting.folder.join(format!("{name}, warpgate.log")))?;
    gate.ensure_alive()?;
    let chain = Chain::new(name, HOST, https, &ca, vec![("mezusphere", edge), ("warpgate", gate)]);
    wait_for_answer(&chain)?;
    Ok(chain)
}

/// Arguments to try out without a change of code.
fn extra(variable: &str) -> Vec<String> {
    words(&std::env::var(variable).unwrap_or_default())
}

/// Client → nginx → workload: one hop, as a plain reverse proxy does it.
pub(crate) fn nginx(setting: &Setting) -> Result<Chain> {
    let (port, nginx) = start_nginx(setting, "nginx", setting.workload)?;
    finish(setting, "nginx", port, vec![("nginx", nginx)])
}

/// Client → nginx → rathole server → TLS → rathole client → workload.
pub(crate) fn rathole(setting: &Setting) -> Result<Chain> {
    let (control, service) = (free_port()?, free_port()?);
    let (at, workload) = (setting.folder.display(), setting.workload);
    let server = format!(
        "[server]\nbind_addr = \"127.0.0.1:{control}\"\ndefault_token = \"bench\"\n[server.transport]\ntype = \"tls\"\n\
         [server.transport.tls]\npkcs12 = \"{at}/identity.pfx\"\npkcs12_password = \"bench\"\n\
         [server.services.bench]\nbind_addr = \"127.0.0.1:{service}\"\n"
    );
    let client = format!(
        "[client]\nremote_addr = \"127.0.0.1:{control}\"\ndefault_token = \"bench\"\n[client.transport]\ntype = \"tls\"\n\
         [client.transport.tls]\ntrusted_root = \"{at}/ca.pem\"\nhostname = \"rathole.test\"\n\
         [client.services.bench]\nlocal_addr = \"127.0.0.1:{workload}\"\n"
    );
    std::fs::write(setting.folder.join("server.toml"), server)?;
    std::fs::write(setting.folder.join("client.toml"), client)?;
    let program = setting.tools.join("rathole");
    let start = |name: &str, role: &str| {
        let file = setting.folder.join(format!("{role}.toml")).display().to_string();
        let command = [program.display().to_string(), format!("--{role}"), file];
        Process::start(name, &command, &setting.folder.join(format!("rathole-{role}.log")))
    };
    let mut server = start("rathole server", "server")?;
    wait_for_port(control, &mut server)?;
    let client = start("rathole client", "client")?;
    wait_for_port(service, &mut server)?;
    let (port, nginx) = start_nginx(setting, "nginx-rathole", service)?;
    finish(setting, "nginx + rathole", port, vec![("nginx", nginx), ("server", server), ("client", client)])
}

/// Client → nginx → sshd → ssh -R → workload.
pub(crate) fn ssh(setting: &Setting) -> Result<Chain> {
    let (control, service) = (free_port()?, free_port()?);
    let (at, workload) = (setting.folder.display(), setting.workload);
    for key in ["host_key", "user_key"] {
        run(
            &words(&format!("ssh-keygen -q -t ed25519 -f {at}/{key} -N"))
                .into_iter()
                .chain([String::new()])
                .collect::<Vec<_>>(),
            Duration::from_secs(20),
        )?;
    }
    let config = format!(
        "Port {control}\nListenAddress 127.0.0.1\nHostKey {at}/host_key\nAuthorizedKeysFile {at}/user_key.pub\n\
         StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nAllowTcpForwarding yes\n"
    );
    std::fs::write(setting.folder.join("sshd_config"), config)?;
    let _ = std::fs::create_dir_all("/run/sshd"); // Needed, and possible, only for root.
    let command = words(&format!("/usr/sbin/sshd -D -e -f {at}/sshd_config"));
    let mut server = Process::start("sshd", &command, &setting.folder.join("sshd.log"))?;
    wait_for_port(control, &mut server)?;
    let user = run(&words("id -un"), Duration::from_secs(5))?;
    let command = words(&format!(
        "ssh -N -F none -R 127.0.0.1:{service}:127.0.0.1:{workload} -i {at}/user_key -p {control} -o BatchMode=yes \
         -o ExitOnForwardFailure=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null {}@127.0.0.1",
        user.trim()
    ));
    let mut client = Process::start("ssh", &command, &setting.folder.join("ssh.log"))?;
    wait_for_port(service, &mut client)?;
    let (port, nginx) = start_nginx(setting, "nginx-ssh", service)?;
    finish(setting, "nginx + ssh -R", port, vec![("nginx", nginx), ("sshd", server), ("ssh", client)])
}

fn finish(setting: &Setting, name: &'static str, port: u16, processes: Vec<(&'static str, Process)>) -> Result<Chain> {
    let chain = Chain::new(name, HOST, port, &setting.folder.join("ca.pem"), processes);
    wait_for_answer(&chain)?;
    Ok(chain)
}

/// nginx as its manual advises for a reverse proxy: keep-alive to the next hop, bodies streamed, no temporary files.
fn start_nginx(setting: &Setting, name: &str, next: u16) -> Result<(u16, Process)> {
    let port = free_port()?;
    let folder = setting.folder.join(name);
    std::fs::create_dir_all(&folder)?;
    let (at, shared) = (folder.display(), setting.folder.display());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let user = if run(&words("id -u"), Duration::from_secs(5))?.trim() == "0" { "user root;" } else { "" };
    let config = format!(
        "daemon off; worker_processes {workers}; {user} pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off; server_tokens off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 300s;
  client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
  upstream next {{ server 127.0.0.1:{next}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} ssl http2 reuseport;
    ssl_certificate {shared}/cert.pem; ssl_certificate_key {shared}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0;
    location / {{
      proxy_pass http://next; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config)?;
    let command = words(&format!("nginx -e {at}/error.log -c {}", file.display()));
    let mut process = Process::start(name, &command, &folder.join("log"))?;
    wait_for_port(port, &mut process)?;
    Ok((port, process))
}

fn wait_for_file(path: &Path, process: &mut Process) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        process.ensure_alive()?;
        anyhow::ensure!(Instant::now() < deadline, "{} was not written", path.display());
        super::processes::pause(Duration::from_millis(20));
    }
    Ok(())
}

/// Until a request gets its 1 KiB through the whole chain.
fn wait_for_answer(chain: &Chain) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut command = words("curl -sSf --max-time 3 --http1.1 --cacert");
    command.push(chain.ca.display().to_string());
    command.extend(["--resolve".into(), format!("{}:{}:127.0.0.1", chain.host, chain.port), chain.url("/")]);
    loop {
        match run(&command, Duration::from_secs(5)) {
            Ok(body) if body.len() == 1024 => return Ok(()),
            Ok(body) => anyhow::bail!("{}: {} bytes instead of 1024", chain.name, body.len()),
            Err(error) if Instant::now() > deadline => return Err(error).context(chain.name),
            Err(_) => super::processes::pause(Duration::from_millis(100)),
        }
    }
}
