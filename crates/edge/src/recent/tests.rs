#![allow(clippy::unwrap_used)]
use super::*;

fn entry(ray: u128, status: u16) -> Entry {
    Entry {
        ray: RayId(ray),
        generation: 3,
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
    assert!(recent.find(RayId(1)).is_none());
    let last = u128::try_from(KEPT).unwrap() * 2 + 5;
    for ray in 1..=last {
        recent.record(entry(ray, 200));
    }
    let oldest = last - u128::try_from(KEPT).unwrap() + 1;
    for (ray, known) in [(last, true), (oldest, true), (oldest - 1, false), (last + 1, false)] {
        assert_eq!(recent.find(RayId(ray)).is_some(), known, "{ray}");
    }
    assert!(recent.ring.borrow().entries.capacity() < KEPT + 10);
}

#[test]
fn the_stages_before_the_one_that_answered_were_passed() {
    let spec = serde_json::json!({ "headers": { "request": { "set": [] } }, "body_limit": { "bytes": 9 } });
    let pipeline = Pipeline::compile(&serde_json::from_value(spec).unwrap()).unwrap();
    let stages = StageSet::of(&pipeline);
    let told = |stage| {
        let decision = Entry { stages, stage, ..entry(1, 413) }.decision();
        decision.stages.iter().map(|one| (one.stage, one.passed)).collect::<Vec<_>>()
    };
    assert_eq!(told(None), [("body_limit", true), ("headers", true)]);
    assert_eq!(told(Some("body_limit")), [("body_limit", false)]);
}
