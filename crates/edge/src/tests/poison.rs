//! Poisoned configuration: 200 damaged snapshots under load, of which none is served, and every request is answered.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use mezu_model::{Limits, OrgId, RouteId, WorkloadId};
use mezu_runtime::{Scope, spawn_local};
use mezu_snapshot::{RouteEntry, Snapshot, decode, encode, limits};

use super::world::{HOST, World, echo, with_limits};

const DAMAGED: usize = 200;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// A snapshot as a program could hand it over, with something wrong in it.
fn damaged(good: &Snapshot, random: &mut Random) -> (&'static str, Snapshot) {
    let mut bad = Snapshot { generation: good.generation + 1, ..good.clone() };
    let route = bad.routes[0].clone();
    let nobody = WorkloadId::from_bytes([0xEE; 16]);
    let what = match random.below(10) {
        0 => {
            let id = |n: usize| RouteId::from_bytes((n as u128).to_be_bytes());
            let other = |n: usize| RouteEntry { id: id(n), ..(*route).clone() }.into();
            bad.routes = (0..limits::ROUTES_PER_ORG * 3).map(other).collect();
            "three times too many routes"
        }
        1 => {
            bad.routes.push(route);
            "a route twice"
        }
        2 => {
            bad.routes[0].workload = nobody;
            "a route to nowhere"
        }
        3 => {
            bad.workloads.clear();
            "no workloads"
        }
        4 => {
            bad.orgs[0].id = OrgId::from_bytes([0xEE; 16]);
            "an org that is not there"
        }
        5 => {
            let key = bad.keys[0].clone();
            bad.keys.push(key);
            "a key twice"
        }
        6 => {
            bad.generation = good.generation.saturating_sub(random.below(3) as u64);
            bad.routes.clear();
            "a step back"
        }
        7 => {
            let rules =
                [serde_json::json!({ "networks": [format!("10.0.0.{}/33", random.below(256))], "then": "refuse" })];
            let spec = serde_json::json!({ "ip_access": { "rules": rules, "otherwise": "refuse" } });
            bad.routes[0].pipeline = serde_json::from_value(spec).unwrap();
            "a stage that does not compile"
        }
        8 => {
            let workload = bad.workloads[0].clone();
            bad.workloads.push(workload);
            "a workload twice"
        }
        _ => {
            let org = bad.orgs[0].clone();
            bad.orgs.push(org);
            "an org twice"
        }
    };
    (what, bad)
}

/// The bytes of a snapshot as a disk or a bus could damage them. What still reads is whole and none of ours to refuse.
fn damaged_bytes(good: &[u8], random: &mut Random) -> Vec<u8> {
    let text = String::from_utf8(good.to_vec()).unwrap();
    let fields = ["\"id\":", "\"host\":", "\"workload\":", "\"generation\":", "\"orgs\":", "\"public\":", "\"path\":"];
    let field = fields[random.below(fields.len())];
    match random.below(6) {
        0 => text.replacen(field, &format!("{field}null,\"was\":"), 1).into_bytes(),
        1 => text.replacen(field, &format!("\"new_{}\":1,{field}", random.below(9)), 1).into_bytes(),
        2 => text.replacen(field, &format!("{field}1,{field}"), 1).into_bytes(),
        3 => text.into_bytes()[..good.len() - 1 - random.below(good.len() - 1)].to_vec(),
        4 => vec![b' '; limits::BYTES * 3],
        _ => {
            let mut bytes = text.into_bytes();
            let at = random.below(bytes.len());
            bytes[at] = b"\"{}[]:,\0"[random.below(8)];
            bytes
        }
    }
}

async fn load(world: Rc<World>, asked: Rc<Cell<u32>>) {
    let mut client = world.client().await;
    loop {
        client.send(&format!("GET /x HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text()), (200, "one GET /x "));
        asked.set(asked.get() + 1);
    }
}

#[test]
fn none_of_200_damaged_snapshots_is_served_and_no_request_fails() {
    with_limits(2, Limits::default(), |world| async move {
        world.gate(1, 2, echo("one")).await;
        let (asked, scope) = (Rc::new(Cell::new(0)), Scope::new());
        let clients: Vec<_> =
            (0..4).map(|_| spawn_local(&scope, "client", load(Rc::clone(&world), Rc::clone(&asked)))).collect();
        let good = (**world.snapshots.borrow()).clone();
        let bytes = encode(&good).unwrap();
        let mut random = Random(25);
        let mut handed_over = 0;
        for n in 0..DAMAGED {
            let begun = asked.get();
            if n % 2 == 0 {
                let bad = damaged_bytes(&bytes, &mut random);
                match decode(&bad) {
                    Err(_) => {}
                    Ok(whole) => assert_eq!(whole.check(), Ok(())),
                }
            } else {
                let (what, bad) = damaged(&good, &mut random);
                let refused = world.edge.metrics().snapshots_refused();
                world.snapshots.send_replace(Arc::new(bad));
                handed_over += 1;
                while world.edge.metrics().snapshots_refused() == refused {
                    tokio::task::yield_now().await;
                }
                assert!(world.edge.refusal().is_some(), "{what}");
            }
            assert_eq!(world.edge.generation(), good.generation);
            while asked.get() == begun {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(world.edge.metrics().snapshots_refused(), handed_over);
        // And a good one is taken, as if nothing had been.
        world.snapshots.send_replace(Arc::new(Snapshot { generation: good.generation + 1, ..good.clone() }));
        while world.edge.generation() == good.generation {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.edge.refusal(), None);
        assert!(clients.iter().all(|client| !client.is_finished()), "a request failed");
        assert!(asked.get() >= 200, "{}", asked.get());
        scope.stop();
    });
}
