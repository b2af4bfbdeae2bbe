//! Asks an instance: the API's paths and types over whichever way leads there.

use hyper::{Method, header};
use mezu_api::{Page, Problem, paths};
use serde::Serialize;
use serde::de::DeserializeOwned;

use mezu_model::Label;

use super::args::ClientArgs;
use super::credential::Credential;
use super::out::Failure;
use super::way::{Asked, Way};
use crate::api;

/// Names a token, for who keeps no login.
pub(super) const TOKEN: &str = "MEZUSPHERE_TOKEN";

/// Runs a command's future on a small runtime.
///
/// # Errors
/// The command's.
pub(super) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// Somebody who asks an instance.
pub(super) struct Client {
    way: Way,
    token: Option<String>,
    org: Option<Label>,
}

impl Client {
    /// The instance that the flags and the environment name: an address, else a data directory, else the one of the
    /// login, else the one in the usual place on this machine.
    ///
    /// # Errors
    /// When a remote one is named and nothing says who asks, or the login cannot be read.
    pub(super) fn new(args: &ClientArgs) -> Result<Self, Failure> {
        let socket = || Way::Socket(args.data.directory().join(api::SOCKET));
        let local = |way| Self { way, token: None, org: args.org.clone() };
        if args.api.is_none() && args.data.data.is_some() {
            return Ok(local(socket()));
        }
        let kept = Credential::load()?;
        let Some(url) = args.api.as_ref() else {
            let Some(kept) = kept else { return Ok(local(socket())) };
            let odd = |_| Failure::Refused("the login is damaged; run `mezusphere login` again".into());
            let url = kept.api.parse().map_err(odd)?;
            let way = Way::Remote { url, ca: args.ca.clone().or(kept.ca) };
            let token = from_environment().unwrap_or(kept.token);
            return Ok(Self { way, token: Some(token), org: args.org.clone().or(Some(kept.org)) });
        };
        let kept = kept.filter(|kept| kept.api == url.to_string());
        let (known, org, ca) = kept.map_or((None, None, None), |kept| (Some(kept.token), Some(kept.org), kept.ca));
        let none = || {
            let detail =
                format!("nothing says who asks {url}: run `mezusphere login {url}`, or set {TOKEN} to a token");
            Failure::Refused(detail)
        };
        let token = from_environment().or(known).ok_or_else(none)?;
        let way = Way::Remote { url: url.clone(), ca: args.ca.clone().or(ca) };
        Ok(Self { way, token: Some(token), org: args.org.clone().or(org) })
    }

    /// Somebody with a token at an address.
    pub(super) fn with_token(way: Way, token: String, org: Option<Label>) -> Self {
        Self { way, token: Some(token), org }
    }

    /// Where it asks.
    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Whether it asks as the operator of the machine.
    pub(super) fn is_operator(&self) -> bool {
        matches!(self.way, Way::Socket(_))
    }

    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, None::<&()>, None).await
    }

    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::POST, path, Some(body), None).await
    }

    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.ask(Method::PATCH, path, Some(body), None).await
    }

    /// Replaces what has this version; a newer one is left alone.
    ///
    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        version: i64,
    ) -> Result<T, Failure> {
        self.ask(Method::PUT, path, Some(body), Some(version)).await
    }

    /// Asks for something to be done that needs no further words.
    ///
    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn order<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::POST, path, None::<&()>, None).await
    }

    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.ask(Method::DELETE, path, None::<&()>, None).await
    }

    /// All of a list, part by part. `path` may have a query.
    ///
    /// # Errors
    /// What the instance refuses, or that it was not reached.
    pub(super) async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let mut all = Vec::new();
        let mut part = format!("{path}{sign}limit=200");
        loop {
            let page: Page<T> = self.get(&part).await?;
            all.extend(page.items);
            match page.next {
                Some(next) => part = format!("{path}{sign}limit=200&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// The path of what the org owns: of the one that was named, or of the only one there is.
    ///
    /// # Errors
    /// What the instance refuses, that it was not reached, or that an org must be named.
    pub(super) async fn org(&self, below: &str) -> Result<String, Failure> {
        let name = match &self.org {
            Some(name) => name.to_string(),
            None => {
                let orgs: Vec<mezu_api::org::Org> = self.all(&format!("{}/orgs", paths::BASE)).await?;
                let names: Vec<String> = orgs.iter().map(|org| org.name.to_string()).collect();
                match names.as_slice() {
                    [only] => only.clone(),
                    [] => return Err(Failure::Refused("there is no org yet; see `mezusphere org create`".into())),
                    several => {
                        let detail = format!("there are several orgs; say --org with one of {}", several.join(", "));
                        return Err(Failure::Refused(detail));
                    }
                }
            }
        };
        Ok(format!("{}/orgs/{name}{below}", paths::BASE))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        version: Option<i64>,
    ) -> Result<T, Failure> {
        let body = body.map(serde_json::to_vec).transpose().map_err(std::io::Error::other)?.unwrap_or_default();
        let mut headers = vec![(header::CONTENT_TYPE, "application/json".to_string())];
        headers.extend(self.token.as_ref().map(|token| (header::AUTHORIZATION, format!("Bearer {token}"))));
        headers.extend(version.map(|version| (header::IF_MATCH, format!("\"{version}\""))));
        let got = self.way.ask(Asked { method, path: path.to_string(), headers, body }).await?;
        if got.status.is_success() {
            if let Some(late) = got.headers.get(paths::LATE).and_then(|late| late.to_str().ok()) {
                super::out::warn(format_args!("it is stored and not served yet: {late}"));
            }
            return read(&self.way, &got.body);
        }
        Err(self.refusal(problem(&self.way, got.status, &got.body)))
    }

    fn refusal(&self, mut failure: Failure) -> Failure {
        if let (Failure::Problem(problem), Way::Remote { url, .. }) = (&mut failure, &self.way)
            && problem.code == "unauthenticated"
        {
            problem.detail = format!("{url} does not know this token (any more): run `mezusphere login {url}`");
        }
        failure
    }
}

/// An answer of that type.
///
/// # Errors
/// When it is another.
pub(super) fn read<T: DeserializeOwned>(way: &Way, body: &[u8]) -> Result<T, Failure> {
    let told = serde_json::from_slice(if body.is_empty() { b"null" } else { body });
    told.map_err(|_| {
        Failure::Refused(match way {
            Way::Socket(_) => "the instance is of another version: stop and start it".into(),
            Way::Remote { url, .. } => format!("{url} is no Mezusphere of this version"),
        })
    })
}

/// What a refusal says.
pub(super) fn problem(way: &Way, status: hyper::StatusCode, body: &[u8]) -> Failure {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => Failure::Problem(Box::new(problem)),
        Err(_) => Failure::Refused(format!("{way} answered {status}, and not as a Mezusphere does")),
    }
}

fn from_environment() -> Option<String> {
    std::env::var(TOKEN).ok().map(|token| token.trim().to_string()).filter(|token| !token.is_empty())
}
