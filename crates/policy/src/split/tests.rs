#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;

use mezu_model::{Aim, RayId, WorkloadId};
use serde_json::{Value, json};

use crate::case::{Case, fault, pipeline, values};

const OLD: WorkloadId = WorkloadId::from_bytes([1; 16]);
const NEW: WorkloadId = WorkloadId::from_bytes([2; 16]);
const OFF: WorkloadId = WorkloadId::from_bytes([3; 16]);

fn split(weights: &[(WorkloadId, u32)], sticky: &str) -> Value {
    let to: Vec<_> = weights.iter().map(|(id, weight)| json!({ "workload": id, "weight": weight })).collect();
    json!({ "split": { "to": to, "sticky": sticky } })
}

fn ray(n: u64) -> Case {
    let mut case = Case::get("/");
    case.context.ray = RayId(u128::from(n));
    case
}

#[test]
fn each_workload_gets_its_share_and_none_without_weight_gets_anything() {
    let weights = [(OLD, 90), (OFF, 0), (NEW, 10)];
    let by_address = |n: u64| Case::get("/").from(&format!("10.0.{}.{}", n / 250, n % 250 + 1));
    let by_network = |n: u64| Case::get("/").from(&format!("2001:db8:{n:x}::1"));
    let table: [(&str, &dyn Fn(u64) -> Case); 3] =
        [("cookie", &ray), ("address", &by_address), ("address", &by_network)];
    for (sticky, case) in table {
        let pipeline = pipeline(split(&weights, sticky));
        let mut got: HashMap<WorkloadId, u32> = HashMap::new();
        for n in 0..10_000 {
            *got.entry(case(n).workload(&pipeline)).or_default() += 1;
        }
        assert_eq!(got.get(&OFF), None);
        assert!((850..1150).contains(&got[&NEW]), "{sticky}: {got:?}");
    }
}

#[test]
fn a_visitor_stays_where_his_cookie_says() {
    let pipeline = pipeline(split(&[(OLD, 50), (NEW, 50)], "cookie"));
    for n in 0..100 {
        let mut first = ray(n);
        let workload = first.workload(&pipeline);
        let cookie = values(first.beside.reply(), "set-cookie").remove(0);
        let (pair, rest) = cookie.split_once(';').unwrap();
        assert_eq!(rest, " Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax");
        for later in 0..10 {
            let mut again = ray(1000 + later).header("cookie", &format!("a=b; {pair}"));
            assert_eq!(again.workload(&pipeline), workload);
            assert!(again.beside.reply().is_empty());
        }
    }
}

#[test]
fn a_cookie_leads_to_no_workload_without_weight_and_to_none_that_is_not_there() {
    let both = pipeline(split(&[(OLD, 1), (NEW, 1)], "cookie"));
    let cookies = (0..50).map(|n| {
        let mut case = ray(n);
        case.permit(&both).unwrap();
        values(case.beside.reply(), "set-cookie").remove(0).split(';').next().unwrap().to_owned()
    });
    let off = pipeline(split(&[(OLD, 1), (NEW, 0)], "cookie"));
    for cookie in cookies.chain([format!("__Host-mezu-split={OFF}"), "__Host-mezu-split=\"x".into()]) {
        let mut case = ray(5).header("cookie", &cookie);
        assert_eq!(case.workload(&off), OLD, "{cookie}");
    }
}

#[test]
fn one_network_stays_together_without_a_cookie() {
    let pipeline = pipeline(split(&[(OLD, 50), (NEW, 50)], "address"));
    let of = |client: &str| {
        let mut case = Case::get("/").from(client);
        let workload = case.workload(&pipeline);
        assert!(case.beside.reply().is_empty());
        workload
    };
    for n in 0..50 {
        assert_eq!(of(&format!("2001:db8:{n:x}::1")), of(&format!("2001:db8:{n:x}:0:ffff::2")));
        assert_eq!(of(&format!("192.0.2.{n}")), of(&format!("::ffff:192.0.2.{n}")));
    }
}

#[test]
fn labels_of_one_workload_have_shares_of_their_own_and_name_who_stands_in() {
    let spec = json!({ "split": { "to": [
        { "workload": OLD, "weight": 70 },
        { "workload": OLD, "label": "blue", "weight": 20 },
        { "workload": OLD, "label": "green", "weight": 10 },
        { "workload": OLD, "label": "off", "weight": 0 },
    ] } });
    let pipeline = pipeline(spec);
    let mut got: HashMap<Aim, u32> = HashMap::new();
    for n in 0..10_000 {
        let mut case = ray(n);
        let (aim, instead) = case.aimed(&pipeline);
        let cookie = values(case.beside.reply(), "set-cookie").remove(0);
        let mut again = ray(1).header("cookie", cookie.split(';').next().unwrap());
        assert_eq!(again.aim(&pipeline), aim);
        let all = [None, Some("blue"), Some("green")].map(|label| aim_of(OLD, label)).to_vec();
        assert_eq!(instead, aim.label.is_some().then_some(all));
        *got.entry(aim).or_default() += 1;
    }
    let of = |label| got.get(&aim_of(OLD, label)).copied().unwrap_or(0);
    assert!((6700..7300).contains(&of(None)) && (1800..2200).contains(&of(Some("blue"))), "{got:?}");
    assert!((850..1150).contains(&of(Some("green"))) && of(Some("off")) == 0, "{got:?}");
}

#[test]
fn on_a_host_that_is_for_one_label_nothing_is_dealt_out() {
    let pipeline = pipeline(split(&[(OLD, 50), (NEW, 50)], "cookie"));
    for n in 0..20 {
        let mut case = ray(n);
        case.label = Some("pr-1".parse().unwrap());
        assert_eq!(case.aimed(&pipeline), (aim_of(crate::case::WORKLOAD, Some("pr-1")), None));
        assert!(case.beside.reply().is_empty());
    }
}

fn aim_of(workload: WorkloadId, label: Option<&str>) -> Aim {
    Aim { workload, label: label.map(|label| label.parse().unwrap()) }
}

#[test]
fn wrong_specs_say_where() {
    let with = |more: Value| {
        let mut spec = split(&[(OLD, 1)], "cookie");
        spec["split"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let many: Vec<_> = (0..17).map(|n| (WorkloadId::from_bytes([n; 16]), 1)).collect();
    let table = [
        (split(&[], "cookie"), "split.to"),
        (split(&many, "cookie"), "split.to"),
        (split(&[(OLD, 0), (NEW, 0)], "cookie"), "split.to"),
        (split(&[(OLD, 10_001)], "cookie"), "split.to[0].weight"),
        (split(&[(OLD, 1), (OLD, 2)], "cookie"), "split.to[1].workload"),
        (
            json!({ "split": { "to": [
                { "workload": OLD, "label": "a", "weight": 1 }, { "workload": OLD, "label": "a", "weight": 2 }
            ] } }),
            "split.to[1].workload",
        ),
        (with(json!({ "cookie": "a;b" })), "split.cookie"),
        (with(json!({ "cookie": "a\r\nb" })), "split.cookie"),
        (with(json!({ "max_age": 0 })), "split.max_age"),
        (with(json!({ "max_age": 31_536_001 })), "split.max_age"),
    ];
    for (spec, at) in table {
        assert_eq!(fault(spec.clone()), at, "{spec}");
    }
}
