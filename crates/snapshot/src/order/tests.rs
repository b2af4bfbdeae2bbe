#![allow(clippy::unwrap_used)]
use mezu_model::WorkloadId;

use super::*;

fn route(n: u8, path: &str, matcher: &str, rank: Option<i64>) -> RouteEntry {
    RouteEntry {
        id: RouteId::from_bytes([n; 16]),
        host: "a.test".parse().unwrap(),
        path: path.parse().unwrap(),
        matcher: serde_json::from_str(matcher).unwrap(),
        rank,
        enabled: true,
        workload: WorkloadId::from_bytes([1; 16]),
        pipeline: mezu_policy::PipelineSpec::default(),
    }
}

#[test]
fn the_most_specific_comes_first_unless_ordered_by_hand() {
    let (any, get, two) = ("{}", r#"{"methods":["GET"]}"#, r#"{"methods":["GET","PUT"]}"#);
    let header = r#"{"headers":[{"name":"x"}]}"#;
    // As they are asked.
    let expected = [
        route(30, "/", any, Some(-1)),
        route(20, "/z", any, Some(0)),
        route(21, "/", any, Some(0)),
        route(19, "=/a/b", any, None),
        route(18, "/a/b", any, None),
        route(17, "/a/{x}/c", any, None),
        route(16, "/a/{x}/{y}", any, None),
        route(15, "/a/{x}", any, None),
        route(14, "/a/{x}/{rest...}", any, None),
        route(13, "=/a", any, None),
        route(12, "/a", get, None),
        route(11, "/a", two, None),
        route(10, "/a", header, None),
        route(8, "/a", any, None),
        route(9, "/a/{rest...}", any, None),
        route(7, "/{x}", any, None),
        route(1, "/", any, None),
    ];
    let mut sorted: Vec<&RouteEntry> = expected.iter().rev().collect();
    sorted.sort_by_cached_key(|route| route.order());
    let texts =
        |routes: &[&RouteEntry]| routes.iter().map(|one| format!("{} {}", one.id, one.path)).collect::<Vec<_>>();
    assert_eq!(texts(&sorted), texts(&expected.iter().collect::<Vec<_>>()));
}

#[test]
fn what_can_never_be_reached_is_told_with_what_stands_before_it() {
    let (any, get) = ("{}", r#"{"methods":["GET"]}"#);
    let table = [
        (vec![route(1, "/a/{x}", any, None), route(2, "/a/{y}", any, None)], Some((2, 1))),
        (vec![route(2, "/a/{x}", any, None), route(1, "/a/{y}", get, None)], None),
        (vec![route(1, "/a", any, None), route(2, "/a/{rest...}", get, None)], None),
        (vec![route(1, "/a", any, None), route(2, "/a/{rest...}", any, None)], Some((2, 1))),
        (vec![route(1, "/", any, None), route(2, "/a", any, None)], None),
        (vec![route(1, "/", any, Some(0)), route(2, "/a", any, None)], Some((2, 1))),
        (vec![route(1, "/", get, Some(0)), route(2, "/a", any, None)], None),
        (vec![route(1, "/{x}", any, Some(0)), route(2, "=/a", any, None)], Some((2, 1))),
        (vec![route(1, "/{x}", any, Some(0)), route(2, "=/", any, None)], None),
        (vec![route(1, "/{x}", any, Some(0)), route(2, "/a", any, None)], None),
        (vec![route(1, "/a/{x}", any, Some(0)), route(2, "/a/{y}", any, Some(1))], Some((2, 1))),
        (vec![RouteEntry { enabled: false, ..route(1, "/", any, Some(0)) }, route(2, "/a", any, None)], None),
    ];
    for (routes, expected) in table {
        let id = |n| RouteId::from_bytes([n; 16]);
        let expected: Vec<_> =
            expected.map(|(route, by)| Shadowed { route: id(route), by: id(by) }).into_iter().collect();
        let texts: Vec<_> = routes.iter().map(|one| one.path.to_string()).collect();
        assert_eq!(shadowed(&routes), expected, "{texts:?}");
    }
}
