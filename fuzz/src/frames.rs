//! A connection under a hostile peer and a careless user at once: nothing panics, no bound is passed, and a dead
//! connection stays dead.
//!
//! The input is a program: each step is one byte that says what happens and a few that say how. Frames are mostly
//! well-formed, so that what comes behind the header is reached.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use mezu_model::{Context, Headers, RequestHead, ResponseHead};
use mezu_tunnel_proto::frames::header;
use mezu_tunnel_proto::{
    ByteBudget, Config, Connection, Event, Incoming, OpenOptions, Reason, Role, StreamId, frames::Kind,
};

const BUDGET: usize = 256 * 1024;

/// One input.
pub fn run(data: &[u8]) {
    let Some((first, program)) = data.split_first() else { return };
    let role = if first & 1 == 0 { Role::Edge } else { Role::Gate };
    let mut world = World::new(role);
    let mut rest = program;
    while let Some(step) = take(&mut rest) {
        world.step(step, &mut rest);
        world.check();
    }
    world.events();
    let ids = std::mem::take(&mut world.ids);
    for id in ids {
        world.connection.release(id);
    }
    assert_eq!(world.connection.held(), 0, "released streams hold nothing");
}

struct World {
    connection: Connection,
    budget: ByteBudget,
    now: Instant,
    input: BytesMut,
    ids: Vec<StreamId>,
    dead: bool,
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    Some(*first)
}

fn take_bytes<'a>(rest: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (bytes, tail) = rest.split_at(n.min(rest.len()));
    *rest = tail;
    bytes
}

impl World {
    fn new(role: Role) -> Self {
        let now = Instant::now();
        let budget = ByteBudget::new(BUDGET);
        let mut config = Config::new(budget.clone());
        config.agreed.max_streams = 8;
        config.output = 40_000;
        config.output_max = 200_000;
        config.retained_heads = 4_000;
        let connection = Connection::new(role, config, now);
        Self { connection, budget, now, input: BytesMut::new(), ids: Vec::new(), dead: false }
    }

    fn step(&mut self, step: u8, rest: &mut &[u8]) {
        match step % 16 {
            0 => self.frame(Kind::Request, rest),
            1 => self.frame(Kind::Response, rest),
            2 => self.frame(Kind::Data, rest),
            3 => self.any_frame(rest),
            4 => self.large(rest),
            5 => self.raw(rest),
            6 => self.open(rest),
            7 | 8 => self.read(rest),
            9 => self.answer(rest),
            10 => self.write(rest),
            11 => self.hand_over(rest),
            12 => self.end(rest),
            13 => self.time(rest),
            14 => self.connection.advance_output(usize::from(take(rest).unwrap_or(255)) * 256),
            _ => self.events(),
        }
    }

    fn feed(&mut self) {
        let was_dead = self.connection.death().is_some();
        let result = self.connection.handle_input(self.now, &mut self.input);
        assert!(result.is_ok() || (!was_dead && self.connection.death().is_some()));
    }

    fn put(&mut self, kind: Kind, flags: u8, payload: &[u8]) {
        let stream = if flags & 0x40 != 0 { 0 } else { u32::from(flags & 0x0f) };
        self.input.extend_from_slice(&header(kind, flags & 0x80 != 0, stream, payload.len()));
        self.input.extend_from_slice(payload);
        self.feed();
    }

    fn frame(&mut self, kind: Kind, rest: &mut &[u8]) {
        let (flags, len) = (take(rest).unwrap_or(0), take(rest).unwrap_or(0));
        let payload = take_bytes(rest, usize::from(len)).to_vec();
        self.put(kind, flags, &payload);
    }

    fn any_frame(&mut self, rest: &mut &[u8]) {
        if let Some(kind) = Kind::from_byte(take(rest).unwrap_or(0) % 15) {
            self.frame(kind, rest);
        }
    }

    fn large(&mut self, rest: &mut &[u8]) {
        let (flags, len) = (take(rest).unwrap_or(0), take(rest).unwrap_or(0));
        self.put(Kind::Data, flags, &vec![len; usize::from(len) * 64]);
    }

