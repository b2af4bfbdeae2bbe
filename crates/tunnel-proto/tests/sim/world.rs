//! Jobs, carriers and virtual time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mezu_tunnel_proto::{ByteBudget, Config, Event, OpenError, Reason, StreamError, StreamId};

use crate::carrier::Carrier;
use crate::job::{Client, Job, Server, Step};
use crate::net::Quality;
use crate::rng::Rng;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Done,
    /// Its own doing, or lost after GO.
    Failed(StreamError),
}

struct Running<P> {
    program: P,
    runnable: bool,
    until: Option<Duration>,
}

impl<P> Running<P> {
    fn new(program: P) -> Self {
        Self { program, runnable: true, until: None }
    }

    fn is_due(&mut self, now: Duration) -> bool {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
            self.runnable = true;
        }
        std::mem::take(&mut self.runnable)
    }
}

#[derive(Default)]
struct Programs {
    clients: HashMap<StreamId, (usize, Running<Client>)>,
    servers: HashMap<StreamId, Running<Server>>,
}

pub(crate) struct World {
    pub(crate) max_streams: usize,
    pub rng: Rng,
    pub now: Duration,
    pub jobs: Vec<Job>,
    pub outcomes: Vec<Outcome>,
    /// How often the workload saw a job.
    pub touched: Vec<usize>,
    pub carriers: Vec<Carrier>,
    /// When the gate of the first carrier drains.
    pub drains: Option<Duration>,
    programs: Vec<Programs>,
    waiting: Vec<(Duration, usize)>,
    pub last_open: Vec<Duration>,
    /// Sorted, so that one seed is one run.
    order: Vec<StreamId>,
}

impl World {
    pub(crate) fn new(seed: u64, carriers: usize, jobs: usize, faults: bool) -> Self {
        let mut rng = Rng::new(seed);
        let epoch = Instant::now();
        let mut config = Config::new(ByteBudget::new(256 << 20));
        config.agreed.max_streams = rng.pick(&[2, 8, 1000]);
        config.output = rng.pick(&[20_000, 64 * 1024, 256 * 1024]);
        let jobs: Vec<_> = (0..jobs).map(|n| Job::random(n, &mut rng, faults, carriers > 1)).collect();
        let carriers: Vec<_> = (0..carriers)
            .map(|_| {
                let quality = [Quality::random(&mut rng), Quality::random(&mut rng)];
                Carrier::new(&config, &quality, Duration::ZERO, epoch)
            })
            .collect();
        Self {
            max_streams: config.agreed.max_streams as usize,
            rng,
            now: Duration::ZERO,
            outcomes: vec![Outcome::Open; jobs.len()],
            touched: vec![0; jobs.len()],
            waiting: jobs.iter().map(|job| (job.start, job.number)).collect(),
            programs: carriers.iter().map(|_| Programs::default()).collect(),
            last_open: vec![Duration::ZERO; carriers.len()],
            drains: None,
            jobs,
            carriers,
            order: Vec::new(),
        }
    }

