//! Credit, fairness, and the bounds on memory.

use super::*;
use crate::budget::FREE;
use crate::credit::{CARRIER_START, STREAM_START};

#[test]
fn a_writer_stops_at_the_streams_credit_and_is_told_when_there_is_more() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    let body: Vec<u8> = (0..100_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let first = pair.edge.send_data(edge, &body, true).unwrap();
    assert_eq!(first, STREAM_START as usize);
    assert_eq!(pair.edge.send_data(edge, &body[first..], true), Ok(0));
    pair.pump();
    pair.edge_events.clear();
    let mut got = Vec::new();
    while got.len() < STREAM_START as usize / 2 {
        assert_eq!(pair.edge_events, []);
        got.extend_from_slice(&data(&mut pair.gate, gate).unwrap());
        pair.pump();
    }
    assert_eq!(pair.edge_events, [], "the reader has it and may not have passed it on");
    got.extend_from_slice(&data(&mut pair.gate, gate).unwrap());
    pair.pump();
    assert_eq!(pair.edge_events, [Event::Writable(edge)]);
    assert_eq!(pair.edge.send_data(edge, &body[first..], true), Ok(body.len() - first));
    pair.pump();
    while let Ok(Some(Incoming::Data(data))) = pair.gate.recv(gate) {
        got.extend_from_slice(&data);
    }
    assert_eq!(got, body);
    assert!(matches!(pair.gate.recv(gate), Ok(Some(Incoming::End))));
}

#[test]
fn no_more_is_held_than_the_carrier_grants_without_memory_to_spare() {
    let mut pair = Pair::with(|config| config.budget = ByteBudget::new(CARRIER_START as usize));
    let chunk = vec![7; 64 * 1024];
    let mut sent = 0;
    for _ in 0..20 {
        let id = pair.open(OpenOptions::default());
        sent += pair.edge.send_data(id, &chunk, false).unwrap();
        pair.pump();
    }
    assert_eq!(sent, CARRIER_START as usize);
    assert_eq!(pair.gate.held(), CARRIER_START as usize);
    // With no credit a request still goes, only its body waits.
    let (_, taken) = pair
        .edge
        .open(&Context::default(), &request(), 0, OpenOptions { inline: b"x", end: true, ..OpenOptions::default() })
        .unwrap();
    assert_eq!(taken, 0);
    // All of them are let go at once when the streams are.
    for event in std::mem::take(&mut pair.gate_events) {
        if let Event::Opened(id) = event {
            pair.gate.release(id);
        }
    }
    pair.pump();
    assert_eq!(pair.gate.held(), 0);
    let id = pair.open(OpenOptions::default());
    assert_eq!(pair.edge.send_data(id, &chunk, false), Ok(chunk.len()), "credit came back");
}

/// Many writers, an output that is taken 100 KB at a time: nobody gets more than a quantum ahead by the round.
#[test]
fn writers_share_the_output_fairly() {
    let mut pair = Pair::with(|config| config.output = 128 * 1024);
    pair.edge.credit.add(64 << 20).unwrap();
    let ids: Vec<_> = (0..40).map(|_| pair.open(OpenOptions::default())).collect();
    let mut sent = vec![0; ids.len()];
    let chunk = vec![1; 200_000];
    for id in &ids {
        pair.edge.streams.get_mut(*id).unwrap().credit.add(1 << 30).unwrap();
    }
    for (id, sent) in ids.iter().zip(&mut sent) {
        *sent += pair.edge.send_data(*id, &chunk, false).unwrap();
    }
    for _ in 0..400 {
        let n = pair.edge.output().len().min(100_000);
        pair.edge.advance_output(n);
        while let Some(event) = pair.edge.poll_event() {
            let Event::Writable(id) = event else { continue };
            let i = ids.iter().position(|other| *other == id).unwrap();
            sent[i] += pair.edge.send_data(id, &chunk, false).unwrap();
        }
        assert!(pair.edge.output().len() <= 128 * 1024 + 1024);
    }
    let (least, most) = (sent[1..].iter().min().unwrap(), sent[1..].iter().max().unwrap());
    assert!(*least > 500_000, "{sent:?}");
    assert!(most - least <= 128 * 1024, "{sent:?}");
}

