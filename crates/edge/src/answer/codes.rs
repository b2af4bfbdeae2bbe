//! The numbered errors: every code, what it means and whom it concerns. `docs/errors/` has a page for each.
//!
//! The first digit tells the blame: 1 client, 2 gate, 3 workload, 4 the edge itself. A code is never given a second
//! meaning; one that is no longer used stays reserved.

use super::{Blame, Retry};

/// One kind of error as the outside sees it.
#[derive(Debug)]
pub struct Entry {
    pub code: &'static str,
    pub status: u16,
    pub blame: Blame,
    pub retry: Retry,
    /// Seconds for `retry-after`; 0 for none.
    pub retry_after: u8,
    pub title: &'static str,
    /// What happened, in one or two sentences.
    pub what: &'static str,
    /// What a visitor can do.
    pub visitor: &'static str,
    /// What the owner of the site can do.
    pub owner: &'static str,
}

macro_rules! codes {
    ($($name:ident $code:literal $status:literal $blame:ident $retry:ident $after:literal
        $title:literal what $what:literal visitor $visitor:literal owner $owner:literal)+) => {
        /// A numbered error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Code { $($name),+ }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// What the outside is told.
            #[must_use]
            pub const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$name => &Entry {
                        code: $code, status: $status, blame: Blame::$blame, retry: Retry::$retry, retry_after: $after,
                        title: $title, what: $what, visitor: $visitor, owner: $owner,
                    }),+
                }
            }
        }
    };
}

