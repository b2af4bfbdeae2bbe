//! One request: what is sent, what must come back, and both programs that handle it. They act only when an event or
//! their own pause tells them to, so that a wake-up that is missing stops the run.

use std::sync::LazyLock;
use std::time::Duration;

use mezu_model::{Context, Headers, Method, RequestHead, ResponseHead};
use mezu_tunnel_proto::{Connection, Incoming, OpenError, OpenOptions, Reason, StreamError, StreamId};

use crate::rng::Rng;

/// What a request is like.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub number: usize,
    pub start: Duration,
    pub post: bool,
    pub park: bool,
    pub up: usize,
    pub down: usize,
    pub inline: usize,
    pub interims: usize,
    pub trailers: bool,
    /// The workload answers while it reads.
    pub duplex: bool,
    /// Percent of reads after which a side pauses.
    pub slow: u64,
    /// The client reads the head and then nothing for a very long time.
    pub(crate) stalls: bool,
    /// The client goes away, or the workload breaks, after this many body bytes.
    pub cancel: Option<usize>,
    pub breaks: Option<usize>,
}

impl Job {
    pub(crate) fn random(number: usize, rng: &mut Rng, faults: bool, parks: bool) -> Self {
        let size = |rng: &mut Rng| {
            let high = rng.pick(&[0, 10, 1_000, 20_000, 100_000, 250_000]);
            rng.size(0, high)
        };
        let post = rng.percent(50);
        let fault = |rng: &mut Rng| (faults && rng.percent(10)).then(|| rng.size(0, 50_000));
        Self {
            number,
            start: Duration::from_micros(rng.between(0, 800_000)),
            post,
            park: parks && post,
            up: size(rng),
            down: size(rng),
            inline: rng.size(0, 16_000),
            interims: if rng.percent(10) { rng.size(1, 8) } else { 0 },
            trailers: rng.percent(20),
            duplex: rng.percent(30),
            slow: rng.pick(&[0, 0, 5, 50]),
            stalls: false,
            cancel: fault(rng),
            breaks: fault(rng),
        }
    }

    pub(crate) fn is_faulty(&self) -> bool {
        self.cancel.is_some() || self.breaks.is_some()
    }

    fn head(&self) -> RequestHead {
        RequestHead {
            method: if self.post { Method::Post } else { Method::Get },
            host: "app.test".into(),
            path: "/".into(),
            query: Some(format!("job={}", self.number)),
            ..RequestHead::default()
        }
    }
}

/// The body of a job at a place: a reader knows what it must get.
fn fill(number: usize, from: usize, len: usize) -> &'static [u8] {
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut rng = Rng::new(0);
        (0..40_000).flat_map(|_| rng.next().to_le_bytes()).collect()
    });
    let start = number * 1009 + from;
    &NOISE[start..start + len]
}

fn check(number: usize, from: usize, got: &[u8]) {
    assert!(got == fill(number, from, got.len()), "job {number}: wrong bytes after {from}");
}

/// What a poll came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Waits for an event.
    Wait,
    /// Pauses of its own will.
    Pause(Duration),
    Done,
    Failed(StreamError),
}

/// The edge's program for one attempt.
pub(crate) struct Client {
    pub id: StreamId,
    sent: usize,
    sent_all: bool,
    got: usize,
    status: u16,
    interims: usize,
    pub went: bool,
    trailers: bool,
}

impl Client {
    pub(crate) fn open(job: &Job, connection: &mut Connection) -> Result<Self, OpenError> {
        let inline = fill(job.number, 0, job.up.min(job.inline));
        let end = inline.len() == job.up;
        let options = OpenOptions { park: job.park, narrow: job.number.is_multiple_of(3), inline, end };
        let (id, sent) = connection.open(&Context::default(), &job.head(), 0, options)?;
        let sent_all = end && sent == job.up;
        Ok(Self { id, sent, sent_all, got: 0, status: 0, interims: 0, went: false, trailers: false })
    }

    pub(crate) fn poll(&mut self, job: &Job, connection: &mut Connection, rng: &mut Rng) -> Step {
        if job.stalls && self.status > 0 {
            return Step::Pause(Duration::from_secs(100_000));
        }
        if let Err(error) = self.write(job, connection, rng) {
            // An early answer may stop the upload; the answer counts.
            if !matches!(error, StreamError::Reset(Reason::Cancelled)) {
                return Step::Failed(error);
            }
            self.sent_all = true;
        }
        if job.cancel.is_some_and(|at| self.sent + self.got > at) {
            return Step::Failed(StreamError::Reset(Reason::Cancelled));
        }
        loop {
            match connection.recv(self.id) {
                Err(error) => return Step::Failed(error),
                Ok(None) => return Step::Wait,
                Ok(Some(Incoming::End)) => return self.finish(job),
                Ok(Some(Incoming::Ready)) => {
                    connection.send_go(self.id).unwrap();
                    self.went = true;
                }
                Ok(Some(incoming)) => {
                    self.take(job, incoming);
                    if job.stalls {
                        return Step::Pause(Duration::from_secs(100_000));
                    }
                    if rng.percent(job.slow) {
                        return Step::Pause(Duration::from_micros(rng.between(1, 20_000)));
                    }
                }
            }
        }
    }