    fn raw(&mut self, rest: &mut &[u8]) {
        let len = take(rest).unwrap_or(0);
        let bytes = take_bytes(rest, usize::from(len)).to_vec();
        self.input.extend_from_slice(&bytes);
        self.feed();
    }

    fn open(&mut self, rest: &mut &[u8]) {
        let how = take(rest).unwrap_or(0);
        let head = RequestHead { host: "h".into(), path: "/".into(), ..RequestHead::default() };
        let inline = vec![0; usize::from(how) * 40];
        let options = OpenOptions { park: how & 1 != 0, narrow: how & 4 != 0, inline: &inline, end: how & 2 != 0 };
        if let Ok((id, taken)) = self.connection.open(&Context::default(), &head, 0, options) {
            assert!(taken <= inline.len());
            self.ids.push(id);
        }
    }

    fn pick(&self, rest: &mut &[u8]) -> Option<StreamId> {
        let n = usize::from(take(rest)?);
        self.ids.get(n % self.ids.len().max(1)).copied()
    }

    fn read(&mut self, rest: &mut &[u8]) {
        let Some(id) = self.pick(rest) else { return };
        match self.connection.recv(id) {
            Ok(Some(Incoming::Request(request))) => {
                let _ = request.decode(&mut RequestHead::default());
                let len = request.body_len();
                assert_eq!(request.into_body().len(), len);
            }
            Ok(Some(Incoming::Response(response))) => {
                let _ = response.decode(&mut ResponseHead::default());
            }
            Ok(Some(Incoming::Data(data))) => assert!(!data.is_empty()),
            Ok(Some(Incoming::Trailers(fields))) => drop(fields.decode(&mut Headers::new())),
            Ok(Some(Incoming::End | Incoming::Ready | Incoming::Go) | None) | Err(_) => {}
        }
    }

    fn answer(&mut self, rest: &mut &[u8]) {
        let how = take(rest).unwrap_or(0);
        let Some(id) = self.pick(rest) else { return };
        let head = ResponseHead::new(if how & 1 == 0 { 200 } else { 100 });
        let _ = self.connection.send_response(id, &head, &vec![0; usize::from(how) * 40], how & 2 != 0);
    }

    fn write(&mut self, rest: &mut &[u8]) {
        let how = take(rest).unwrap_or(0);
        let Some(id) = self.pick(rest) else { return };
        if how == 255 {
            let _ = self.connection.send_trailers(id, &Headers::new());
        } else {
            let _ = self.connection.send_data(id, &vec![0; usize::from(how) * 400], how & 1 != 0);
        }
    }

    fn hand_over(&mut self, rest: &mut &[u8]) {
        let Some(id) = self.pick(rest) else { return };
        let _ = self.connection.send_ready(id);
        let _ = self.connection.send_go(id);
    }

    fn end(&mut self, rest: &mut &[u8]) {
        let how = take(rest).unwrap_or(0);
        if how == 255 {
            return self.connection.drain();
        }
        let Some(id) = self.pick(rest) else { return };
        if how & 1 == 0 {
            self.connection.release(id);
            self.ids.retain(|other| *other != id);
        } else {
            self.connection.reset(id, Reason::from_code(how >> 1));
        }
    }

    fn time(&mut self, rest: &mut &[u8]) {
        self.now += Duration::from_millis(u64::from(take(rest).unwrap_or(0)) * 4);
        self.connection.handle_timeout(self.now);
        assert!(self.connection.poll_timeout().is_none_or(|at| at > self.now), "due again at once");
    }

    fn events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            if let Event::Opened(id) = event {
                self.ids.push(id);
            }
        }
    }

    fn check(&mut self) {
        assert!(self.connection.held() <= BUDGET + 32 * 1024);
        assert!(self.budget.used() <= BUDGET);
        assert!(self.connection.in_flight() <= 8);
        let dead = self.connection.death().is_some();
        assert!(dead || !self.dead, "back from the dead");
        self.dead = dead;
        if !dead {
            assert!(self.connection.output().len() <= 200_000 + 40_000 + 70_000);
        }
    }
}