#[test]
fn a_turn_that_is_not_used_passes_on() {
    let mut pair = Pair::with(|config| config.output = 32 * 1024);
    let ids: Vec<_> = (0..3).map(|_| pair.open(OpenOptions::default())).collect();
    let chunk = vec![1; 40_000];
    for id in &ids {
        pair.edge.send_data(*id, &chunk, false).unwrap();
    }
    let n = pair.edge.output().len();
    pair.edge.advance_output(n);
    let woken: Vec<_> = std::iter::from_fn(|| pair.edge.poll_event()).collect();
    assert_eq!(woken, [Event::Writable(ids[0]), Event::Writable(ids[1])]);
    pair.edge.release(ids[0]);
    pair.edge.release(ids[1]);
    assert_eq!(pair.edge.poll_event(), Some(Event::Writable(ids[2])));
}

#[test]
fn control_frames_pass_when_bodies_wait() {
    let mut pair = Pair::with(|config| config.output = 20_000);
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    pair.gate.send_response(gate, &ResponseHead::new(200), b"", false).unwrap();
    let n = pair.gate.send_data(gate, &[0; 60_000], false).unwrap();
    assert!((19_000..=20_000).contains(&n));
    assert_eq!(pair.gate.send_data(gate, &[0; 60_000], false), Ok(0));
    let before = pair.gate.output().len();
    pair.gate.handle_timeout(pair.now + 500 * MS);
    assert_eq!(pair.gate.output().len(), before + 16, "a PING");
    pair.gate.reset(gate, Reason::Internal);
    assert_eq!(pair.gate.output().len(), before + 16 + 9);
    let _ = edge;
}

#[test]
fn uploads_keep_no_request_out_but_a_congested_edge_takes_none() {
    let mut pair = Pair::with(|config| config.output = 20_000);
    let id = pair.open(OpenOptions::default());
    pair.edge.send_data(id, &[0; 60_000], false).unwrap();
    assert!(pair.edge.output().len() >= 20_000);
    let refused = loop {
        if let Err(error) = pair.edge.open(&Context::default(), &request(), 0, OpenOptions::default()) {
            break error;
        }
    };
    assert_eq!(refused, OpenError::Congested);
    assert!((40_000..41_000).contains(&pair.edge.output().len()));
}

#[test]
fn the_process_wide_budget_is_never_passed() {
    let budget = ByteBudget::new(128 * 1024);
    let mut pair = Pair::with(|_| {});
    let config = Config::new(budget.clone());
    pair.gate = Connection::new(Role::Gate, config, pair.now);
    let ids: Vec<_> = (0..8).map(|_| pair.open(OpenOptions::default())).collect();
    for id in &ids {
        pair.edge.send_data(*id, &[0; 60_000], true).unwrap();
        pair.pump();
        assert!(budget.used() <= budget.limit());
        assert!(pair.gate.held() <= budget.limit() + FREE);
    }
    let lost = ids.iter().filter(|id| pair.edge.recv(**id).err() == Some(StreamError::Reset(Reason::Overloaded)));
    assert_eq!(lost.count(), 6);
    pair.gate_events.iter().for_each(|event| {
        if let Event::Opened(id) = event {
            pair.gate.release(*id);
        }
    });
    assert_eq!(pair.gate.held(), 0);
    drop(pair);
    assert_eq!(budget.used(), 0);
}

#[test]
fn heads_beyond_the_bound_are_refused_unseen() {
    let mut pair = Pair::with(|config| config.retained_heads = 200);
    let ids: Vec<_> = (0..5).map(|_| pair.open(OpenOptions { end: true, ..OpenOptions::default() })).collect();
    pair.pump();
    let opened = pair.gate_events.iter().filter(|event| matches!(event, Event::Opened(_))).count();
    assert_eq!(opened, 3);
    assert_eq!(pair.edge.recv(ids[3]).err(), Some(StreamError::Reset(Reason::Refused)));
    assert_eq!((pair.edge.in_flight(), pair.gate.in_flight()), (3, 3));
}

#[test]
fn single_bytes_cost_bytes() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    for n in 0..20_000u32 {
        pair.edge.send_data(edge, &[n.to_le_bytes()[0]], false).unwrap();
    }
    pair.pump();
    assert_eq!(pair.gate.streams.get(gate).unwrap().queue.len(), 2);
    assert_eq!(data(&mut pair.gate, gate).unwrap().len(), 16 * 1024);
    assert_eq!(data(&mut pair.gate, gate).unwrap().len(), 20_000 - 16 * 1024);
}

