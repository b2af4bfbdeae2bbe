use ratatui::{Terminal, backend::TestBackend};
use warpgate::WorkloadStatus;

use super::*;

fn view() -> View {
    let seen = |path: &str, status| Seen {
        at: SystemTime::now(),
        workload: 0,
        method: "GET".into(),
        path: path.into(),
        status,
        fault: None,
        took: Duration::from_micros(1234),
        client: [203, 0, 113, 9].into(),
    };
    View {
        edge: "edge.test:443".into(),
        status: Status {
            workloads: vec![WorkloadStatus {
                name: "web".into(),
                target: "http://localhost:3000".into(),
                url: Some("https://web.example.test".into()),
                health: None,
            }],
            links: vec![Link::Online { worker: 0, rtt: None }, Link::Dialling],
            workers: 2,
            ..Status::default()
        },
        requests: 12,
        failed: 1,
        in_flight: 2,
        rate: 1.5,
        history: vec![0, 1, 8, 4],
        last: vec![seen("/old", Some(200)), seen("/new\u{1b}[31m", None)],
    }
}

fn screen(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view, Theme { color: false })).unwrap();
    terminal.backend().to_string()
}

#[test]
fn everything_is_there() {
    let shown = screen(&view(), 100, 24);
    for text in [
        "warpgate  →  edge.test:443",
        "●◌",
        "online, 1 connection",
        "https://web.example.test",
        "from http://localhost:3000",
        "1.5 requests/s",
        "12 in all",
        "2 in flight",
        "1 failed",
        "▁█▄",
        "/old",
        "200",
        "---",
        "1.2 ms",
        "203.0.113.9",
        "q quits",
    ] {
        assert!(shown.contains(text), "no {text} in\n{shown}");
    }
    let newest_first = shown.find("/new").unwrap() < shown.find("/old").unwrap();
    assert!(newest_first && !shown.contains('\u{1b}'));
}

#[test]
fn trouble_and_drain_are_said() {
    let mut view = view();
    view.status.links = vec![Link::Waiting { why: "cannot connect to edge.test:443".into() }];
    assert!(screen(&view, 100, 24).contains("cannot connect to edge.test:443; trying again"));
    view.status.draining = true;
    assert!(screen(&view, 100, 24).contains("finishing what is in flight"));
}

/// The text on the screen, without the backend's quotes and the space at the end of lines.
fn plain(view: &View, width: u16, height: u16) -> Vec<String> {
    screen(view, width, height).lines().map(|line| line.trim_matches('"').trim_end().to_owned()).collect()
}

#[test]
fn a_narrow_window_loses_nothing_that_matters() {
    let mut view = view();
    view.status.links = vec![Link::Online { worker: 0, rtt: None }; 2];
    let url = "https://a-rather-long-name-of-a-workload.a-rather-long-domain.example.test:8443";
    view.status.workloads[0].url = Some(url.into());
    let lines = plain(&view, 50, 24);
    assert!(lines.iter().any(|line| line.ends_with("online, 2 connections")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with("1.5/s  12 in all  2 in flight  1 failed")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("/old") && line.ends_with("1.2 ms")), "{lines:#?}");
    let joined: String = lines.iter().map(|line| line.trim()).collect();
    assert!(joined.contains(url), "{lines:#?}");
}

#[test]
fn a_path_takes_the_room_there_is_and_an_address_is_shown_whole_or_not_at_all() {
    let mut view = view();
    let path = "/a/path/of/fifty/characters/which/is/not/unusual/x";
    view.last[0].path = path.into();
    view.last[0].client = "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap();
    for (width, whole_path, address) in [(130, true, true), (80, false, false), (100, true, false)] {
        let shown = screen(&view, width, 24);
        assert_eq!(shown.contains(path), whole_path, "{width}\n{shown}");
        assert_eq!(shown.contains(":6666"), address, "{width}\n{shown}");
        assert_eq!(shown.contains("2001:"), address, "{width}\n{shown}");
    }
}

#[test]
fn why_a_request_failed_is_said_until_one_succeeds() {
    let mut view = view();
    view.last[1].fault = Some("the workload takes no connections".into());
    let words = "The last request got no whole answer: the workload takes no connections.";
    assert!(screen(&view, 100, 24).contains(words));
    view.last.swap(0, 1);
    assert!(!screen(&view, 100, 24).contains(words));
}

#[test]
fn long_trouble_is_read_to_its_end() {
    let mut view = view();
    view.last.clear();
    let why = "the tunnel cannot be set up: the handshake failed: invalid peer certificate: UnknownIssuer";
    view.status.links = vec![Link::Waiting { why: why.into() }];
    let text = plain(&view, 80, 24).iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    assert!(text.contains(&format!("{why}; trying again")), "{text}");
    assert!(text.contains("`warpgate diag`") && !text.contains("open the URL"), "{text}");
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in [(1, 1), (10, 3), (40, 8), (300, 100)] {
        screen(&view(), width, height);
    }
}
