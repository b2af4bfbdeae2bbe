//! docs/protocol.md and the code say the same where a program can tell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use mezu_model::known::NAMES;
use mezu_tunnel_proto::frames::{Kind, MAX_HEAD_PAYLOAD, MAX_PAYLOAD};
use mezu_tunnel_proto::hello::{ALPN, EXPORTER_LABEL, signed_bytes};
use mezu_tunnel_proto::{CARRIER_START, Reason, STREAM_NARROW, STREAM_START};

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    std::fs::read_to_string(path).unwrap()
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

#[test]
fn the_table_of_names_is_the_one_in_use() {
    let text = document();
    let table = &text[text.find("The table belongs to the version").unwrap()..text.find("## 6. Credit").unwrap()];
    let mut names = BTreeMap::new();
    for row in rows(table) {
        for pair in row.chunks(2) {
            if let Ok(code) = pair[0].parse::<usize>() {
                names.insert(code, pair[1].trim_matches('`').to_owned());
            }
        }
    }
    let listed: Vec<_> = names.into_iter().collect();
    let used: Vec<_> = NAMES.iter().enumerate().map(|(i, name)| (i + 1, (*name).to_owned())).collect();
    assert_eq!(listed, used);
}

#[test]
fn kinds_and_reasons_are_the_ones_in_use() {
    let text = document();
    let kinds = &text[text.find("## 3. Frames").unwrap()..text.find("## 4. ").unwrap()];
    let listed: Vec<_> = rows(kinds).filter(|row| row[0].starts_with("0x")).collect();
    for row in &listed {
        let number = u8::from_str_radix(&row[0][2..], 16).unwrap();
        let kind = Kind::from_byte(number).expect(row[1]);
        assert_eq!(format!("{kind:?}").to_uppercase(), row[1]);
    }
    assert_eq!(listed.len(), (0..=255).filter_map(Kind::from_byte).count());

    let reasons = &text[text.find("| reason |").unwrap()..];
    let listed: Vec<_> = rows(reasons).filter(|row| row[0].parse::<u8>().is_ok()).collect();
    assert_eq!(listed.len(), 10);
    for row in listed {
        let reason = Reason::from_code(row[0].parse().unwrap());
        assert_eq!(reason.is_untouched(), row[2] == "yes", "{row:?}");
    }
}

#[test]
fn numbers_and_texts_are_the_ones_in_use() {
    let text = document();
    let has = |part: &str| assert!(text.contains(part), "{part}");
    has(&format!("`{}`", std::str::from_utf8(ALPN).unwrap()));
    has(&format!("`{}`", std::str::from_utf8(EXPORTER_LABEL).unwrap()));
    has(&format!("| {MAX_PAYLOAD} |"));
    has(&format!("| {MAX_HEAD_PAYLOAD} |"));
    assert_eq!((STREAM_START, STREAM_NARROW, CARRIER_START), (65_536, 16_384, 1_048_576));
    has("with NARROW the gate has 16,384");
    has("has 65,536 bytes, a new carrier 1,048,576");
    let signed = signed_bytes(&[0; 32], "");
    assert!(signed.starts_with(b"mezusphere tunnel hello v1\0") && signed.len() == 27 + 32);
}
