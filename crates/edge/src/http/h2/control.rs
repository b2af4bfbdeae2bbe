//! What the frames without data or heads do to a connection (RFC 9113 §6.3 to §6.9).

use super::{
    core::{Core, LEAVING_PING, Leaving},
    frame::{self, Head, MAX_WINDOW, Reason, setting},
    receive::Done,
    windows::PROBE_PING,
};
use crate::http::ClientGone;

impl Core {
    pub(super) fn on_priority(&mut self, head: &Head, payload: &[u8]) -> Done {
        if head.stream == 0 {
            return Err(Reason::Protocol);
        }
        let Ok(priority) = <&[u8; 5]>::try_from(payload) else {
            return Err(Reason::FrameSize);
        };
        if depends_on(priority) == head.stream { Err(Reason::Protocol) } else { Ok(()) }
    }

    pub(super) fn on_reset(&mut self, head: &Head, payload: &[u8]) -> Done {
        if head.stream == 0 {
            return Err(Reason::Protocol);
        }
        if payload.len() != 4 {
            return Err(Reason::FrameSize);
        }
        if let Some(key) = self.find(head.stream) {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.received_all = true;
                stream.sent_all = true;
                stream.fail(ClientGone::Cancelled);
            }
            self.close(head.stream);
            return Ok(());
        }
        if head.stream > self.last_id && !matches!(self.leaving, Leaving::Final(_)) || head.stream.is_multiple_of(2) {
            return Err(Reason::Protocol);
        }
        Ok(())
    }

    pub(super) fn on_settings(&mut self, head: &Head, payload: &[u8]) -> Done {
        if head.stream != 0 {
            return Err(Reason::Protocol);
        }
        if head.has(frame::ACK) {
            return if payload.is_empty() { Ok(()) } else { Err(Reason::FrameSize) };
        }
        if !payload.len().is_multiple_of(6) {
            return Err(Reason::FrameSize);
        }
        let mut window = None;
        for entry in payload.chunks_exact(6) {
            let &[i0, i1, a, b, c, d] = entry else { continue };
            self.on_setting(u16::from_be_bytes([i0, i1]), u32::from_be_bytes([a, b, c, d]), &mut window)?;
        }
        // All streams are gone through once, however often a frame says it.
        if let Some(window) = window {
            self.change_window(window)?;
        }
        frame::write(&mut self.out, frame::SETTINGS, frame::ACK, 0, &[]);
        Ok(())
    }

    fn on_setting(&mut self, id: u16, value: u32, last_window: &mut Option<i64>) -> Done {
        match id {
            setting::HEADER_TABLE_SIZE => self.client.table_word_due = true,
            setting::ENABLE_PUSH if value > 1 => return Err(Reason::Protocol),
            setting::ENABLE_CONNECT_PROTOCOL if value > 1 => return Err(Reason::Protocol),
            setting::INITIAL_WINDOW_SIZE => {
                let window = i64::from(value);
                if window > MAX_WINDOW {
                    return Err(Reason::FlowControl);
                }
                *last_window = Some(window);
            }
            setting::MAX_FRAME_SIZE if !(16_384..=16_777_215).contains(&value) => return Err(Reason::Protocol),
            _ => {} // we never send more than 16 KiB in a frame
        }
        Ok(())
    }

    pub(super) fn on_ping(&mut self, head: &Head, payload: &[u8]) -> Done {
        if head.stream != 0 {
            return Err(Reason::Protocol);
        }
        if payload.len() != 8 {
            return Err(Reason::FrameSize);
        }
        if !head.has(frame::ACK) {
            frame::write(&mut self.out, frame::PING, frame::ACK, 0, payload);
        } else if payload == LEAVING_PING {
            self.leave();
        } else if payload == PROBE_PING {
            self.probed();
        }
        Ok(())
    }

    pub(super) fn on_window_update(&mut self, head: &Head, payload: &[u8]) -> Done {
        let Ok(bytes) = <[u8; 4]>::try_from(payload) else {
            return Err(Reason::FrameSize);
        };
        let increment = i64::from(u32::from_be_bytes(bytes) & 0x7fff_ffff);
        if head.stream == 0 {
            if increment == 0 {
                return Err(Reason::Protocol);
            }
            self.send_window += increment;
            if self.send_window > MAX_WINDOW {
                return Err(Reason::FlowControl);
            }
            self.wake_queue();
            return Ok(());
        }
        let Some(key) = self.find(head.stream) else {
            let idle = head.stream > self.last_id || head.stream.is_multiple_of(2);
            let late = matches!(self.leaving, Leaving::Final(_));
            return if idle && !late { Err(Reason::Protocol) } else { Ok(()) };
        };
        let Some(stream) = self.streams.get_mut(key) else { return Ok(()) };
        if increment == 0 {
            return self.provoked_reset(head.stream, Reason::Protocol, ClientGone::Malformed("window update of 0"));
        }
        stream.send_window += increment;
        if stream.send_window > MAX_WINDOW {
            let gone = ClientGone::Malformed("window too large");
            return self.provoked_reset(head.stream, Reason::FlowControl, gone);
        }
        stream.wake_writer();
        Ok(())
    }
}

pub(super) fn depends_on(priority: &[u8; 5]) -> u32 {
    let [a, b, c, d, _] = *priority;
    u32::from_be_bytes([a & 0x7f, b, c, d])
}
