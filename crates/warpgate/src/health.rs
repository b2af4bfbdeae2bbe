//! Asks a workload at regular intervals whether it is well, and tells the edge when that changes.
//!
//! A task per workload, one question at a time, each under a deadline and on a connection of its own: a workload that
//! hangs holds up nothing but its own next question. Requests under way are never touched; all that is said is whether
//! more are wanted.

use std::{fmt, rc::Rc, str::FromStr, time::Duration};

use bytes::Bytes;
use mezu_runtime::random;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};

use crate::{Health, Target, gate::Gate, workload::Workload};

/// As much of an answer as is read for its status.
const MAX_HEAD: u64 = 16 * 1024;
/// Longest path.
const MAX_PATH: usize = 1024;

/// How a workload is asked whether it is well: by a GET that must be answered with a status from 200 to 399 in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    path: String,
    /// From one question to the next. Varied a little.
    pub interval: Duration,
    /// For the whole of one question, the connection included.
    pub timeout: Duration,
    /// Bad answers in a row after which it is not well.
    pub unhealthy_after: u32,
    /// Good answers in a row after which it is well again. The first one ever is enough.
    pub healthy_after: u32,
}

/// What is wrong with a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHealthCheck {
    #[error("the path of a health check begins with / and has at most {MAX_PATH} visible characters, none of them #")]
    Path,
    #[error("a health check is made every 100ms to 1h")]
    Interval,
    #[error("a health check may take 10ms to 60s")]
    Timeout,
    #[error("a health check decides after 1 to 100 answers")]
    Count,
    #[error("a folder needs no health check")]
    Folder,
}

impl HealthCheck {
    /// Every 5 s, within 2 s; not well after 3 bad answers, well again after 2 good ones.
    ///
    /// # Errors
    /// [`InvalidHealthCheck::Path`].
    pub fn new(path: &str) -> Result<Self, InvalidHealthCheck> {
        let is_path = path.starts_with('/') && path.len() <= MAX_PATH;
        if !is_path || path.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#') {
            return Err(InvalidHealthCheck::Path);
        }
        let (interval, timeout) = (Duration::from_secs(5), Duration::from_secs(2));
        Ok(Self { path: path.to_owned(), interval, timeout, unhealthy_after: 3, healthy_after: 2 })
    }

    /// Whether it can be made of this target, as it is.
    pub(crate) fn check(&self, target: &Target) -> Result<(), InvalidHealthCheck> {
        let count = 1..=100;
        if matches!(target, Target::Folder(_)) {
            Err(InvalidHealthCheck::Folder)
        } else if !(Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&self.interval) {
            Err(InvalidHealthCheck::Interval)
        } else if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.timeout) {
            Err(InvalidHealthCheck::Timeout)
        } else if !count.contains(&self.unhealthy_after) || !count.contains(&self.healthy_after) {
            Err(InvalidHealthCheck::Count)
        } else {
            Ok(())
        }
    }

    /// A tenth more or less, so that the gates of a workload do not all ask at once.
    fn pause(&self) -> Duration {
        let part = u32::try_from(random::next_u64() % 200).unwrap_or(0);
        self.interval * (900 + part) / 1000
    }
}

/// A time such as `500ms`, `5s` or `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(at);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err("a time is a number and ms, s, m or h, such as 5s"),
        };
        let number: u32 = number.parse().map_err(|_| "a time is a number and ms, s, m or h, such as 5s")?;
        Ok(Self(Duration::from_millis(u64::from(number) * millis)))
    }
}

/// What the answers so far come to.
#[derive(Debug, Default)]
struct Judge {
    is_well: bool,
    was_well: bool,
    /// Answers in a row that speak against what holds.
    against: u32,
}

