//! Brotli (RFC 7932).

use std::io::Write as _;

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;

use super::{Broken, Codec, Then};

/// Measured: 550 to 620 KiB.
pub(super) const SIZE: usize = 640 * 1024;

/// The next one takes three times the memory.
const QUALITY: i32 = 3;
/// A window of 16 KiB, and blocks as long.
const WINDOW: i32 = 14;
/// Output is moved on in pieces of this size.
const PIECE: usize = 4 * 1024;

pub(super) struct Brotli(Option<CompressorWriter<Vec<u8>>>);

impl Brotli {
    pub(super) fn new(length: Option<u64>) -> Self {
        let size_hint = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let params =
            BrotliEncoderParams { quality: QUALITY, lgwin: WINDOW, lgblock: WINDOW, size_hint, ..Default::default() };
        Self(Some(CompressorWriter::with_params(Vec::new(), PIECE, &params)))
    }
}

impl Codec for Brotli {
    fn run(&mut self, input: &[u8], then: Then, out: &mut Vec<u8>) -> Result<(), Broken> {
        let writer = self.0.as_mut().ok_or(Broken("brotli: it has ended"))?;
        writer.write_all(input).map_err(|_| Broken("brotli: input refused"))?;
        match then {
            Then::Nothing => {}
            Then::Flush => writer.flush().map_err(|_| Broken("brotli: no flush"))?,
            Then::End => {
                out.extend(self.0.take().map(CompressorWriter::into_inner).unwrap_or_default());
                return Ok(());
            }
        }
        out.append(writer.get_mut());
        Ok(())
    }
}
