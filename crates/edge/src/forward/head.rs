//! What an answer's head says about its body, and what a gate's reset says about the request.

use mezu_model::{ResponseHead, known};
use mezu_tunnel::proto::{Reason, StreamError};

use super::failure::Failure;
use crate::answer::EdgeError;
use crate::http::{BadRequest, ResponseLength, is_conversation, is_of_kind};

/// The length of the answer's body; `None` when the head contradicts itself (threat 25).
pub(super) fn length(head: &ResponseHead, to_head: bool) -> Option<ResponseLength> {
    let mut values = head.headers.find_all(known::CONTENT_LENGTH);
    let declared = match (values.next(), values.next()) {
        (None, _) => None,
        (Some(value), None) => Some(digits(value)?),
        (Some(_), Some(_)) => return None,
    };
    let bodiless = is_bodiless(head, to_head);
    Some(match declared {
        Some(0) if !bodiless => ResponseLength::Empty,
        Some(length) => ResponseLength::Sized(length),
        None if bodiless => ResponseLength::Empty,
        None => ResponseLength::Unknown,
    })
}

/// RFC 9110 §6.4.1: these have no body; a length is a statement about another answer.
pub(super) fn is_bodiless(head: &ResponseHead, to_head: bool) -> bool {
    to_head || matches!(head.status, 204 | 304)
}

/// RFC 9110 §8.6: 1*DIGIT, nothing else.
fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Whether it is in the nature of this answer to fall silent for long: event streams and gRPC.
pub(super) fn may_rest(head: &ResponseHead) -> bool {
    is_conversation(&head.headers) || is_of_kind(&head.headers, b"text/event-stream")
}

/// What it means that a stream broke before the head of its answer.
pub(super) fn failure(error: StreamError) -> Failure {
    match error {
        StreamError::Reset(reason) => reset(reason),
        StreamError::Dead => Failure::Lost,
        StreamError::HeadTooLarge => Failure::Final(EdgeError::BadRequest(BadRequest::HeadersTooLarge)),
        StreamError::State => Failure::Final(EdgeError::Internal("tunnel stream in a wrong state")),
    }
}

/// What it means that a stream broke in the middle of an answer.
pub(super) fn broken(error: StreamError) -> EdgeError {
    match error {
        StreamError::Reset(Reason::WorkloadTimeout) => EdgeError::WorkloadStalled,
        StreamError::Reset(Reason::WorkloadFailed) => EdgeError::WorkloadReset,
        StreamError::Reset(Reason::BadHead) => EdgeError::WorkloadBadResponse,
        _ => EdgeError::GateLost { sent: true },
    }
}

fn reset(reason: Reason) -> Failure {
    match reason {
        Reason::Refused => Failure::Unseen(EdgeError::GateRefused),
        Reason::ParkExpired => Failure::Unseen(EdgeError::GateTimeout),
        Reason::WorkloadUnreachable => Failure::Unseen(EdgeError::WorkloadUnreachable),
        Reason::Overloaded => Failure::Final(EdgeError::GateBusy),
        Reason::BadHead => Failure::Final(EdgeError::WorkloadBadResponse),
        Reason::WorkloadFailed => Failure::Final(EdgeError::WorkloadReset),
        Reason::WorkloadTimeout => Failure::Final(EdgeError::WorkloadTimeout),
        Reason::BodyTooLarge => Failure::Final(EdgeError::GateRefused),
        Reason::Internal => Failure::Final(EdgeError::GateLost { sent: true }),
        Reason::Cancelled | Reason::Closed => Failure::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        use ResponseLength::{Empty, Sized, Unknown};
        type Row<'a> = (u16, bool, &'a [&'a [u8]], Option<ResponseLength>);
        let table: [Row<'_>; 12] = [
            (200, false, &[], Some(Unknown)),
            (200, false, &[b"0"], Some(Empty)),
            (200, false, &[b"12"], Some(Sized(12))),
            (200, true, &[b"12"], Some(Sized(12))),
            (200, true, &[], Some(Empty)),
            (204, false, &[], Some(Empty)),
            (304, false, &[b"5"], Some(Sized(5))),
            (200, false, &[b"1", b"1"], None),
            (200, false, &[b"+1"], None),
            (200, false, &[b"1, 1"], None),
            (200, false, &[b""], None),
            (200, false, &[b"99999999999999999999"], None),
        ];
        for (status, to_head, lengths, expected) in table {
            let mut head = ResponseHead::new(status);
            lengths.iter().for_each(|value| head.headers.push_known(known::CONTENT_LENGTH, value));
            assert_eq!(length(&head, to_head), expected, "{status} {to_head} {lengths:?}");
        }
    }

    #[test]
    fn patience_is_for_streams_by_nature() {
        for (kind, patient) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("application/grpc+proto", true),
            ("text/html", false),
            ("", false),
        ] {
            let mut head = ResponseHead::new(200);
            head.headers.push_known(known::CONTENT_TYPE, kind.as_bytes());
            assert_eq!(may_rest(&head), patient, "{kind}");
        }
    }
}
