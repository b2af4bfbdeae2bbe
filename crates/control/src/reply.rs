//! What an operation answers when it is done.

use mezu_api::Page;
use serde::Serialize;

use crate::{Publication, Refused};

/// What an operation comes to.
pub type Answer<T> = Result<Reply<T>, Refused>;

/// The answer to something done.
#[derive(Clone, Debug)]
pub struct Reply<T> {
    pub(crate) status: u16,
    /// `None`: an answer without a body.
    pub(crate) body: Option<T>,
    /// What a repeated request is answered, where the body holds a secret that is told once.
    pub(crate) again: Option<String>,
    pub(crate) version: Option<i64>,
    pub(crate) published: Option<Publication>,
    /// A `Set-Cookie`.
    pub(crate) cookie: Option<String>,
}

impl<T: Serialize> Reply<T> {
    /// What was asked for.
    #[must_use]
    pub fn ok(body: T) -> Self {
        Self { status: 200, body: Some(body), again: None, version: None, published: None, cookie: None }
    }

    /// What was made.
    #[must_use]
    pub fn created(body: T) -> Self {
        Self { status: 201, ..Self::ok(body) }
    }

    /// The same with the version that `If-Match` is held against, as an `ETag`.
    #[must_use]
    pub fn version(self, version: i64) -> Self {
        Self { version: Some(version), ..self }
    }

    /// The same for a body with a secret: a repeated request is answered with `bare` instead, so that the store never
    /// holds the secret.
    #[must_use]
    pub fn once(self, bare: &T) -> Self {
        Self { again: Some(json(bare)), ..self }
    }

    /// The same with a cookie to be set.
    #[must_use]
    pub(crate) fn cookie(self, cookie: String) -> Self {
        Self { cookie: Some(cookie), ..self }
    }

    /// What is kept for a repeated request.
    pub(crate) fn kept(&self) -> String {
        self.again.clone().unwrap_or_else(|| self.body.as_ref().map(json).unwrap_or_default())
    }
}

impl Reply<()> {
    /// Done, and there is nothing to tell.
    #[must_use]
    pub fn done() -> Self {
        Self { status: 204, body: None, again: None, version: None, published: None, cookie: None }
    }
}

impl<T: Serialize> Reply<Page<T>> {
    /// A part of a list.
    #[must_use]
    pub fn page<S>(page: mezu_store::Page<S>, item: impl FnMut(S) -> T) -> Self {
        Self::ok(Page { items: page.items.into_iter().map(item).collect(), next: page.next })
    }
}

/// A value of ours as JSON text; it cannot fail for what has no maps with odd keys.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_string())
}
