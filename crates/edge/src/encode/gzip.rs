//! Gzip (RFC 1952) around deflate.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::{Broken, Codec, Then};

/// Measured: 311 KiB; its window is 32 KiB, and cannot be made shorter.
pub(super) const SIZE: usize = 312 * 1024;

/// The next one takes twice as long, for three parts in a hundred.
const LEVEL: u32 = 2;
/// Deflate; no name, no time, no system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Room to begin an output with.
const ROOM: usize = 1024;

pub(super) struct Gzip {
    deflate: Compress,
    sum: Crc,
    begun: bool,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { deflate: Compress::new(Compression::new(LEVEL), false), sum: Crc::new(), begun: false }
    }

    fn deflate(&mut self, mut input: &[u8], how: FlushCompress, out: &mut Vec<u8>) -> Result<(), Broken> {
        loop {
            out.reserve(ROOM.max(out.len()));
            let before = self.deflate.total_in();
            let status = self.deflate.compress_vec(input, out, how).map_err(|_| Broken("deflate: wrong state"))?;
            let taken = usize::try_from(self.deflate.total_in() - before).unwrap_or(usize::MAX);
            input = input.get(taken..).unwrap_or_default();
            // With room left over it has said all that it had to say.
            let said = out.len() < out.capacity();
            if input.is_empty() && (status == Status::StreamEnd || said && how != FlushCompress::Finish) {
                return Ok(());
            }
        }
    }
}

impl Codec for Gzip {
    fn run(&mut self, input: &[u8], then: Then, out: &mut Vec<u8>) -> Result<(), Broken> {
        if !std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(&HEADER);
        }
        self.sum.update(input);
        match then {
            Then::Nothing if input.is_empty() => Ok(()),
            Then::Nothing => self.deflate(input, FlushCompress::None, out),
            Then::Flush => self.deflate(input, FlushCompress::Sync, out),
            Then::End => {
                self.deflate(input, FlushCompress::Finish, out)?;
                out.extend_from_slice(&self.sum.sum().to_le_bytes());
                out.extend_from_slice(&self.sum.amount().to_le_bytes());
                Ok(())
            }
        }
    }
}
