//! What can go wrong, by whose fault, and how far it reaches.
//!
//! A [`Violation`] ends the carrier: the peer does not speak the protocol. A [`HeadError`] or [`Reason`] ends one
//! stream: the frames were right, what they carried was not, and other requests must not suffer for it.

use crate::hello::Refused;

/// The peer broke the protocol; nothing it says can be trusted any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("frame of kind {kind:#04x} with {len} bytes is too long")]
    TooLong { kind: u8, len: usize },
    #[error("frame of unknown kind {0:#04x}")]
    UnknownKind(u8),
    #[error("END on a kind that cannot end a stream")]
    MisplacedEnd,
    #[error("frame on a stream id it cannot have")]
    BadStreamId,
    #[error("frame of kind {0:#04x} has a payload of impossible length or content")]
    BadPayload(u8),
    #[error("frame of kind {0:#04x} is not for this side or not for this phase")]
    WrongRole(u8),
    #[error("stream ids must count up by one")]
    IdOrder,
    #[error("more streams at once than agreed")]
    TooManyStreams,
    #[error("frame on a stream that was never opened or is closed")]
    UnknownStream,
    #[error("more body bytes than credit on stream {0} (0: the carrier)")]
    CreditOverrun(u32),
    #[error("credit of zero, or more than 2^31-1 in all")]
    BadCredit,
    #[error("frame on a direction that has ended")]
    AfterEnd,
    #[error("body or trailers before the head, or a second head")]
    HeadOrder,
    #[error("more interim responses than allowed")]
    TooManyInterims,
    #[error("empty DATA without END")]
    EmptyData,
    #[error("READY or GO out of turn")]
    HandOver,
    #[error("more control frames than allowed")]
    ControlFlood,
    #[error("peer sends but does not read")]
    NotReading,
    #[error("PONG that answers no PING")]
    UnaskedPong,
    #[error("request after the edge's DRAIN, or a second DRAIN")]
    AfterDrain,
}

/// A head that cannot be used. The stream it came on is reset with [`Reason::BadHead`]; the carrier lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    #[error("head is cut short or has bytes left over")]
    Malformed,
    #[error("method is not a token of at most 32 bytes")]
    Method,
    #[error("host, path or query holds a byte it cannot hold")]
    Target,
    #[error("header name is not lowercase letters, digits and hyphens")]
    Name,
    #[error("header value holds a control character")]
    Value,
    #[error("too many header fields or too many bytes of them")]
    TooLarge,
}

/// Why a stream ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The sender no longer wants it: the client has gone, or another gate was asked.
    Cancelled,
    /// Not taken: no such workload, no room, or draining. The workload has not been touched.
    Refused,
    /// Dropped in mid-course for want of memory.
    Overloaded,
    /// No GO came in time. The workload has not been touched.
    ParkExpired,
    /// A head or trailer section that cannot be used.
    BadHead,
    /// The workload does not take connections. It has not been touched.
    WorkloadUnreachable,
    /// The workload broke off, or its answer is no HTTP.
    WorkloadFailed,
    /// The workload did not answer in time.
    WorkloadTimeout,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// A fault of the sender.
    Internal,
    /// Answers a RESET: nothing more comes. Any other number means [`Reason::Internal`].
    Closed,
}

impl Reason {
    /// The number on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Cancelled => 1,
            Self::Refused => 2,
            Self::Overloaded => 3,
            Self::ParkExpired => 4,
            Self::BadHead => 5,
            Self::WorkloadUnreachable => 6,
            Self::WorkloadFailed => 7,
            Self::WorkloadTimeout => 8,
            Self::BodyTooLarge => 9,
            Self::Internal => 10,
        }
    }

    /// From the wire; numbers of later versions read as [`Reason::Internal`].
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Closed,
            1 => Self::Cancelled,
            2 => Self::Refused,
            3 => Self::Overloaded,
            4 => Self::ParkExpired,
            5 => Self::BadHead,
            6 => Self::WorkloadUnreachable,
            7 => Self::WorkloadFailed,
            8 => Self::WorkloadTimeout,
            9 => Self::BodyTooLarge,
            _ => Self::Internal,
        }
    }

    /// Whether a gate that gives this reason vows that the workload saw nothing of the request, so that it may be
    /// sent again whatever its method, even after GO.
    pub const fn is_untouched(self) -> bool {
        matches!(self, Self::Refused | Self::ParkExpired | Self::WorkloadUnreachable)
    }
}

/// An operation on a stream that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The peer, or we ourselves, reset the stream.
    #[error("stream was reset: {0:?}")]
    Reset(Reason),
    /// The carrier is dead; see [`crate::Connection::death`].
    #[error("the tunnel connection is gone")]
    Dead,
    /// The caller's fault: not in this order, not on this side, or a stream already released.
    #[error("not possible in this state of the stream")]
    State,
    /// Over the agreed limit; nothing was sent.
    #[error("head is larger than the tunnel carries")]
    HeadTooLarge,
}

/// A request that was not sent. All of these are safe to try elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("the tunnel connection is gone")]
    Dead,
    #[error("the tunnel connection is draining")]
    Draining,
    #[error("all streams of the tunnel connection are in use")]
    TooManyStreams,
    #[error("the tunnel connection has too much unsent")]
    Congested,
    #[error("head is larger than the tunnel carries")]
    HeadTooLarge,
    /// Only an edge opens streams.
    #[error("not possible on this side")]
    Role,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Death {
    #[error("the carrier was closed")]
    Closed,
    #[error("nothing heard for too long")]
    Silent,
    #[error("the peer broke the protocol: {0}")]
    Violation(#[from] Violation),
    #[error("the peer closed: {}", .0.message)]
    Refused(Refused),
    #[error("closed by us")]
    Local,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_round_trip_and_unknown_ones_promise_nothing() {
        for code in 0..=10 {
            assert_eq!(Reason::from_code(code).code(), code);
        }
        for code in 11..=255 {
            assert_eq!(Reason::from_code(code), Reason::Internal);
            assert!(!Reason::from_code(code).is_untouched());
        }
    }
}
