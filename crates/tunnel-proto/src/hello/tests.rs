#![allow(clippy::unwrap_used)]

use super::*;

fn hello() -> Hello {
    Hello {
        versions: vec![1],
        public_key: [0xa5; 32],
        signature: [0x0f; 64],
        edge_name: "edge.example.net".into(),
        gate_id: GateId::from_bytes([3; 16]),
        workloads: vec![HelloWorkload {
            name: "app".parse().unwrap(),
            label: None,
            labels: BTreeMap::from([("zone".into(), "ä".into())]),
        }],
        agent: "warpgate/0.1.0".into(),
    }
}

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        worker: 0,
        workers: 2,
        gate_id: GateId::from_bytes([3; 16]),
        domain: None,
        workloads: vec![WelcomeWorkload {
            name: "app".parse().unwrap(),
            url: "https://app.example.net".into(),
            workload_id: WorkloadId::from_bytes([4; 16]),
        }],
        limits: Agreed::default(),
    }
}

fn framed(kind: Kind, json: &str) -> BytesMut {
    let mut bytes = BytesMut::from(&header(kind, false, 0, json.len())[..]);
    bytes.extend_from_slice(json.as_bytes());
    bytes
}

#[test]
fn frames_round_trip_byte_by_byte_and_leave_what_follows() {
    let refused = Refused { retry_after_ms: Some(5), ..Refused::new(RefusedCode::Revoked, "gone") };
    for frame in [HelloFrame::Hello(hello()), HelloFrame::Welcome(welcome()), HelloFrame::Refused(refused)] {
        let bytes = encode(&frame).unwrap();
        let mut input = BytesMut::new();
        for byte in &bytes {
            assert_eq!(decode(&mut input), Ok(None));
            input.extend_from_slice(&[*byte]);
        }
        input.extend_from_slice(b"next");
        assert_eq!(decode(&mut input), Ok(Some(frame)));
        assert_eq!(&input[..], b"next");
    }
}

#[test]
fn the_json_is_as_documented() {
    let json = serde_json::to_value(hello()).unwrap();
    assert_eq!(json["public_key"], "a5".repeat(32));
    assert_eq!(json["gate_id"], "03030303-0303-0303-0303-030303030303");
    assert_eq!(json["workloads"][0]["labels"]["zone"], "ä");
    let json = serde_json::to_value(Refused::new(RefusedCode::TooMany, "x")).unwrap();
    assert_eq!(json, serde_json::json!({"code": "too_many", "message": "x"}));
}

#[test]
fn unknown_members_and_codes_are_taken() {
    let mut json = serde_json::to_value(hello()).unwrap();
    json["later"] = 1.into();
    json.as_object_mut().unwrap().remove("agent");
    let got = decode(&mut framed(Kind::Hello, &json.to_string())).unwrap();
    assert_eq!(got, Some(HelloFrame::Hello(Hello { agent: String::new(), ..hello() })));
    let got = decode(&mut framed(Kind::Refused, r#"{"code":"of_later_versions"}"#)).unwrap();
    assert_eq!(got, Some(HelloFrame::Refused(Refused::new(RefusedCode::Internal, ""))));
}

#[test]
fn unsound_hellos_are_refused() {
    let workload = |name: &str| HelloWorkload { name: name.parse().unwrap(), label: None, labels: BTreeMap::new() };
    let labelled = |name: &str| HelloWorkload { label: Some("pr-1".parse().unwrap()), ..workload(name) };
    let many = (0..=MAX_WORKLOADS).map(|n| workload(&format!("w{n}"))).collect();
    let labels = BTreeMap::from([("k".repeat(MAX_TEXT + 1), String::new())]);
    for unsound in [
        Hello { versions: vec![], ..hello() },
        Hello { versions: vec![1; 17], ..hello() },
        Hello { workloads: vec![], ..hello() },
        Hello { workloads: many, ..hello() },
        Hello { workloads: vec![workload("a"), workload("a")], ..hello() },
        Hello { workloads: vec![HelloWorkload { labels, ..workload("a") }], ..hello() },
        // An edge of version 1 would send it what is meant for the gates without a label.
        Hello { workloads: vec![labelled("a")], versions: vec![1, 2], ..hello() },
        Hello { agent: "\x1b[2J".into(), ..hello() },
        Hello { edge_name: "n".repeat(MAX_TEXT + 1), ..hello() },
    ] {
        let json = serde_json::to_string(&unsound).unwrap();
        assert_eq!(encode(&HelloFrame::Hello(unsound)), None);
        assert_eq!(decode(&mut framed(Kind::Hello, &json)), Err(Violation::BadPayload(1)), "{json}");
    }
    for json in ["", "{}", "[]", "null", "{\"versions\":[1]}"] {
        assert_eq!(decode(&mut framed(Kind::Hello, json)), Err(Violation::BadPayload(1)), "{json}");
    }
    let mut json = serde_json::to_value(hello()).unwrap();
    for key in ["a5", "zz", ""] {
        json["public_key"] = key.repeat(32).into();
        let sound = key == "a5";
        assert_eq!(decode(&mut framed(Kind::Hello, &json.to_string())).is_ok(), sound, "{key}");
    }
    json["workloads"][0]["name"] = "-bad-".into();
    assert!(decode(&mut framed(Kind::Hello, &json.to_string())).is_err());
}

#[test]
fn a_gate_with_a_label_speaks_no_version_that_knows_of_none() {
    let plain = hello().workloads;
    let labelled: Vec<_> =
        plain.iter().map(|one| HelloWorkload { label: Some("pr-1".parse().unwrap()), ..one.clone() }).collect();
    assert_eq!((versions(&plain), versions(&labelled)), (vec![1, 2], vec![2]));
    let sound = Hello { versions: versions(&labelled), workloads: labelled, ..hello() };
    let mut bytes = BytesMut::from(&encode(&HelloFrame::Hello(sound.clone())).unwrap()[..]);
    assert_eq!(decode(&mut bytes), Ok(Some(HelloFrame::Hello(sound))));
    for (offered, agreed) in [(vec![1], Some(1)), (vec![2, 9, 1], Some(2)), (vec![0, 9], None)] {
        assert_eq!(Hello { versions: offered, ..hello() }.version(), agreed);
    }
}

#[test]
fn nothing_but_the_first_exchange_is_taken() {
    let mut ping = framed(Kind::Ping, "12345678");
    assert_eq!(decode(&mut ping), Err(Violation::WrongRole(4)));
    let mut long = BytesMut::from(&header(Kind::Hello, false, 0, MAX_PAYLOAD + 1)[..]);
    assert!(matches!(decode(&mut long), Err(Violation::TooLong { .. })));
    let bad = Welcome { worker: 2, ..welcome() };
    assert!(decode(&mut framed(Kind::Welcome, &serde_json::to_string(&bad).unwrap())).is_err());
}

#[test]
fn a_refusal_is_fit_to_be_printed() {
    let json = format!(r#"{{"code":"internal","message":"a\u001b[2Jb{}"}}"#, "ä".repeat(400));
    let Ok(Some(HelloFrame::Refused(refused))) = decode(&mut framed(Kind::Refused, &json)) else { unreachable!() };
    assert!(refused.message.starts_with("a[2Jb"));
    assert_eq!(refused.message.chars().count(), MAX_TEXT);
}

#[test]
fn what_is_signed_is_bound_to_purpose_channel_and_name() {
    let bytes = signed_bytes(&[9; 32], "edge");
    assert_eq!(bytes, [&b"mezusphere tunnel hello v1\0"[..], &[9; 32], b"edge"].concat());
}
