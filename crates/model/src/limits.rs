//! Every limit and timeout of the data path, with its default. There is no other place.
//!
//! Source: the design's reliability review, section 4 (what Envoy, HAProxy, nginx, hyper and h2 do, and why these
//! figures differ).

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Limits of one edge. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Request head: Σ name + value + 32 per field.
    pub header_bytes: usize,
    /// Fields in a head, cookie crumbs counted one by one.
    pub header_count: usize,
    /// Fields in trailers.
    pub trailer_count: usize,
    /// Heads held by one connection at once, before a stream is refused.
    pub retained_header_bytes: usize,
    /// Request line or `:path`.
    pub uri_bytes: usize,
    /// From the first byte of a head to its last.
    pub header_read: Duration,
    /// TCP accept to finished TLS handshake.
    pub handshake: Duration,
    /// Handshakes under way per worker.
    pub handshakes_open: usize,
    /// New handshakes per second and worker.
    pub handshakes_per_second: u32,
    /// Idle HTTP/1 connection.
    pub keep_alive_h1: Duration,
    /// Idle HTTP/2 connection.
    pub keep_alive_h2: Duration,
    /// Idle connection while the edge is short of connections.
    pub keep_alive_under_pressure: Duration,
    /// What a slow head may take, and what a slow body may keep us waiting, while places are short.
    pub patience_under_pressure: Duration,
    /// A request or response body that does not move.
    pub stream_idle: Duration,
    /// The same for event streams and WebSockets.
    pub stream_idle_long: Duration,
    /// Warpgate to workload connect.
    pub workload_connect: Duration,
    /// Request sent to first byte of the answer.
    pub workload_first_byte: Duration,
    /// Streams at once on an HTTP/2 connection.
    pub concurrent_streams: u32,
    /// Streams in the life of an HTTP/2 connection, then GOAWAY; see `docs/adr/0007`.
    pub streams_per_connection: u32,
    /// Client resets in [`Self::reset_window`], then close.
    pub client_resets: u32,
    pub reset_window: Duration,
    /// Resets that the client provoked from us, then close.
    pub server_resets: u32,
    /// HTTP/2 receive window of a stream and of a connection, and the most that a stream's grows to.
    pub h2_stream_window: u32,
    pub h2_stream_window_max: u32,
    pub h2_connection_window: u32,
    /// Default of the `body_limit` stage, and the most that the stage takes. A route without the stage has no limit.
    pub body_bytes: u64,
    pub body_bytes_max: u64,
    /// Body bytes held per stream and direction.
    pub stream_buffer: usize,
    /// Unread request body drained after an early answer, then close.
    pub drain_body: usize,
    /// Slowest body either way, bytes per second over [`Self::min_rate_window`] after [`Self::min_rate_grace`].
    pub min_rate: u32,
    pub min_rate_window: Duration,
    pub min_rate_grace: Duration,
    /// Connections of one IPv4 address or IPv6 /64.
    pub connections_per_address: usize,
    /// New connections per second of one address, and how many may come at once.
    pub connects_per_second: u32,
    pub connect_burst: u32,
    /// Connections in all.
    pub connections: usize,
    /// Requests that wait for a gate, per workload, and how long.
    pub pending_per_workload: usize,
    pub pending_wait: Duration,
    /// How long after its last gate left a workload's requests still wait for a new one.
    pub gate_return: Duration,
    /// Requests in flight per org and edge, without those that rest: of these an org may have as many as it leaves free
    /// of all. More than that count as in flight.
    pub in_flight_per_org: usize,
    /// Requests in flight per tunnel of a gate and per edge, without those that rest. One client may have twice as many
    /// as it leaves free.
    pub in_flight_per_gate: usize,
    /// WebSockets, event streams and the like per tunnel. More than these count as in flight.
    pub resting_per_gate: usize,
    pub in_flight: usize,
    /// Re-sends: share of requests, floor per second and route, body kept for it.
    pub retry_percent: u32,
    pub retries_per_second: u32,
    pub retry_body: usize,
    /// A gate silent this long gets its repeatable requests sent elsewhere.
    pub gate_silence: Duration,
    /// Bytes that the encoders of answers of one worker may hold. Without room an answer goes out as it is.
    pub encoders: usize,
    /// Copies of requests under way, per worker and of one route. Without a place a request is not copied.
    pub copies: usize,
    pub copies_per_route: usize,
    /// Interim responses per request.
    pub interim_responses: u32,
    /// Tunnel connections of one gate. A key may have sixteen times as many.
    pub tunnels_per_key: usize,
    /// Drain of the whole process.
    pub drain: Duration,
    /// Largest random delay of the close of long streams during drain.
    pub drain_jitter: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 16 * KIB,
            header_count: 100,
            trailer_count: 16,
            retained_header_bytes: 512 * KIB,
            uri_bytes: 8 * KIB,
            header_read: Duration::from_secs(10),
            handshake: Duration::from_secs(5),
            handshakes_open: 500,
            handshakes_per_second: 200,
            keep_alive_h1: Duration::from_secs(60),
            keep_alive_h2: Duration::from_secs(120),
            keep_alive_under_pressure: Duration::from_secs(5),
            patience_under_pressure: Duration::from_secs(4),
            stream_idle: Duration::from_secs(60),
            stream_idle_long: Duration::from_secs(3600),
            workload_connect: Duration::from_secs(1),
            workload_first_byte: Duration::from_secs(30),
            concurrent_streams: 100,
            streams_per_connection: 1_000_000,
            client_resets: 100,
            reset_window: Duration::from_secs(10),
            server_resets: 64,
            h2_stream_window: 64 * 1024,
            h2_stream_window_max: 1024 * 1024,
            h2_connection_window: 1024 * 1024,
            body_bytes: 100 * MIB as u64,
            body_bytes_max: 10 * 1024 * MIB as u64,
            stream_buffer: 64 * KIB,
            drain_body: 64 * KIB,
            min_rate: 500,
            min_rate_window: Duration::from_secs(30),
            min_rate_grace: Duration::from_secs(10),
            connections_per_address: 256,
            connects_per_second: 50,
            connect_burst: 200,
            connections: 50_000,
            pending_per_workload: 256,
            pending_wait: Duration::from_secs(1),
            gate_return: Duration::from_secs(10),
            in_flight_per_org: 4_000,
            in_flight_per_gate: 1_000,
            resting_per_gate: 4_000,
            in_flight: 16_000,
            retry_percent: 10,
            retries_per_second: 3,
            retry_body: 64 * KIB,
            gate_silence: Duration::from_millis(300),
            encoders: 32 * MIB,
            copies: 128,
            copies_per_route: 32,
            interim_responses: 8,
            tunnels_per_key: 16,
            drain: Duration::from_secs(30),
            drain_jitter: Duration::from_secs(300),
        }
    }
}
