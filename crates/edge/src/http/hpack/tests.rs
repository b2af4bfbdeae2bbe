#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(unreachable_pub, reason = "shared with the fuzzer")]
#[path = "../../../../../fuzz/src/hpack.rs"]
mod fuzz;

use mezu_model::known;

use super::{Decoder, decode::Broken, field, status};
use crate::http::mutate::Mutator;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
    digits.chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
}

fn text(decoder: &mut Decoder, block: &[u8]) -> Result<String, Broken> {
    let mut text = String::new();
    decoder.block(block, |name, value| {
        text += &format!("{}: {}\n", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    })?;
    Ok(text)
}

#[test]
fn requests_of_appendix_c() {
    for blocks in [
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ] {
        let mut decoder = Decoder::new(4096);
        let heads = [
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n",
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n",
            ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n",
        ];
        for (block, head) in blocks.iter().zip(heads) {
            assert_eq!(text(&mut decoder, &hex(block)).unwrap(), head);
        }
    }
}

#[test]
fn responses_of_appendix_c_evict() {
    let mut decoder = Decoder::new(256);
    let first = "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 \
                 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d";
    text(&mut decoder, &hex(first)).unwrap();
    let second = text(&mut decoder, &hex("4803 3330 37c1 c0bf")).unwrap();
    assert!(second.starts_with(":status: 307\ncache-control: private\ndate: Mon"), "{second}");
    // The 302 was evicted for the 307.
    assert_eq!(text(&mut decoder, &[0x80 | 65]).unwrap(), "cache-control: private\n");
    assert_eq!(text(&mut decoder, &[0x80 | 66]), Err(Broken));
}

#[test]
fn broken_blocks_are_refused() {
    for block in [
        "80",                // index 0
        "be",                // nothing there yet
        "ff ffff ffff ffff", // an integer without end
        "ff ffff ffff 7f",   // far beyond
        "41 7f",             // a length without its bytes
        "41 0361 62",        // cut short
        "40",                // no name
        "7f",                // integer cut short
        "82 20",             // a size update behind a field
        "3f e2 1f",          // 4097
        "00 82 ffff 0161",   // end of string in a name
    ] {
        assert_eq!(text(&mut Decoder::new(4096), &hex(block)), Err(Broken), "{block}");
    }
    let mut decoder = Decoder::new(4096);
    assert_eq!(text(&mut decoder, &hex("3fe11f 20 3fe11f 82")).unwrap(), ":method: GET\n");
}

#[test]
fn entries_larger_than_the_table_empty_it() {
    let mut decoder = Decoder::new(64);
    text(&mut decoder, &hex("4001 6101 62")).unwrap();
    assert_eq!(text(&mut decoder, &[0xbe]).unwrap(), "a: b\n");
    let mut block = hex("4001 637f 00");
    block.splice(3.., [0x7f, 0x00]);
    block.extend([b'x'; 127]);
    text(&mut decoder, &block).unwrap();
    assert_eq!(text(&mut decoder, &[0xbe]), Err(Broken));
}

#[test]
fn what_is_encoded_is_decoded() {
    let mut block = Vec::new();
    let long = "v".repeat(300);
    for code in [200, 204, 206, 304, 400, 404, 500, 100, 101, 418, 503, 999] {
        status(&mut block, code);
    }
    field(&mut block, Some(known::CONTENT_TYPE), b"content-type", b"text/plain");
    field(&mut block, Some(known::MEZU_RAY), b"mezu-ray", long.as_bytes());
    field(&mut block, Some(known::WWW_AUTHENTICATE), b"www-authenticate", b"");
    field(&mut block, None, "x-".repeat(80).as_bytes(), b"y");
    let decoded = text(&mut Decoder::new(4096), &block).unwrap();
    let expected = format!(
        "{}content-type: text/plain\nmezu-ray: {long}\nwww-authenticate: \n{}: y\n",
        [200, 204, 206, 304, 400, 404, 500, 100, 101, 418, 503, 999].map(|c| format!(":status: {c}\n")).concat(),
        "x-".repeat(80)
    );
    assert_eq!(decoded, expected);
}

/// What `make fuzz` does for longer and with a view of the coverage.
#[test]
fn the_fuzz_target_stands_its_corpus_and_damaged_copies_of_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/hpack");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|seed| fuzz::run(seed));
    let words: &[&[u8]] = &[b"\xbe", b"\x40\x01a\x01b", b"\x20", b"\x3f\xe1\x1f", b"\x7f\x80\x01", b"\x84\xff\xff"];
    let mut mutator = Mutator::new(3);
    for _ in 0..20_000 {
        let input = mutator.mutate(&seeds, words);
        if std::panic::catch_unwind(|| fuzz::run(&input)).is_err() {
            panic!("failed on {input:02x?}");
        }
    }
}
