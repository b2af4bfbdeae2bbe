//! Programs that believe nothing: they read whatever comes and answer whatever was asked, over a carrier that damages
//! bytes. TLS would never let that through; here it stands for a peer that has lost its mind.

use std::time::{Duration, Instant};

use mezu_model::{Context, Headers, RequestHead, ResponseHead};
use mezu_tunnel_proto::{
    ByteBudget, Config, Connection, Event, HeadError, Incoming, OpenOptions, Reason, Role, StreamId,
};

use crate::carrier::Carrier;
use crate::net::Quality;
use crate::rng::Rng;

/// Runs for a minute of virtual time, then says whether each side is dead.
pub(crate) fn run(seed: u64) -> [bool; 2] {
    let mut rng = Rng::new(seed);
    let config = Config::new(ByteBudget::new(1 << 20));
    let quality = [Quality::random(&mut rng), Quality::random(&mut rng)];
    let mut carrier = Carrier::new(&config, &quality, Duration::ZERO, Instant::now());
    (carrier.up.damage, carrier.down.damage) = (rng.pick(&[0, 5, 50]), rng.pick(&[0, 5, 50]));
    let mut now = Duration::ZERO;
    let mut requests = 40;
    for _ in 0..20_000 {
        if rng.percent(20) && requests > 0 {
            requests -= 1;
            request(&mut carrier.edge.connection, &mut rng);
        }
        turn(&mut carrier, now, &mut rng);
        let Some(next) = carrier.next() else { break };
        now = now.max(next);
        if now > Duration::from_secs(60) {
            break;
        }
        carrier.deliver(now);
    }
    [carrier.edge.died.is_some(), carrier.gate.died.is_some()]
}

fn request(connection: &mut Connection, rng: &mut Rng) {
    let mut head = RequestHead { host: "app.test".into(), path: "/".into(), ..RequestHead::default() };
    head.headers.push(b"x-noise", b"abc").unwrap();
    let inline = vec![0; rng.size(0, 20_000)];
    let options = OpenOptions { park: rng.percent(30), narrow: rng.percent(30), inline: &inline, end: rng.percent(50) };
    let _ = connection.open(&Context::default(), &head, 0, options);
}

fn turn(carrier: &mut Carrier, now: Duration, rng: &mut Rng) {
    for role in [Role::Edge, Role::Gate] {
        let side = if role == Role::Edge { &mut carrier.edge } else { &mut carrier.gate };
        while let Some(event) = side.event(now) {
            if let Event::Opened(id) | Event::Readable(id) | Event::Writable(id) = event {
                handle(&mut side.connection, role, id, rng);
            }
        }
    }
    carrier.flush(now, rng);
}

fn handle(connection: &mut Connection, role: Role, id: StreamId, rng: &mut Rng) {
    loop {
        match connection.recv(id) {
            Ok(None) => break,
            Ok(Some(Incoming::End)) => {
                if role == Role::Gate {
                    let _ = connection.send_response(id, &ResponseHead::new(200), &[1; 3000], rng.percent(50));
                    let _ = connection.send_data(id, &[1; 30_000], true);
                } else {
                    connection.release(id);
                }
                break;
            }
            Ok(Some(incoming)) => {
                if read(connection, id, incoming).is_err() {
                    connection.reset(id, Reason::BadHead);
                }
            }
            Err(_) => return connection.release(id),
        }
    }
    if rng.percent(5) {
        connection.release(id);
    }
}

fn read(connection: &mut Connection, id: StreamId, incoming: Incoming) -> Result<(), HeadError> {
    match incoming {
        Incoming::Request(request) => {
            let _ = connection.send_ready(id);
            request.decode(&mut RequestHead::default()).map(drop)
        }
        Incoming::Response(response) => response.decode(&mut ResponseHead::default()),
        Incoming::Trailers(fields) => fields.decode(&mut Headers::new()),
        Incoming::Ready => {
            let _ = connection.send_go(id);
            Ok(())
        }
        Incoming::Data(_) | Incoming::Go | Incoming::End => Ok(()),
    }
}
