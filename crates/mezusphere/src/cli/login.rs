//! `mezusphere login`, `logout` and `whoami`.

use std::time::Duration;

use hyper::{Method, header};
use mezu_api::member::Me;
use mezu_api::org::Org;
use mezu_api::session::SignIn;
use mezu_api::token::{NewToken, Token};
use mezu_api::{Page, paths};
use mezu_model::{Email, Label};
use owo_colors::OwoColorize as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::{ClientArgs, LoginArgs, LogoutArgs};
use super::client::{Client, TOKEN, problem, read};
use super::credential::Credential;
use super::out::{self, Failure};
use super::way::{Asked, Got, Way};
use super::{duration, input};

/// `mezusphere login`.
pub(super) async fn login(args: LoginArgs) -> Result<(), Failure> {
    let ca = args.ca.as_ref().map(std::path::absolute).transpose()?;
    let way = Way::Remote { url: args.url.clone(), ca: ca.clone() };
    let (token, made) = match &args.email {
        Some(email) => {
            let made = make_token(&way, &args, email.clone()).await?;
            let lost = || Failure::Refused("the instance has told no token".into());
            (made.secret.ok_or_else(lost)?, Some(made.id))
        }
        None => (given_token()?, None),
    };
    let client = Client::with_token(way, token.clone(), args.org.clone());
    let me: Me = client.get(&format!("{}/me", paths::BASE)).await?;
    let orgs: Vec<Org> = client.all(&format!("{}/orgs", paths::BASE)).await?;
    let org = chosen(&orgs, args.org.as_ref())?;
    let credential = Credential { api: args.url.to_string(), token, org: org.name.clone(), made, ca };
    let file = credential.keep()?;
    if args.json {
        return out::json(
            &serde_json::json!({ "api": credential.api, "org": org.name, "role": org.role, "file": file }),
        );
    }
    let who = me.email.map_or_else(|| me.kind.clone(), |email| email.to_string());
    out::line(format_args!("Signed in to {} as {}: {} of {}.", args.url, who.bold(), org.role, org.name.bold()))?;
    out::note(format_args!("The token is in {} (mode 0600). `mezusphere logout` forgets it.", file.display()));
    Ok(())
}

/// `mezusphere logout`.
pub(super) async fn logout(args: LogoutArgs) -> Result<(), Failure> {
    let Some(kept) = Credential::load()? else {
        return Err(Failure::Refused("nobody is signed in; see `mezusphere login`".into()));
    };
    let revoked = match kept.made {
        Some(id) => Some(revoke(&kept, &format!("/tokens/{id}")).await),
        None => None,
    };
    // Whatever became of the token: here it is forgotten.
    Credential::forget()?;
    if let Some(Err(failure)) = &revoked {
        out::warn(format_args!("the token is forgotten here and could not be revoked there: {failure}"));
    }
    let is_revoked = matches!(revoked, Some(Ok(())));
    if args.json {
        return out::json(&serde_json::json!({ "api": kept.api, "revoked": is_revoked }));
    }
    let rest = if is_revoked { "; its token is revoked" } else { "" };
    out::line(format_args!("Signed out of {}{rest}.", kept.api))
}

/// `mezusphere whoami`.
pub(super) async fn whoami(args: ClientArgs) -> Result<(), Failure> {
    let client = Client::new(&args)?;
    let me: Me = client.get(&format!("{}/me", paths::BASE)).await?;
    let orgs: Vec<Org> = client.all(&format!("{}/orgs", paths::BASE)).await?;
    if args.json {
        return out::json(&serde_json::json!({ "at": client.way().to_string(), "me": me, "orgs": orgs }));
    }
    let who = match (&me.email, &me.name) {
        (Some(email), Some(name)) => format!("{name} <{email}>"),
        _ => me.kind.clone(),
    };
    let by = if me.kind == "token" { ", by a token" } else { "" };
    out::line(format_args!("{}{by}, at {}", who.bold(), client.way()))?;
    orgs.iter().try_for_each(|org| out::line(format_args!("  {} of {}", org.role, org.name.bold())))
}

/// Signs in, makes a token, and signs out again: what is kept can be seen and revoked by itself.
async fn make_token(way: &Way, args: &LoginArgs, email: Email) -> Result<Token, Failure> {
    let session = Session::begin(way, email).await?;
    let made = session.make_token(args).await;
    // A session that is not ended by this ends by itself.
    let _: Result<(), Failure> = session.ask(Method::DELETE, "/session", None::<&()>).await;
    made
}