    /// Runs until `end`, or until nothing is left to do.
    pub(crate) fn run(&mut self, end: Duration) {
        let mut turns = 0;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.turn();
            turns += 1;
            assert!(turns < 2_000_000, "goes round and round");
            if self.is_over() {
                return;
            }
        }
    }

    /// Every job has ended, no stream is open, no program still reads, and who drains has drained.
    fn is_over(&self) -> bool {
        let idle = |c: &Carrier| {
            (c.edge.died.is_some() || c.edge.connection.in_flight() == 0)
                && (c.gate.died.is_some() || c.gate.connection.in_flight() == 0)
        };
        let drained = |c: &Carrier| c.edge.died.is_some() || (c.edge.drained && c.gate.drained);
        self.outcomes.iter().all(|outcome| *outcome != Outcome::Open)
            && self.carriers.iter().all(idle)
            && self.programs.iter().all(|p| p.clients.is_empty() && p.servers.is_empty())
            && self.drains.is_none_or(|at| at < self.now && self.carriers.first().is_none_or(drained))
    }

    fn next(&self) -> Option<Duration> {
        let programs = self.programs.iter().flat_map(|p| {
            let clients = p.clients.values().map(|(_, running)| running.until);
            clients.chain(p.servers.values().map(|running| running.until)).flatten()
        });
        let carriers = self.carriers.iter().filter_map(Carrier::next);
        let drains = self.drains.filter(|at| *at > self.now);
        self.waiting.iter().map(|(at, _)| *at).chain(programs).chain(carriers).chain(drains).min()
    }

    fn turn(&mut self) {
        if self.drains.is_some_and(|at| at <= self.now) {
            self.carriers[0].gate.connection.drain();
        }
        for index in 0..self.carriers.len() {
            self.carriers[index].deliver(self.now);
        }
        self.start_jobs();
        // Programs and network take turns until both rest.
        for index in 0..self.carriers.len() {
            loop {
                self.carriers[index].flush(self.now, &mut self.rng);
                if !self.run_programs(index) {
                    break;
                }
            }
        }
    }

    fn start_jobs(&mut self) {
        let due: Vec<_> = self.waiting.extract_if(.., |(at, _)| *at <= self.now).collect();
        for (_, number) in due {
            let usable: Vec<_> = (0..self.carriers.len())
                .filter(|i| self.carriers[*i].edge.died.is_none() && !self.carriers[*i].edge.connection.is_draining())
                .collect();
            if usable.is_empty() {
                self.outcomes[number] = Outcome::Failed(StreamError::Dead);
                continue;
            }
            let index = self.rng.pick(&usable);
            match Client::open(&self.jobs[number], &mut self.carriers[index].edge.connection) {
                Ok(client) => {
                    self.last_open[index] = self.now;
                    self.programs[index].clients.insert(client.id, (number, Running::new(client)));
                }
                Err(OpenError::TooManyStreams | OpenError::Congested | OpenError::Draining) => {
                    self.waiting.push((self.now + Duration::from_millis(10), number));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Takes events and polls whom they concern; true when anybody was polled.
    fn run_programs(&mut self, index: usize) -> bool {
        self.take_events(index);
        let clients = self.run_clients(index);
        let servers = self.run_servers(index);
        clients || servers
    }

    fn take_events(&mut self, index: usize) {
        let (carrier, programs) = (&mut self.carriers[index], &mut self.programs[index]);
        while let Some(event) = carrier.edge.event(self.now) {
            match event {
                Event::Readable(id) | Event::Writable(id) => {
                    programs.clients.entry(id).and_modify(|(_, running)| running.runnable = true);
                }
                Event::Dead => programs.clients.values_mut().for_each(|(_, running)| running.runnable = true),
                _ => {}
            }
        }
        while let Some(event) = carrier.gate.event(self.now) {
            match event {
                Event::Opened(id) => {
                    programs.servers.insert(id, Running::new(Server::new(id)));
                }
                Event::Readable(id) | Event::Writable(id) => {
                    programs.servers.entry(id).and_modify(|running| running.runnable = true);
                }
                Event::Dead => programs.servers.values_mut().for_each(|running| running.runnable = true),
                _ => {}
            }
        }
    }

    fn run_clients(&mut self, index: usize) -> bool {
        let mut any = false;
        self.order.clear();
        self.order.extend(self.programs[index].clients.keys());
        self.order.sort_by_key(|id| id.wire());
        for id in std::mem::take(&mut self.order) {
            let Some((number, running)) = self.programs[index].clients.get_mut(&id) else { continue };
            if !running.is_due(self.now) {
                continue;
            }
            any = true;
            let number = *number;
            let connection = &mut self.carriers[index].edge.connection;
            let step = running.program.poll(&self.jobs[number], connection, &mut self.rng);
            let went = running.program.went;
            match step {
                Step::Wait => continue,
                Step::Pause(time) => {
                    running.until = Some(self.now + time);
                    continue;
                }
                Step::Done => self.outcomes[number] = Outcome::Done,
                Step::Failed(error) => self.failed(number, went, error),
            }
            self.carriers[index].edge.connection.release(id);
            self.programs[index].clients.remove(&id);
        }
        any
    }

    /// Sends it again where that is safe.
    fn failed(&mut self, number: usize, went: bool, error: StreamError) {
        let job = &self.jobs[number];
        let untouched = matches!(error, StreamError::Reset(reason) if reason.is_untouched());
        let own = job.is_faulty() && !matches!(error, StreamError::Dead);
        if !own && (untouched || !job.post || (job.park && !went)) {
            self.waiting.push((self.now, number));
        } else {
            self.outcomes[number] = Outcome::Failed(error);
        }
    }

    fn run_servers(&mut self, index: usize) -> bool {
        let mut any = false;
        self.order.clear();
        self.order.extend(self.programs[index].servers.keys());
        self.order.sort_by_key(|id| id.wire());
        for id in std::mem::take(&mut self.order) {
            let Some(running) = self.programs[index].servers.get_mut(&id) else { continue };
            if !running.is_due(self.now) {
                continue;
            }
            any = true;
            let connection = &mut self.carriers[index].gate.connection;
            match running.program.poll(&self.jobs, &mut self.touched, connection, &mut self.rng) {
                Step::Wait => continue,
                Step::Pause(time) => {
                    running.until = Some(self.now + time);
                    continue;
                }
                Step::Failed(StreamError::Reset(Reason::WorkloadFailed)) => {
                    connection.reset(id, Reason::WorkloadFailed);
                }
                Step::Done | Step::Failed(_) => {}
            }
            self.carriers[index].gate.connection.release(id);
            self.programs[index].servers.remove(&id);
        }
        any
    }
}
