#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::Read as _;

use mezu_model::OrgId;

use super::*;
use crate::room::Room;

/// An encoder that has all the room it wants.
fn encoder(coding: Coding, length: Option<u64>) -> Encoder {
    let size = Encoder::size(coding);
    let held = Room::new(2 * size, size).hold(OrgId::from_bytes([1; 16]), size).unwrap();
    Encoder::new(coding, length, held).unwrap()
}

/// As much as can be read of what has been given out so far.
fn decoded(coding: Coding, encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // What ends in the middle is an error only once all before it has been read.
    let _ = match coding {
        Coding::Gzip => flate2::read::GzDecoder::new(encoded).read_to_end(&mut out),
        Coding::Brotli => ::brotli::Decompressor::new(encoded, 4096).read_to_end(&mut out),
        Coding::Zstd => unzstd(encoded, &mut out),
    };
    out
}

fn unzstd(encoded: &[u8], out: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut context = zstd_safe::DCtx::create();
    let mut input = zstd_safe::InBuffer::around(encoded);
    loop {
        out.reserve(64 * 1024);
        let filled = out.len();
        let mut buffer = zstd_safe::OutBuffer::around_pos(out, filled);
        context.decompress_stream(&mut buffer, &mut input).unwrap();
        let written = buffer.pos() - filled;
        if written == 0 && input.pos == encoded.len() {
            return Ok(0);
        }
    }
}

/// So many bytes of no rhyme or reason.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(size).collect()
}

fn text(size: usize) -> Vec<u8> {
    let lines = (0..).map(|n: u32| format!("<li id=\"row-{n}\"><a href=\"/orders/{}\">order</a></li>\n", n * n));
    let mut text: Vec<u8> = lines.take(size / 40 + 1).flat_map(String::into_bytes).collect();
    text.truncate(size);
    text
}

#[test]
fn what_goes_in_comes_out_in_pieces_of_any_size() {
    for coding in Coding::ALL {
        for body in [Vec::new(), b"x".to_vec(), text(1_000_000), noise(1_000_000)] {
            for piece in [1000, 65_536] {
                for length in [None, Some(body.len() as u64)] {
                    let mut encoder = encoder(coding, length);
                    let mut out = Vec::new();
                    for piece in body.chunks(piece) {
                        out.extend(encoder.write(piece).unwrap());
                    }
                    out.extend(encoder.finish().unwrap());
                    assert!(decoded(coding, &out) == body, "{coding} {} in pieces of {piece}", body.len());
                    assert!(
                        out.len() < body.len() + body.len() / 500 + 100,
                        "{coding} {} of {}",
                        out.len(),
                        body.len()
                    );
                }
            }
        }
        let mut encoder = encoder(coding, None);
        let text = text(100_000);
        let size = encoder.write(&text).unwrap().len() + encoder.finish().unwrap().len();
        assert!(size < 25_000, "{coding} {size}");
    }
}

#[test]
fn all_that_was_written_can_be_read_after_a_flush() {
    for coding in Coding::ALL {
        let mut encoder = encoder(coding, None);
        let (mut out, mut sent): (Vec<u8>, Vec<u8>) = Default::default();
        for round in 0..300 {
            let event = format!("data: {round}\n\n").repeat(1 + round % 7);
            out.extend(encoder.write(event.as_bytes()).unwrap());
            sent.extend(event.as_bytes());
            out.extend(encoder.flush().unwrap());
            assert!(decoded(coding, &out) == sent, "{coding} {round}");
            assert!(encoder.flush().unwrap().is_empty(), "{coding}: nothing new");
        }
        out.extend(encoder.finish().unwrap());
        assert!(decoded(coding, &out) == sent, "{coding}");
    }
}

#[test]
fn a_body_of_another_length_than_told_is_not_ended_cleanly() {
    let mut encoder = encoder(Coding::Zstd, Some(100));
    let written = encoder.write(&text(1000));
    assert!(written.is_err() || encoder.finish().is_err());
}

/// Memory of this process, bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn an_encoder_holds_no_more_than_it_is_counted_for() {
    const MANY: usize = 64;
    let (body, noise) = (text(80_000), noise(80_000));
    for coding in Coding::ALL {
        let before = resident();
        let mut encoders: Vec<_> = (0..MANY).map(|_| encoder(coding, None)).collect();
        for encoder in &mut encoders {
            for piece in body.chunks(65_536).chain(noise.chunks(16_384)) {
                encoder.write(piece).unwrap();
                encoder.flush().unwrap();
            }
        }
        let each = resident().saturating_sub(before) / MANY;
        println!("{coding}: {} KiB of {} KiB", each / 1024, Encoder::size(coding) / 1024);
        // Pages of the allocator come on top, and go elsewhere.
        assert!(each < Encoder::size(coding) * 5 / 4, "{coding}: {each}");
    }
}

#[test]
fn zstd_holds_less_for_what_is_known_to_be_short() {
    for (length, most) in [(None, zstd::SIZE), (Some(10_000_000), zstd::SIZE), (Some(2_000), zstd::SIZE / 2)] {
        let mut zstd = Zstd::new(length).unwrap();
        zstd.run(&text(1_500), Then::Nothing, &mut Vec::new()).unwrap();
        assert!((1024..=most).contains(&zstd.size()), "{length:?}: {}", zstd.size());
    }
}
