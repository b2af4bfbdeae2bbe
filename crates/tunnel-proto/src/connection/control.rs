//! Frames that carry neither heads nor bodies: credit, resets, the hand-over of parked requests, liveness, the end.

use std::time::Duration;

use super::{Blocked, Connection, Event, Kind, Reason, Violation, alarm, notify};
use crate::Role;
use crate::credit::SCRAP;
use crate::error::Death;
use crate::frames::Header;
use crate::hello::Refused;
use crate::stream::{Park, Receiving, Sending};

/// PINGs, skipped frames and scraps of credit that a peer may send in a second.
pub(super) const CONTROL_PER_SECOND: u32 = 200;
impl Connection {
    pub(super) fn on_credit(&mut self, header: &Header, payload: &[u8]) -> Result<(), Violation> {
        let grant = u32::from_be_bytes(fixed(Kind::Credit, payload)?);
        if grant < SCRAP {
            self.count_control()?;
        }
        if header.stream == 0 {
            self.credit.add(grant)?;
            self.give_turns();
            return Ok(());
        }
        let Some((id, stream)) = self.streams.find(header.stream) else { return self.check_past(header.stream) };
        stream.credit.add(grant)?;
        if stream.blocked == Blocked::Credit {
            stream.blocked = Blocked::No;
            self.events.push_back(Event::Writable(id));
        }
        Ok(())
    }

    pub(super) fn on_reset(&mut self, header: &Header, payload: &[u8]) -> Result<(), Violation> {
        let [code] = fixed(Kind::Reset, payload)?;
        let role = self.role;
        let Some((id, stream)) = self.streams.find(header.stream) else { return self.check_past(header.stream) };
        if stream.reset_by_peer.is_some() {
            return Err(Violation::AfterEnd);
        }
        stream.reset_by_peer = Some(Reason::from_code(code));
        let cut = stream.receiving != Receiving::Done;
        stream.cut |= cut;
        stream.receiving = Receiving::Done;
        self.turns.leave(id, stream);
        alarm(&mut self.events, id, stream);
        // A gate answers when its user lets go: until then work is still being done for the stream, and it counts.
        if stream.sending != Sending::Done && (role == Role::Edge || !stream.held) {
            stream.sending = Sending::Done;
            self.out.frame(Kind::Reset, false, header.stream, &[Reason::Closed.code()]);
        }
        if cut {
            self.discard(id);
        }
        self.sweep(id);
        self.give_turns();
        Ok(())
    }

    pub(super) fn on_ready(&mut self, header: &Header) -> Result<(), Violation> {
        self.check_step(header, Kind::Ready, Role::Edge)?;
        let (id, stream) = self.streams.find(header.stream).ok_or(Violation::UnknownStream)?;
        if stream.reset_by_us.is_some() {
            return Ok(());
        }
        if stream.park != Park::Parked || stream.receiving != Receiving::Head {
            return Err(Violation::HandOver);
        }
        stream.park = Park::ReadyUntold;
        notify(&mut self.events, id, stream);
        Ok(())
    }

    pub(super) fn on_go(&mut self, header: &Header) -> Result<(), Violation> {
        self.check_step(header, Kind::Go, Role::Gate)?;
        let Some((id, stream)) = self.streams.find(header.stream) else { return self.check_past(header.stream) };
        if stream.reset_by_us.is_some() {
            return Ok(());
        }
        if stream.park != Park::Ready || stream.reset_by_peer.is_some() {
            return Err(Violation::HandOver);
        }
        stream.park = Park::GoUntold;
        notify(&mut self.events, id, stream);
        Ok(())
    }

    fn check_step(&self, header: &Header, kind: Kind, role: Role) -> Result<(), Violation> {
        if self.role != role {
            return Err(Violation::WrongRole(kind as u8));
        }
        if header.len != 0 { Err(Violation::BadPayload(kind as u8)) } else { Ok(()) }
    }

    pub(super) fn on_control(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Violation> {
        match kind {
            Kind::Ping => {
                let bytes: [u8; 8] = fixed(kind, payload)?;
                self.count_control()?;
                self.out.frame(Kind::Pong, false, 0, &bytes);
                Ok(())
            }
            Kind::Pong => {
                let answered = self.live.pong(fixed(kind, payload)?, self.now);
                if answered { Ok(()) } else { Err(Violation::UnaskedPong) }
            }
            Kind::Drain => self.on_drain(u32::from_be_bytes(fixed(kind, payload)?)),
            _ => {
                let refused: Refused =
                    serde_json::from_slice(payload).map_err(|_| Violation::BadPayload(kind as u8))?;
                self.die(Death::Refused(refused.tamed()));
                Ok(())
            }
        }
    }

    pub(super) fn on_health(&mut self, payload: &[u8]) -> Result<(), Violation> {
        if self.role != Role::Edge {
            return Err(Violation::WrongRole(Kind::Health as u8));
        }
        let unwell = u64::from_be_bytes(fixed(Kind::Health, payload)?);
        self.count_control()?;
        if unwell != self.unwell {
            self.unwell = unwell;
            self.events.push_back(Event::Health);
        }
        Ok(())
    }

    fn on_drain(&mut self, last: u32) -> Result<(), Violation> {
        if self.drain.received {
            return Err(Violation::AfterDrain);
        }
        if self.role == Role::Gate && last != self.last_id {
            return Err(Violation::BadPayload(Kind::Drain as u8));
        }
        self.drain.received = true;
        self.events.push_back(Event::Draining);
        if self.role == Role::Edge && !self.drain.sent {
            self.send_drain();
        }
        self.check_drained();
        Ok(())
    }

    /// A late CREDIT, RESET or GO for a stream that has ended is nobody's fault.
    fn check_past(&self, stream: u32) -> Result<(), Violation> {
        if stream <= self.last_id { Ok(()) } else { Err(Violation::UnknownStream) }
    }

    pub(super) fn count_control(&mut self) -> Result<(), Violation> {
        if self.now.saturating_duration_since(self.control_since) >= Duration::from_secs(1) {
            self.control = CONTROL_PER_SECOND;
            self.control_since = self.now;
        }
        self.control = self.control.checked_sub(1).ok_or(Violation::ControlFlood)?;
        Ok(())
    }
}

fn fixed<const N: usize>(kind: Kind, payload: &[u8]) -> Result<[u8; N], Violation> {
    payload.try_into().map_err(|_| Violation::BadPayload(kind as u8))
}