impl Judge {
    /// Hears one more answer; says whether it changes what holds.
    fn hear(&mut self, is_good: bool, check: &HealthCheck) -> bool {
        if is_good == self.is_well {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let needed = match (is_good, self.was_well) {
            // It starts: nothing has been wrong with it yet.
            (true, false) => 1,
            (true, true) => check.healthy_after,
            (false, _) => check.unhealthy_after,
        };
        if self.against < needed {
            return false;
        }
        self.is_well = is_good;
        self.was_well |= is_good;
        self.against = 0;
        true
    }
}

/// Asks the workload at a place until Warpgate stops. Until its first good answer it gets no requests.
pub(crate) async fn watch(gate: Rc<Gate>, index: usize, check: HealthCheck) {
    let Some(workload) = gate.workloads.get(index) else { return };
    let mut judge = Judge::default();
    loop {
        let answer = tokio::select! {
            answer = ask(workload, &check) => answer,
            () = gate.scope.stopping() => return,
        };
        let changed = judge.hear(answer.is_ok(), &check);
        let why = answer.err();
        if changed {
            tell(&gate, index, judge.is_well, why.as_ref());
        }
        gate.note_health(index, if judge.is_well { Health::Well } else { Health::Unwell { why: shown(why) } });
        tokio::select! {
            () = sleep(check.pause()) => {}
            () = gate.scope.stopping() => return,
        }
    }
}

fn shown(why: Option<Bad>) -> String {
    why.map_or_else(|| "it has to answer well once more".to_owned(), |why| why.to_string())
}

fn tell(gate: &Gate, index: usize, is_well: bool, why: Option<&Bad>) {
    let name = gate.config.workloads.get(index).map_or("", |workload| workload.name.as_str());
    match why {
        None => tracing::info!(workload = name, "the workload is well"),
        Some(why) => tracing::warn!(workload = name, %why, "the workload is not well: it gets no requests here"),
    }
    gate.set_well(index, is_well);
}

/// Why an answer is none that a well workload gives.
#[derive(Debug)]
enum Bad {
    Status(u16),
    Unreachable,
    Broken,
    Late,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "its health check answered {status}"),
            Self::Unreachable => f.write_str("it does not take connections"),
            Self::Broken => f.write_str("its health check was not answered in HTTP"),
            Self::Late => f.write_str("its health check took too long"),
        }
    }
}

async fn ask(workload: &Workload, check: &HealthCheck) -> Result<(), Bad> {
    let status = async {
        match &workload.target {
            Target::H2c(_) => ask_h2c(workload, check).await,
            _ => ask_h1(workload, check).await,
        }
    };
    match timeout(check.timeout, status).await.map_err(|_| Bad::Late)?? {
        200..=399 => Ok(()),
        status => Err(Bad::Status(status)),
    }
}

/// What the workload sees as the host that it is asked by.
fn host(workload: &Workload) -> String {
    match (&workload.rewrite.host, &workload.target) {
        (Some(host), _) => host.clone(),
        (None, Target::Http(at) | Target::Https(at) | Target::H2c(at)) => at.to_string(),
        (None, _) => "localhost".to_owned(),
    }
}

async fn ask_h1(workload: &Workload, check: &HealthCheck) -> Result<u16, Bad> {
    let mut io = workload.dialer.dial().await.map_err(|_| Bad::Unreachable)?;
    let ask = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: warpgate-health\r\nconnection: close\r\n\r\n",
        check.path,
        host(workload)
    );
    io.write_all(ask.as_bytes()).await.map_err(|_| Bad::Broken)?;
    io.flush().await.map_err(|_| Bad::Broken)?;
    let mut io = io.take(MAX_HEAD);
    let mut read = Vec::with_capacity(1024);
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 0];
        let mut head = httparse::Response::new(&mut fields);
        // The fields do not matter: with room for none, a whole first line is all that is parsed.
        match head.parse(&read) {
            Ok(_) | Err(httparse::Error::TooManyHeaders) => {
                if let Some(status) = head.code {
                    return Ok(status);
                }
            }
            Err(_) => return Err(Bad::Broken),
        }
        if io.read_buf(&mut read).await.map_err(|_| Bad::Broken)? == 0 {
            return Err(Bad::Broken);
        }
    }
}

async fn ask_h2c(workload: &Workload, check: &HealthCheck) -> Result<u16, Bad> {
    let io = workload.dialer.dial().await.map_err(|_| Bad::Unreachable)?;
    let mut builder = h2::client::Builder::new();
    builder.enable_push(false).max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX));
    let (mut sender, connection) = builder.handshake::<_, Bytes>(io).await.map_err(|_| Bad::Broken)?;
    let request = http::Request::get(format!("http://{}{}", host(workload), check.path))
        .header(http::header::USER_AGENT, "warpgate-health")
        .body(())
        .map_err(|_| Bad::Broken)?;
    let answer = async {
        let (answer, _) = sender.send_request(request, true).map_err(|_| Bad::Broken)?;
        answer.await.map(|answer| answer.status().as_u16()).map_err(|_| Bad::Broken)
    };
    // The connection is driven for as long as the answer is waited for, and closed with it.
    tokio::select! {
        answer = answer => answer,
        _ = connection => Err(Bad::Broken),
    }
}

#[cfg(test)]
mod tests;
