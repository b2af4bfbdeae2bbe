//! The stable codes of problems. `docs/api-errors.md` has a section for each.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $code:literal $status:literal $title:literal)+) => {
        /// What kind of problem it is. A code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name),+ }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The code's text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The HTTP status that it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }

            /// The kind in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }
        }
    };
}

codes! {
    /// The request cannot be read.
    Malformed "malformed" 400 "The request cannot be read"
    /// Nobody is known to be asking.
    Unauthenticated "unauthenticated" 401 "Sign in first"
    /// Address, password or both are wrong.
    WrongCredentials "wrong_credentials" 401 "Wrong address or password"
    /// The password is right and a code of the second factor is needed.
    CodeRequired "code_required" 401 "A code is needed too"
    /// The code of the second factor is wrong, too old or was used.
    WrongCode "wrong_code" 401 "Wrong code"
    /// The asker's role does not do.
    Forbidden "forbidden" 403 "Not allowed"
    /// The request came from another site's page.
    CrossSite "cross_site" 403 "From another site"
    /// The `Host` is not one of this server's names.
    WrongHost "wrong_host" 421 "Not a name of this server"
    /// There is no such thing, for this asker.
    NotFound "not_found" 404 "Not found"
    /// There is no such operation.
    NoOperation "no_operation" 404 "No such operation"
    /// The path has no such method.
    WrongMethod "wrong_method" 405 "Wrong method"
    /// Another thing has that name.
    Taken "taken" 409 "Taken already"
    /// A live key has that name.
    KeyNameTaken "key_name_taken" 409 "A key has that name"
    /// A route leads there already.
    RouteTaken "route_taken" 409 "A route is there"
    /// The hostname belongs to another org.
    HostTaken "host_taken" 409 "The hostname is taken"
    /// The hostname waits for the org that gave it up.
    HostQuarantined "host_quarantined" 409 "The hostname is kept back"
    /// The org would be left without an owner.
    LastOwner "last_owner" 409 "The last owner"
    /// Other things still need it.
    InUse "in_use" 409 "Still in use"
    /// As many as there may be.
    LimitReached "limit_reached" 409 "Limit reached"
    /// What the change rests on is not so any more.
    Conflict "conflict" 409 "Not as things are"
    /// The first run is over.
    SetupClosed "setup_closed" 409 "Set up already"
    /// It was changed since it was read.
    Stale "stale" 412 "Changed meanwhile"
    /// The body is too large.
    TooLarge "too_large" 413 "Body too large"
    /// The body is not said to be JSON.
    WrongMediaType "wrong_media_type" 415 "JSON only"
    /// A value is not one that may stand there.
    Invalid "invalid" 422 "Not valid"
    /// The same idempotency key came with another request.
    IdempotencyMismatch "idempotency_mismatch" 422 "Key used for another request"
    /// Too many failed attempts.
    TooManyAttempts "too_many_attempts" 429 "Too many attempts"
    /// Something failed on our side.
    Internal "internal" 500 "Our fault"
    /// The store does not answer.
    StoreUnavailable "store_unavailable" 503 "The store does not answer"
    /// Too much is going on.
    Busy "busy" 503 "Busy"
}
