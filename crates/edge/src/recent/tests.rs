#![allow(clippy::unwrap_used)]
use super::*;

const ORG: OrgId = OrgId::from_bytes([1; 16]);

fn entry(ray: u128, status: u16) -> Entry {
    Entry {
        ray: RayId(ray),
        ended: Instant::now(),
        generation: 3,
        org: Some(ORG),
        owner: None,
        stages: StageSet::default(),
        stage: None,
        gate: None,
        status,
        code: None,
        duration: Duration::from_micros(7),
        workload_took: None,
    }
}

#[test]
fn the_last_requests_are_known_and_older_ones_forgotten() {
    let recent = Recent::new();
    assert!(recent.find(ORG, RayId(1)).is_none());
    let last = u128::try_from(KEPT).unwrap() * 2 + 5;
    for ray in 1..=last {
        recent.record(entry(ray, 200));
    }
    let oldest = last - u128::try_from(KEPT).unwrap() + 1;
    for (ray, known) in [(last, true), (oldest, true), (oldest - 1, false), (last + 1, false)] {
        assert_eq!(recent.find(ORG, RayId(ray)).is_some(), known, "{ray}");
    }
    assert!(recent.ring.borrow().entries.capacity() < KEPT + 10);
    assert!(recent.find(OrgId::from_bytes([2; 16]), RayId(last)).is_none(), "it is no business of another org");
}

#[test]
fn the_newest_come_first_and_what_is_not_wanted_not_at_all() {
    let recent = Recent::new();
    let start = Instant::now();
    let after = |millis| start + Duration::from_millis(millis);
    let owner =
        |n| Owner { org: ORG, route: RouteId::from_bytes([n; 16]), workload: WorkloadId::from_bytes([n + 100; 16]) };
    for (n, status, owner) in
        [(1, 200, Some(owner(1))), (2, 404, None), (3, 502, Some(owner(2))), (4, 200, Some(owner(2)))]
    {
        recent.record(Entry { ended: after(n), owner, ..entry(u128::from(n), status) });
    }
    recent.record(Entry { org: Some(OrgId::from_bytes([2; 16])), ..entry(5, 200) });
    recent.record(Entry { org: None, ..entry(6, 421) });
    let all = Wanted { org: ORG, route: None, workload: None, statuses: 0..=999, before: None, most: 9 };
    let rays = |wanted: Wanted, before| recent.newest(&wanted, before).iter().map(|one| one.ray.0).collect::<Vec<_>>();
    assert_eq!(rays(all.clone(), None), [4, 3, 2, 1]);
    assert_eq!(rays(Wanted { most: 2, ..all.clone() }, None), [4, 3]);
    assert_eq!(rays(Wanted { most: 2, ..all.clone() }, Some((after(3), 3))), [2, 1]);
    assert_eq!(rays(Wanted { statuses: 400..=599, ..all.clone() }, None), [3, 2]);
    let of = |n: u8| Wanted { route: Some(RouteId::from_bytes([n; 16])), ..all.clone() };
    assert_eq!((rays(of(1), None), rays(of(2), None), rays(of(3), None)), (vec![1], vec![4, 3], vec![]));
    let workload = Some(WorkloadId::from_bytes([102; 16]));
    assert_eq!(rays(Wanted { workload, ..all }, None), [4, 3]);
}

#[test]
fn the_stages_before_the_one_that_answered_were_passed() {
    let spec = serde_json::json!({ "headers": { "request": { "set": [] } }, "body_limit": { "bytes": 9 } });
    let pipeline = Pipeline::compile(&serde_json::from_value(spec).unwrap()).unwrap();
    let stages = StageSet::of(&pipeline);
    let told = |stage| {
        let decision = Entry { stages, stage, ..entry(1, 413) }.decision(Instant::now());
        decision.stages.iter().map(|one| (one.stage, one.passed)).collect::<Vec<_>>()
    };
    assert_eq!(told(None), [("body_limit", true), ("headers", true)]);
    assert_eq!(told(Some("body_limit")), [("body_limit", false)]);
}