#[test]
fn large_heads_go_in_one_frame() {
    let mut pair = Pair::new();
    let mut head = request();
    head.headers.push(b"x-large", &[b'v'; 60_000]).unwrap();
    let (_, taken) = pair
        .edge
        .open(&Context::default(), &head, 3, OpenOptions { inline: b"x", end: true, ..OpenOptions::default() })
        .unwrap();
    assert_eq!(taken, 0, "bodies go in frames of a record");
    pair.pump();
    let Some(Event::Opened(gate)) = pair.gate_events.first().copied() else { panic!("not opened") };
    let Ok(Some(Incoming::Request(got))) = pair.gate.recv(gate) else { panic!("no request") };
    let mut decoded = RequestHead::default();
    assert_eq!(got.decode(&mut decoded), Ok(3));
    assert_eq!(decoded, head);
    head.headers.push(b"x-larger", &[b'v'; 6_000]).unwrap();
    let before = pair.edge.output().len();
    let refused = pair.edge.open(&Context::default(), &head, 0, OpenOptions::default());
    assert_eq!((refused.err(), pair.edge.output().len()), (Some(OpenError::HeadTooLarge), before));
}

/// Twenty readers that do not read, on windows of any size, take nothing from one that does.
#[test]
fn stalled_streams_do_not_starve_the_carrier() {
    let mut pair = Pair::new();
    let chunk = vec![0; 2 << 20];
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let (edge, gate, _) = pair.opened(OpenOptions::default());
        stalled.push(gate);
        // Each is read fast at first, so that its window grows, and then no more.
        for _ in 0..40 {
            let n = pair.edge.send_data(edge, &chunk, false).unwrap();
            eprintln!(
                "sent {n} {} {:?}",
                pair.gate.window.size(),
                pair.gate.streams.get(gate).map(|s| s.window.size())
            );
            pair.pump();
            while data(&mut pair.gate, gate).is_some() {}
            pair.pump();
        }
        for _ in 0..8 {
            // The writers of the others have nothing more to say.
            pair.edge.turns.forget();
            pair.edge.send_data(edge, &chunk, false).unwrap();
            pair.pump();
        }
    }
    assert!(pair.gate.held() > 4 << 20, "{}", pair.gate.held());
    assert!(pair.gate.grown <= 9 << 20);
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    let mut got = 0;
    for _ in 0..100 {
        pair.edge.turns.forget();
        pair.edge.send_data(edge, &chunk, false).unwrap();
        pair.pump();
        while let Some(data) = data(&mut pair.gate, gate) {
            got += data.len();
        }
        pair.pump();
    }
    assert!(got >= 100 * QUANTUM, "{got}");
    stalled.into_iter().for_each(|id| pair.gate.release(id));
    pair.gate.release(gate);
    pair.pump();
    assert_eq!(pair.gate.held(), 0);
}

/// As many stalled readers as a carrier has streams, each with all that it was granted, keep no newcomer waiting.
#[test]
fn many_stalled_readers_do_not_starve_the_rest() {
    let mut pair = Pair::with(|config| config.budget = ByteBudget::new(256 << 20));
    let stalled: Vec<_> = (0..900).map(|_| stall(&mut pair).1).collect();
    assert!(pair.gate.held() == stalled.len() * STREAM_START as usize);
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    assert_eq!(pair.edge.send_data(edge, &[0; 1024], true), Ok(1024));
    // What they hold comes back, and the window with it.
    stalled.into_iter().for_each(|id| pair.gate.release(id));
    pair.gate.release(gate);
    pair.pump();
    assert_eq!(pair.gate.held(), 0);
    assert!(pair.gate.window.size() <= pair.gate.config.carrier_window);
    assert!(pair.edge.credit.left() >= CARRIER_START as usize / 2);
}

/// When memory is short of what the stalled hold, the longest unread go, not those who come.
#[test]
fn under_pressure_the_longest_unread_make_room() {
    longest_unread_make_room(|pair| stall(pair).0);
}

/// What a reader took and did not pass on is as good as unread.
#[test]
fn under_pressure_those_whose_readers_pass_nothing_on_make_room() {
    longest_unread_make_room(|pair| {
        let (edge, gate, _) = pair.opened(OpenOptions::default());
        pair.edge.send_data(edge, &[0; 16_000], false).unwrap();
        pair.pump();
        assert_eq!(data(&mut pair.gate, gate).unwrap().len(), 16_000);
        pair.pump();
        edge
    });
}

