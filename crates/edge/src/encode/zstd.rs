//! Zstandard (RFC 8878).

use zstd_safe::zstd_sys::ZSTD_EndDirective as Directive;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

use super::{Broken, Codec, Then};

/// Measured: 197 KiB.
pub(super) const SIZE: usize = 200 * 1024;

const LEVEL: i32 = 3;
/// A window of 16 KiB and tables of half as many places. Twice the window is half as much memory again, and gains web
/// pages two parts in a hundred.
const WINDOW: u32 = 14;
const TABLE: u32 = 13;

/// Room to begin an output with.
const ROOM: usize = 1024;

pub(super) struct Zstd(CCtx<'static>);

impl Zstd {
    pub(super) fn new(length: Option<u64>) -> Result<Self, Broken> {
        let mut context = CCtx::try_create().ok_or(Broken("zstd: no memory"))?;
        for parameter in [
            CParameter::CompressionLevel(LEVEL),
            CParameter::WindowLog(WINDOW),
            CParameter::HashLog(TABLE),
            CParameter::ChainLog(TABLE),
        ] {
            context.set_parameter(parameter).map_err(named)?;
        }
        // Tables become as small as a short answer needs.
        context.set_pledged_src_size(length).map_err(named)?;
        Ok(Self(context))
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.0.sizeof()
    }
}

impl Codec for Zstd {
    fn run(&mut self, input: &[u8], then: Then, out: &mut Vec<u8>) -> Result<(), Broken> {
        let directive = match then {
            Then::Nothing => Directive::ZSTD_e_continue,
            Then::Flush => Directive::ZSTD_e_flush,
            Then::End => Directive::ZSTD_e_end,
        };
        let mut input = InBuffer::around(input);
        loop {
            out.reserve(ROOM.max(out.len()));
            let filled = out.len();
            let mut buffer = OutBuffer::around_pos(out, filled);
            let left = self.0.compress_stream2(&mut buffer, &mut input, directive).map_err(named)?;
            let taken = input.pos == input.src.len();
            if taken && (left == 0 || then == Then::Nothing) {
                return Ok(());
            }
        }
    }
}

fn named(code: zstd_safe::ErrorCode) -> Broken {
    Broken(zstd_safe::get_error_name(code))
}