    fn write(&mut self, job: &Job, connection: &mut Connection, rng: &mut Rng) -> Result<(), StreamError> {
        while !self.sent_all {
            let n = rng.size(1, 60_000).min(job.up - self.sent);
            let end = self.sent + n == job.up;
            let taken = connection.send_data(self.id, fill(job.number, self.sent, n), end)?;
            self.sent += taken;
            self.sent_all = end && taken == n;
            if taken < n {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, job: &Job, incoming: Incoming) {
        match incoming {
            Incoming::Response(response) if response.is_interim() => self.interims += 1,
            Incoming::Response(response) => {
                let mut head = ResponseHead::default();
                response.decode(&mut head).unwrap();
                self.status = head.status;
                self.body(job, &response.into_body());
            }
            Incoming::Data(data) => self.body(job, &data),
            Incoming::Trailers(fields) => {
                let mut got = Headers::new();
                fields.decode(&mut got).unwrap();
                self.trailers = got.len() == 1;
            }
            other => panic!("{other:?}"),
        }
    }

    fn body(&mut self, job: &Job, data: &[u8]) {
        check(job.number + 1, self.got, data);
        self.got += data.len();
    }

    fn finish(&self, job: &Job) -> Step {
        assert_eq!((self.status, self.got), (200, job.down), "job {}", job.number);
        assert_eq!((self.interims, self.trailers), (job.interims, job.trailers), "job {}", job.number);
        Step::Done
    }
}

/// The gate's program for one stream.
pub(crate) struct Server {
    pub id: StreamId,
    pub job: Option<usize>,
    touched: bool,
    got: usize,
    got_all: bool,
    interims: usize,
    head_sent: bool,
    sent: usize,
    sent_all: bool,
}

impl Server {
    pub(crate) fn new(id: StreamId) -> Self {
        Self {
            id,
            job: None,
            touched: false,
            got: 0,
            got_all: false,
            interims: 0,
            head_sent: false,
            sent: 0,
            sent_all: false,
        }
    }

    /// `touched` counts what the workload sees.
    pub(crate) fn poll(
        &mut self,
        jobs: &[Job],
        touched: &mut [usize],
        connection: &mut Connection,
        rng: &mut Rng,
    ) -> Step {
        match self.step(jobs, touched, connection, rng) {
            Ok(step) => step,
            Err(error) => Step::Failed(error),
        }
    }

    fn step(
        &mut self,
        jobs: &[Job],
        touched: &mut [usize],
        connection: &mut Connection,
        rng: &mut Rng,
    ) -> Result<Step, StreamError> {
        let pause = self.read(jobs, touched, connection, rng)?;
        let Some(job) = self.job.map(|number| &jobs[number]) else { return Ok(Step::Wait) };
        if job.breaks.is_some_and(|at| self.got + self.sent > at) {
            return Err(StreamError::Reset(Reason::WorkloadFailed));
        }
        if self.touched && (self.got_all || job.duplex) {
            self.answer(job, connection, rng)?;
        }
        if self.sent_all && self.got_all {
            return Ok(Step::Done);
        }
        Ok(pause.map_or(Step::Wait, Step::Pause))
    }

    fn read(
        &mut self,
        jobs: &[Job],
        touched: &mut [usize],
        connection: &mut Connection,
        rng: &mut Rng,
    ) -> Result<Option<Duration>, StreamError> {
        while let Some(incoming) = connection.recv(self.id)? {
            match incoming {
                Incoming::Request(request) => {
                    let mut head = RequestHead::default();
                    assert_eq!(request.decode(&mut head), Ok(0));
                    let number: usize = head.query.unwrap()[4..].parse().unwrap();
                    assert_eq!(request.is_parked(), jobs[number].park);
                    self.job = Some(number);
                    if request.is_parked() {
                        connection.send_ready(self.id)?;
                    } else {
                        self.touch(touched);
                    }
                    self.body(&request.into_body());
                }
                Incoming::Go => self.touch(touched),
                Incoming::Data(data) => {
                    assert!(self.touched, "body before GO");
                    self.body(&data);
                    if self.job.is_some_and(|number| rng.percent(jobs[number].slow)) {
                        return Ok(Some(Duration::from_micros(rng.between(1, 20_000))));
                    }
                }
                Incoming::End => {
                    self.got_all = true;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        Ok(None)
    }

    fn touch(&mut self, touched: &mut [usize]) {
        self.touched = true;
        if let Some(number) = self.job {
            touched[number] += 1;
        }
    }

    fn body(&mut self, data: &[u8]) {
        check(self.job.unwrap(), self.got, data);
        self.got += data.len();
    }

    fn answer(&mut self, job: &Job, connection: &mut Connection, rng: &mut Rng) -> Result<(), StreamError> {
        while self.interims < job.interims {
            connection.send_response(self.id, &ResponseHead::new(103), b"", false)?;
            self.interims += 1;
        }
        if !self.head_sent {
            let inline = fill(job.number + 1, 0, job.down.min(job.inline));
            let end = inline.len() == job.down && !job.trailers;
            self.sent = connection.send_response(self.id, &ResponseHead::new(200), inline, end)?;
            self.head_sent = true;
            self.sent_all = end && self.sent == job.down;
        }
        while !self.sent_all {
            let n = rng.size(1, 60_000).min(job.down - self.sent);
            let last = self.sent + n == job.down;
            let taken = connection.send_data(self.id, fill(job.number + 1, self.sent, n), last && !job.trailers)?;
            self.sent += taken;
            if taken < n {
                break;
            }
            if last && job.trailers {
                let mut fields = Headers::new();
                fields.push(b"grpc-status", b"0").unwrap();
                connection.send_trailers(self.id, &fields)?;
            }
            self.sent_all = last;
        }
        Ok(())
    }
}