codes! {
    Malformed "MEZU-1001" 400 Client Never 0
        "The request is malformed"
        what "The request can be read in more than one way, or not at all, so it went no further than the edge."
        visitor "Check the address. If you followed a link, it may be broken."
        owner "The detail names the rule that was broken; a client or a proxy in front of it sends what it should not."
    HeadTimeout "MEZU-1002" 408 Client Always 0
        "The request took too long to arrive"
        what "The request's head did not arrive in time."
        visitor "Try again; a slow or broken connection is the usual cause."
        owner "A client that opens connections before it has something to say will see this. It is safe to repeat."
    MethodNotAllowed "MEZU-1003" 405 Client Never 0
        "This method is not allowed"
        what "CONNECT and TRACE are never passed on."
        visitor "Nothing you did in a browser should cause this."
        owner "Use another method."
    UriTooLong "MEZU-1004" 414 Client Never 0
        "The address is too long"
        what "Path and query together are longer than the edge takes."
        visitor "Shorten the address, or go back and start over."
        owner "Send long data in a request body. A redirect loop that adds to the address is a frequent cause."
    Expectation "MEZU-1005" 417 Client Never 0
        "The expectation cannot be met"
        what "The request carries an Expect header other than 100-continue."
        visitor "Nothing you did in a browser should cause this."
        owner "Remove the Expect header, or send 100-continue."
    WebSocketVersion "MEZU-1006" 426 Client Never 0
        "This WebSocket version is not supported"
        what "Only version 13 of the WebSocket protocol is spoken."
        visitor "Update your browser or app."
        owner "Use a client that speaks RFC 6455."
    HeadersTooLarge "MEZU-1007" 431 Client Never 0
        "The request's headers are too large"
        what "The header fields are too many or too long. Most often cookies have piled up."
        visitor "Delete this site's cookies and try again."
        owner "Keep less in cookies: one short session id instead of the session itself."
    VersionNotSupported "MEZU-1008" 505 Client Never 0
        "This HTTP version is not supported"
        what "The edge speaks HTTP/1.0, HTTP/1.1 and HTTP/2."
        visitor "Update your browser or app."
        owner "Use a client that speaks HTTP/1.1 or HTTP/2."
    Misdirected "MEZU-1009" 421 Client Always 0
        "The request came over the wrong connection"
        what "The connection was opened for another hostname, so this one cannot be served over it."
        visitor "Try again: your browser will open a fresh connection."
        owner "The client reused a connection beyond the names of its certificate. It should repeat the request on a new one."
    UnknownHost "MEZU-1010" 404 Client Never 0
        "There is no site at this address"
        what "Nobody has claimed this hostname here."
        visitor "Check the spelling of the address."
        owner "Add a route for this hostname, or start Warpgate with the name you meant."
    NoRoute "MEZU-1011" 404 Client Never 0
        "Nothing is served at this path"
        what "The hostname is known, but none of its routes covers this path."
        visitor "Check the address, or start from the site's front page."
        owner "Add a route whose path prefix covers this path."
    BodyTooLarge "MEZU-1012" 413 Client Never 0
        "The upload is too large"
        what "The request's body is longer than this route takes."
        visitor "Send a smaller file."
        owner "Raise the route's body limit if uploads of this size are wanted."
    BodyTooSlow "MEZU-1013" 408 Client IfUnsent 0
        "The upload is too slow"
        what "The request's body arrived more slowly than the lowest rate that is accepted, or stopped arriving."
        visitor "Try again over a better connection."
        owner "Clients must keep sending; upload in parts where connections are poor."
    ClientGone "MEZU-1014" 499 Client IfUnsent 0
        "The client went away"
        what "The client closed the connection or cancelled the request before the answer was complete."
        visitor "Nobody sees this page; the code stands in the access log."
        owner "A share of these is normal. Many of them mean that answers take longer than people wait."
    AddressRefused "MEZU-1015" 403 Client Never 0
        "Not from this address"
        what "This site does not take requests from the network that yours came from."
        visitor "Try from another network, or over your organisation's VPN. The site's owner decides who may come in."
        owner "The route's `ip_access` refuses this address. Look at its rules if it should not."
    OriginRefused "MEZU-1016" 403 Client Never 0
        "Not for pages of this site"
        what "A page of another site asked whether it may use this one, and its origin is not among those that may."
        visitor "The page that you are on was not made to work with this site. Its owner has to mend that."
        owner "Add the page's origin, as its `Origin` header says it, to the route's `cors`."
    RateLimited "MEZU-1017" 429 Client Always 1
        "Too many requests"
        what "More requests came than this site takes in this time."
        visitor "Wait a little before you try again."
        owner "The route's `rate_limit` says how many are taken, and for whom they are counted. `RateLimit` in the answer says what is left."
    PathRefused "MEZU-1018" 400 Client Never 0
        "This path leads nowhere"
        what "The route changes paths before they reach the site, and what it makes of this one is not a path."
        visitor "Check the address, or start from the site's front page."
        owner "The route's `rewrite` does not fit this path. Try it with the path from the access log."
    NoSuchLabel "MEZU-1019" 404 Client Never 0
        "This preview is not there"
        what "The address is that of a preview, and no gate that serves it is connected. Previews go when the program behind them stops."
        visitor "Ask whoever gave you the address; the site itself is at the address without the part up to the two hyphens."
        owner "Start Warpgate with `--label` again. It is there for as long as that Warpgate is connected."
    NoGate "MEZU-2001" 503 Gate Always 5
        "This site is not connected right now"
        what "The hostname is known, but no gate for it is connected. The program that links the site to us is not running or cannot reach us."
        visitor "Try again in a moment."
        owner "Start Warpgate where the site runs. If it is running, `warpgate diag` says what stands in its way."
    GateLost "MEZU-2002" 503 Gate Always 1
        "The connection to the site was lost"
        what "The gate went away before it had passed your request on. Nothing reached the site."
        visitor "Try again: it is safe."
        owner "Nothing was delivered, so any request may be repeated. Run two gates to survive the loss of one unnoticed."
    GateLostAfterSend "MEZU-2003" 502 Gate IfUnsent 0
        "The connection to the site broke off"
        what "The gate went away after your request was on its way. The site may have received it, once at most."
        visitor "Before you send it again, check whether it took effect."
        owner "Repeat only what may be done twice. The edge never does so on its own for such requests."
    GateTimeout "MEZU-2004" 504 Gate IfUnsent 1
        "The connection to the site went silent"
        what "The gate did not react in time."
        visitor "Try again in a moment."
        owner "Look at the network between the site and the edge; `warpgate diag` measures it."
    GateBusy "MEZU-2005" 503 Gate Always 1
        "The site is busy"
        what "Every gate of this site has as many requests in flight as it may have, and the queue is full."
        visitor "Try again in a moment."
        owner "The workload answers too slowly for its load, or more gates are needed."
    GateRefused "MEZU-2006" 502 Gate Never 0
        "The gate refused the request"
        what "The gate does not offer what the route asks of it."
        visitor "Only the site's owner can mend this."
        owner "Warpgate forwards only to the targets it was started with. Compare the route's workload with them."
    GateProtocol "MEZU-2007" 502 Gate IfUnsent 0
        "The gate answered with nonsense"
        what "What the gate sent broke the tunnel's protocol, so the connection to it was closed."
        visitor "Try again in a moment."
        owner "Update Warpgate. If it is up to date, this is a bug: please report it with the ray id."
    OrgBusy "MEZU-2008" 503 Gate Always 1
        "The sites of this organisation are busy"
        what "All sites of this organisation together have as many requests in flight as they may have."
        visitor "Try again in a moment."
        owner "One of your workloads answers too slowly for its load. The access log tells which: look for long `workload_us`."
    NoHealthyGate "MEZU-2009" 503 Gate Always 5
        "This site is not well right now"
        what "The site is connected, and says of itself that it cannot take requests: its health check fails everywhere."
        visitor "Try again in a moment."
        owner "Warpgate's log and live view say what the check of `--health-path` got. Requests come again once it succeeds."
    WorkloadUnreachable "MEZU-3001" 502 Workload Always 1
        "The site does not answer its door"
        what "The gate is connected, but the web server behind it refuses connections."
        visitor "Try again in a moment."
        owner "Is the workload running, on the port that Warpgate was given? The gate tried to connect and could not."
    WorkloadTimeout "MEZU-3002" 504 Workload IfUnsent 0
        "The site takes too long to answer"
        what "The web server has the request, but has not begun to answer in time."
        visitor "Try again later. If you sent something, check first whether it took effect."
        owner "Look for what the workload waits on. Long work is better answered at once and fetched later."
    WorkloadBadResponse "MEZU-3003" 502 Workload IfUnsent 0
        "The site gave an answer that makes no sense"
        what "The web server's answer breaks the rules of HTTP, so it was not passed on."
        visitor "Only the site's owner can mend this."
        owner "Warpgate's log names the rule. Headers too many or too long, two lengths, or line breaks in a value are usual."
    WorkloadReset "MEZU-3004" 502 Workload IfUnsent 0
        "The site broke off"
        what "The web server closed the connection before its answer was complete."
        visitor "Try again. If you sent something, check first whether it took effect."
        owner "Look for a crash or a restart of the workload at that moment."
    WorkloadStalled "MEZU-3005" 504 Workload IfUnsent 0
        "The site stopped in mid-answer"
        what "The web server began to answer and then sent nothing more for too long."
        visitor "Try again later."
        owner "A stream that is quiet for long should send a comment or a ping now and then."
    Maintenance "MEZU-3006" 503 Workload Always 60
        "Down for maintenance"
        what "The owner of this site has taken it out of service for a while."
        visitor "Come back a little later."
        owner "The route's `respond` shows this page. Remove it to bring the site back."
    RouteBusy "MEZU-3007" 503 Workload Always 1
        "The site takes no more at once"
        what "As many requests are in flight as the site's owner lets through at once."
        visitor "Try again in a moment."
        owner "The route's `concurrency` says how many. If the workload can take more, raise it."
    Overloaded "MEZU-4001" 503 Ours Always 1
        "Too busy at the moment"
        what "The edge has more requests than it takes on at once, and turned this one away at the door."
        visitor "Try again in a moment."
        owner "Nothing of yours is at fault. If it lasts, the edge needs more room."
    Draining "MEZU-4002" 503 Ours Always 1
        "The edge is restarting"
        what "This edge is finishing its last requests and takes on no new ones."
        visitor "Try again: another edge, or its successor, will answer."
        owner "It is safe to repeat the request."
    Starting "MEZU-4003" 503 Ours Always 2
        "The edge is starting"
        what "This edge is up, but has not learned yet which sites it serves."
        visitor "Try again in a moment."
        owner "If it lasts, the edge's log says what it waits for."
    Internal "MEZU-4004" 500 Ours IfUnsent 0
        "Something went wrong on our side"
        what "The edge met a situation that it should never be in."
        visitor "Try again. If you sent something, check first whether it took effect."
        owner "This is a bug. Please report it with the ray id; the edge's log has the details."
}
