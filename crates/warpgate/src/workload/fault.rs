//! What can go wrong at the workload, as the edge is told.

/// Why a request got no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The edge reset the stream or the tunnel is gone: there is nobody to answer.
    #[error("the edge gave the request up")]
    EdgeGone,
    #[error("the workload takes no connections")]
    Refused,
    #[error("the workload did not accept a connection in time")]
    ConnectTimeout,
    #[error("the workload did not answer in time")]
    Timeout,
    #[error("the workload closed the connection before it answered")]
    Closed,
    #[error("the workload's answer is broken: {0}")]
    BadResponse(#[from] BadResponse),
    #[error("the request's body is not as long as it says")]
    BadRequest,
    #[error("the request's head or trailers cannot be used")]
    BadHead,
    #[error("the edge named a workload that this gate does not have")]
    UnknownWorkload,
    #[error("too many requests are in flight")]
    Overloaded,
    #[error("the edge did not release the request in time")]
    Parked,
    #[error("internal fault")]
    Internal,
}

/// What a workload's response breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadResponse {
    #[error("its head is no HTTP/1 head")]
    Head,
    #[error("its head or trailers are too large")]
    TooLarge,
    #[error("its status is not possible here")]
    Status,
    #[error("its length is stated twice or wrongly")]
    Framing,
    #[error("its chunks are malformed")]
    Chunk,
    #[error("it sends interim answers without end")]
    TooManyInterim,
    #[error("it sends bytes after its end")]
    Surplus,
    #[error("it ends within its head")]
    ClosedInHead,
    #[error("it ends within its body")]
    ClosedInBody,
    #[error("it accepts a WebSocket with the wrong proof")]
    WebSocketAccept,
}