/// A member who has signed in.
struct Session<'a> {
    way: &'a Way,
    cookie: String,
}

impl<'a> Session<'a> {
    async fn begin(way: &'a Way, email: Email) -> Result<Self, Failure> {
        let password = input::ask_secretly("Password: ")?;
        let mut asked = SignIn { email, password, code: None };
        let none = Self { way, cookie: String::new() };
        let got = match none.send(Method::POST, "/session", Some(&asked)).await {
            Err(Failure::Problem(problem)) if problem.code == "code_required" => {
                asked.code = Some(input::ask("Code of your second factor: ")?.trim().to_string());
                none.send(Method::POST, "/session", Some(&asked)).await?
            }
            other => other?,
        };
        let cookie = got.headers.get(header::SET_COOKIE).and_then(|value| value.to_str().ok()?.split(';').next());
        let lost = || Failure::Refused(format!("{way} has opened no session"));
        Ok(Self { way, cookie: cookie.ok_or_else(lost)?.to_string() })
    }

    async fn make_token(&self, args: &LoginArgs) -> Result<Token, Failure> {
        let orgs: Page<Org> = self.ask(Method::GET, "/orgs?limit=200", None::<&()>).await?;
        let org = chosen(&orgs.items, args.org.as_ref())?;
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let name: String = format!("mezusphere on {machine}").chars().take(100).collect();
        let role = args.role.map_or(org.role, |role| role.min(org.role));
        let expires_at = duration::in_(Duration::from_secs(u64::from(args.days) * 86_400));
        let new = NewToken { name, role, expires_at };
        self.ask(Method::POST, &format!("/orgs/{}/tokens", org.name), Some(&new)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        read(self.way, &self.send(method, path, body).await?.body)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&impl Serialize>) -> Result<Got, Failure> {
        let body = body.map(serde_json::to_vec).transpose().map_err(std::io::Error::other)?.unwrap_or_default();
        let mut headers = vec![(header::CONTENT_TYPE, "application/json".to_string())];
        if !self.cookie.is_empty() {
            headers.push((header::COOKIE, self.cookie.clone()));
            // A change by a cookie is taken from the instance's own pages alone, and this is as good as one of them.
            headers.push((header::ORIGIN, self.way.to_string()));
        }
        let got = self.way.ask(Asked { method, path: format!("{}{path}", paths::BASE), headers, body }).await?;
        if got.status.is_success() { Ok(got) } else { Err(problem(self.way, got.status, &got.body)) }
    }
}

/// The org that is named, or the only one.
fn chosen<'a>(orgs: &'a [Org], named: Option<&Label>) -> Result<&'a Org, Failure> {
    let names = || orgs.iter().map(|org| org.name.to_string()).collect::<Vec<_>>().join(", ");
    match (named, orgs) {
        (Some(name), _) => orgs
            .iter()
            .find(|org| org.name == *name)
            .ok_or_else(|| Failure::Refused(format!("{name} is no org of yours; there are: {}", names()))),
        (None, [only]) => Ok(only),
        (None, []) => Err(Failure::Refused("this member is in no org; ask for an invitation".into())),
        (None, _) => Err(Failure::Refused(format!("there are several orgs; say --org with one of {}", names()))),
    }
}

fn given_token() -> Result<String, Failure> {
    let token = match std::env::var(TOKEN) {
        Ok(token) => token,
        Err(_) => {
            if input::is_asked() {
                out::note("Make a token in the console, or sign in with a password: --email ADDRESS.");
            }
            input::ask_secretly("Token: ")?
        }
    };
    let token = token.trim().to_string();
    let is_token = token.starts_with("mzs_pat_") && token.bytes().all(|byte| byte.is_ascii_graphic());
    let odd = || Failure::Refused("this is no API token: they begin with mzs_pat_".into());
    is_token.then_some(token).ok_or_else(odd)
}

/// Takes the power of the login's own token away.
async fn revoke(kept: &Credential, below: &str) -> Result<(), Failure> {
    let url = kept.api.parse().map_err(Failure::Refused)?;
    let client =
        Client::with_token(Way::Remote { url, ca: kept.ca.clone() }, kept.token.clone(), Some(kept.org.clone()));
    client.delete(&client.org(below).await?).await
}
