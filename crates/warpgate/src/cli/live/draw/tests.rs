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

#[test]
fn no_size_is_too_small() {
    for (width, height) in [(1, 1), (10, 3), (40, 8), (300, 100)] {
        screen(&view(), width, height);
    }
}
