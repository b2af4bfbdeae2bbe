#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::answer::Code;

fn failure(code: Code, host: Option<&str>) -> Failure<'_> {
    Failure { entry: code.entry(), rule: None, ray: RayId(0xabc), host }
}

fn page_text(failure: &Failure<'_>) -> String {
    String::from_utf8(page(failure, &mut Headers::new()).to_vec()).unwrap()
}

#[test]
fn a_page_is_whole_and_self_contained() {
    for code in Code::ALL {
        let text = page_text(&failure(*code, Some("shop.example")));
        let entry = code.entry();
        assert!(!text.contains("{{"), "a placeholder is left");
        assert!(text.contains(entry.code) && text.contains("00000000000000000000000000000abc"));
        assert!(text.contains("shop.example"));
        assert_eq!(text.contains("Try again</a>"), entry.retry != Retry::Never);
        assert_eq!(text.matches("class=\"bad\"").count(), 1, "one station is to blame");
        for forbidden in ["<script", "<img", "<link", "url(", "@import", " style=", "onclick"] {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
        let addresses = text.matches("://").count();
        assert_eq!(addresses, 1, "only the link to the docs");
        assert!(text.len() < 8 * 1024, "{}", text.len());
    }
}

#[test]
fn what_a_client_sent_is_inert() {
    let text = page_text(&failure(Code::UnknownHost, Some("<img src=x>&\"'.example")));
    assert!(text.contains("&lt;img src=x&gt;&amp;&quot;&#39;.example"));
    assert!(!text.contains("<img"));
}

#[test]
fn the_policy_allows_this_style_sheet_only() {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    let expected = format!("'sha256-{}'", base64(digest.as_ref()));
    assert!(POLICY.contains(&expected), "the style sheet changed: put {expected} into POLICY");
    assert!(POLICY.starts_with("default-src 'none'; "));
}

#[test]
fn a_problem_document_says_everything_a_program_needs() {
    let mut headers = Headers::new();
    let mut failure = failure(Code::Malformed, Some("shop.example"));
    failure.rule = Some("two lengths");
    let body: serde_json::Value = serde_json::from_slice(&problem(&failure, &mut headers)).unwrap();
    assert_eq!(headers.find(known::CONTENT_TYPE), Some(&b"application/problem+json"[..]));
    assert_eq!(body["status"], 400);
    assert_eq!(body["code"], "MEZU-1001");
    assert_eq!(body["blame"], "client");
    assert_eq!(body["retry"], "never");
    assert_eq!(body["ray"], "00000000000000000000000000000abc");
    assert!(body["type"].as_str().unwrap().ends_with("/docs/errors/MEZU-1001.md"));
    assert!(body["detail"].as_str().unwrap().ends_with("Namely: two lengths"));
}

#[test]
fn grpc_messages_need_no_escaping() {
    for code in Code::ALL {
        let mut headers = Headers::new();
        grpc(&failure(*code, None), &mut headers);
        let message = headers.find(known::GRPC_MESSAGE).unwrap();
        assert!(message.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'%'));
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}