fn longest_unread_make_room(stall: impl Fn(&mut Pair) -> StreamId) {
    let budget = ByteBudget::new(8 << 20);
    let mut pair = Pair::new();
    pair.gate = Connection::new(Role::Gate, Config::new(budget.clone()), pair.now);
    pair.pump();
    let mut stalled = Vec::new();
    // Until the budget is half used and the carrier's credit spent.
    while pair.edge.credit.left() >= STREAM_START as usize {
        stalled.push(stall(&mut pair));
    }
    assert!(budget.is_tight() && stalled.len() < 512);
    let (edge, _, _) = pair.opened(OpenOptions::default());
    for _ in 0..8 {
        pair.advance(400 * MS);
        pair.pump();
    }
    assert_eq!(pair.edge.send_data(edge, &[0; 1024], true), Ok(1024));
    let lost = |pair: &mut Pair, id| pair.edge.recv(id).err() == Some(StreamError::Reset(Reason::Overloaded));
    assert!(lost(&mut pair, stalled[0]));
    assert!(!lost(&mut pair, stalled[stalled.len() - 1]));
    assert!(stalled.iter().filter(|id| lost(&mut pair, **id)).count() <= 8, "no more than needed");
}

/// A party that holds all it can has the trouble alone.
#[test]
fn one_party_that_holds_all_it_can_takes_nothing_from_another() {
    let budget = ByteBudget::new(16 << 20);
    let (one, two) = (budget.part(), budget.part());
    let carrier = |part: &ByteBudget| {
        let mut pair = Pair::new();
        pair.gate = Connection::new(Role::Gate, Config::new(part.clone()), pair.now);
        pair.pump();
        pair
    };
    let mut hogs = [carrier(&one), carrier(&one), carrier(&one)];
    for pair in &mut hogs {
        for _ in 0..100 {
            let (edge, _, _) = pair.opened(OpenOptions::default());
            pair.edge.send_data(edge, &[0; STREAM_START as usize], false).unwrap();
            pair.pump();
        }
    }
    assert!(one.is_tight() && budget.used() <= 9 << 20, "{}", budget.used());
    let mut pair = carrier(&two);
    let held: Vec<_> = (0..30).map(|_| stall(&mut pair)).collect();
    assert_eq!(pair.gate.held(), 30 * STREAM_START as usize);
    assert!(held.iter().all(|(edge, _)| matches!(pair.edge.recv(*edge), Ok(None))));
}

/// A stream whose reader takes nothing, with as much as it was granted.
fn stall(pair: &mut Pair) -> (StreamId, StreamId) {
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    pair.edge.send_data(edge, &[0; STREAM_START as usize], false).unwrap();
    pair.pump();
    (edge, gate)
}

#[test]
fn windows_grow_with_bandwidth_and_delay() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    // A round trip of 100 ms, learnt from a ping.
    pair.gate.live.ping(pair.now);
    pair.gate.live.ping(pair.now);
    assert!(pair.gate.live.pong(3u64.to_be_bytes(), pair.now + 100 * MS));
    pair.gate.live = {
        let mut live = Liveness::new(Role::Gate, Timers::default(), pair.now);
        let ping = live.ping(pair.now);
        assert!(live.pong(ping, pair.now + 100 * MS));
        live
    };
    let chunk = vec![0; 2 << 20];
    for _ in 0..30 {
        pair.now += 50 * MS;
        pair.edge.send_data(edge, &chunk, false).unwrap();
        pair.pump();
        while data(&mut pair.gate, gate).is_some() {}
        pair.pump();
    }
    let stream = pair.gate.streams.get(gate).unwrap();
    assert_eq!(stream.window.size(), 1024 * 1024);
    assert!(pair.gate.window.size() > CARRIER_START);
}

#[test]
fn what_nobody_reads_moves_out_of_the_blocks_it_came_in() {
    let mut pair = Pair::with(|_| {});
    let (slow, quick) = (pair.open(OpenOptions::default()), pair.open(OpenOptions::default()));
    pair.edge.send_data(slow, &[7; 10_000], false).unwrap();
    pair.edge.send_data(quick, &[8; 10_000], false).unwrap();
    pair.pump();
    let opened = |event: &Event| if let Event::Opened(id) = event { Some(*id) } else { None };
    let opened: Vec<_> = pair.gate_events.iter().filter_map(opened).collect();
    for id in &opened {
        assert!(matches!(pair.gate.recv(*id), Ok(Some(Incoming::Request(_)))));
    }
    let Ok(Some(Incoming::Data(read))) = pair.gate.recv(opened[1]) else { panic!("no data") };
    drop(read);
    let later = pair.now + Duration::from_millis(600);
    pair.gate.handle_timeout(later);
    let Ok(Some(Incoming::Data(kept))) = pair.gate.recv(opened[0]) else { panic!("no data") };
    assert_eq!(kept, vec![7; 10_000]);
    // A block of its own size, and nobody else's.
    assert_eq!(kept.try_into_mut().map(|kept| kept.capacity()), Ok(10_000));
}
