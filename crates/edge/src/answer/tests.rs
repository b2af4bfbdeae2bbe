#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

fn every_error() -> Vec<EdgeError> {
    use EdgeError as E;
    let requests = [
        BadRequest::Malformed("two lengths"),
        BadRequest::Timeout,
        BadRequest::Method,
        BadRequest::UriTooLong,
        BadRequest::Expectation,
        BadRequest::WebSocketVersion,
        BadRequest::HeadersTooLarge,
        BadRequest::Version,
    ];
    let clients = [
        ClientGone::Closed,
        ClientGone::Cancelled,
        ClientGone::TooSlow,
        ClientGone::Malformed("bad chunk"),
        ClientGone::Overrun,
    ];
    let others = [
        E::Misdirected,
        E::UnknownHost,
        E::NoRoute,
        E::Policy(Refusal::BodyTooLarge { limit: 1 }),
        E::Policy(Refusal::OriginRefused),
        E::Policy(Refusal::AddressRefused),
        E::Policy(Refusal::RateLimited { retry_after: 7 }),
        E::Policy(Refusal::PathRefused),
        E::Policy(Refusal::RouteBusy),
        E::Policy(Refusal::Maintenance { retry_after: 7 }),
        E::NoSuchLabel,
        E::NoGate,
        E::NoHealthyGate,
        E::GateLost { sent: false },
        E::GateLost { sent: true },
        E::GateTimeout,
        E::GateBusy,
        E::OrgBusy,
        E::GateRefused,
        E::GateProtocol,
        E::WorkloadUnreachable,
        E::WorkloadTimeout,
        E::WorkloadBadResponse,
        E::WorkloadReset,
        E::WorkloadStalled,
        E::Overloaded("in flight"),
        E::Draining,
        E::Starting,
        E::Internal("impossible"),
    ];
    requests.map(E::BadRequest).into_iter().chain(clients.map(E::Client)).chain(others).collect()
}

#[test]
fn every_code_is_used_and_says_whom_to_blame() {
    let used: BTreeSet<_> = every_error().iter().map(|error| error.code() as usize).collect();
    assert_eq!(used, (0..Code::ALL.len()).collect());
    for code in Code::ALL {
        let entry = code.entry();
        let first = match entry.blame {
            Blame::Client => "MEZU-1",
            Blame::Gate => "MEZU-2",
            Blame::Workload => "MEZU-3",
            Blame::Ours => "MEZU-4",
        };
        assert!(entry.code.starts_with(first) && entry.code.len() == 9, "{}", entry.code);
        assert!(!entry.title.ends_with('.'), "{}", entry.title);
        for text in [entry.what, entry.visitor, entry.owner] {
            assert!(text.ends_with('.'), "{text}");
        }
    }
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.entry().code).collect();
    assert!(codes.is_sorted() && codes.iter().collect::<BTreeSet<_>>().len() == codes.len());
}

#[test]
fn the_status_of_a_bad_request_is_the_fronts() {
    for error in every_error() {
        if let EdgeError::BadRequest(problem) = &error {
            assert_eq!(error.status(), problem.status());
        }
    }
}

#[test]
fn what_had_left_the_edge_is_never_called_safe_to_repeat() {
    for error in every_error() {
        let unsure = matches!(
            error,
            EdgeError::GateLost { sent: true }
                | EdgeError::GateTimeout
                | EdgeError::WorkloadTimeout
                | EdgeError::WorkloadReset
                | EdgeError::WorkloadBadResponse
                | EdgeError::WorkloadStalled
                | EdgeError::Internal(_)
        );
        if unsure {
            assert_eq!(error.retry(), Retry::IfUnsent, "{error}");
        }
    }
}

#[test]
fn every_answer_is_marked_and_not_stored() {
    for error in every_error() {
        let mut answer = ResponseHead::new(200);
        answer.headers.push(b"x-left-over", b"1").unwrap();
        let body = render(&error, None, RayId(0xfeed), &mut answer);
        assert_eq!(answer.status, error.status());
        assert!(!body.is_empty());
        let header =
            |name: &[u8]| answer.headers.find_name(name).map(|value| String::from_utf8_lossy(value).into_owned());
        assert_eq!(header(b"cache-control").as_deref(), Some("no-store"));
        assert_eq!(header(b"mezu-ray").as_deref(), Some("0000000000000000000000000000feed"));
        assert_eq!(header(b"mezu-code").as_deref(), Some(error.code().entry().code));
        assert_eq!(header(b"x-content-type-options").as_deref(), Some("nosniff"));
        assert_eq!(header(b"x-left-over"), None);
        assert_eq!(header(b"allow").is_some(), error.status() == 405);
        assert_eq!(header(b"sec-websocket-version").is_some(), error.status() == 426);
        let waits = error.code().entry().retry_after > 0;
        assert_eq!(header(b"retry-after").is_some(), waits);
        assert!(!waits || error.retry() != Retry::Never, "asking to wait promises that it may work");
    }
}

#[test]
fn grpc_is_told_in_its_own_way() {
    let mut head = RequestHead::default();
    head.headers.push(b"content-type", b"application/grpc").unwrap();
    let mut answer = ResponseHead::default();
    let body = render(&EdgeError::NoGate, Some(&head), RayId(1), &mut answer);
    assert_eq!((answer.status, body.len()), (200, 0));
    assert_eq!(answer.headers.find(known::GRPC_STATUS), Some(&b"14"[..]));
    assert_eq!(answer.headers.find(known::CONTENT_TYPE), Some(&b"application/grpc"[..]));
    assert!(answer.headers.find(known::GRPC_MESSAGE).unwrap().starts_with(b"MEZU-2001 "));
}

#[test]
fn codes_and_pages_match_one_to_one() {
    let folder = docs();
    let index = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut expected = BTreeSet::from(["README.md".to_owned()]);
    for code in Code::ALL {
        let entry = code.entry();
        let name = format!("{}.md", entry.code);
        let page =
            std::fs::read_to_string(folder.join(&name)).unwrap_or_else(|_| panic!("docs/errors/{name} is missing"));
        let head = format!(
            "# {}: {}\n\n| Status | Blame | Retry |\n|---|---|---|\n| {} | {} | {} |\n",
            entry.code,
            entry.title,
            entry.status,
            entry.blame.as_str(),
            entry.retry.as_str()
        );
        assert!(page.starts_with(&head), "docs/errors/{name} must begin with:\n{head}");
        let line =
            format!("| [{}]({name}) | {} | {} | {} |", entry.code, entry.status, entry.title, entry.retry.as_str());
        assert!(index.contains(&line), "docs/errors/README.md must list:\n{line}");
        expected.insert(name);
    }
    let there: BTreeSet<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, expected, "a page whose code is gone, or the other way round");
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors")
}
