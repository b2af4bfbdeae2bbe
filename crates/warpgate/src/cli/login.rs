//! `warpgate login` and `warpgate logout`: a key that an edge has let in, kept where `warpgate` finds it.
//!
//! The key is made here and kept only once it was let in: until then there is nothing to clean up, here or at the edge.

use std::fs;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use mezu_tunnel::auth;
use owo_colors::OwoColorize as _;
use warpgate::login::{LetIn, Login, LoginError, News};
use warpgate::{Kept, Seed, key};
use zeroize::Zeroizing;

use super::{
    Outcome,
    args::{ConnectArgs, LoginArgs, LogoutArgs},
    file::File,
    run, style,
};

/// Longest key text that is read.
const MAX_KEY: u64 = 4096;
/// How long an edge may take to revoke a key.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(args: &LoginArgs) -> Outcome {
    let path = place(args.key_file.as_ref())?;
    if args.with_key {
        return keep_given(&path);
    }
    let connect = ConnectArgs { edge: args.edge.clone(), proxy: args.proxy.clone(), ..ConnectArgs::default() };
    let before = kept(&path).ok().flatten();
    let edge = args.edge.clone().or_else(|| before.as_ref()?.edge.clone());
    let Some(edge) = edge else {
        bail!("no edge: give --edge HOST:PORT, or --with-key to keep a key that you have");
    };
    let proxy = run::choose_proxy(&connect, &File::default(), &edge)?;
    let (host, user) = (host(), user());
    // The authorities of the login before are those of its edge.
    let ca = args.ca.clone().or_else(|| before.filter(|kept| kept.edge.as_ref() == Some(&edge))?.ca);
    let login = Login { edge, proxy, ca, org: args.org.clone(), host, user };
    // Before anybody is asked: what is let in must be kept.
    key::check_place(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let seed = auth::new_seed()?;
    let let_in = ask(&login, &seed)?;
    keep(&path, &login, &let_in, seed)?;
    let LetIn { org, account, expires_at } = let_in;
    let ends = expires_at.and_then(|end| end.get(..10).map(|day| format!(", until {day}"))).unwrap_or_default();
    style::note(&format!(
        "Let in: service account {} of the org {}{ends}. The key is in {}.\n\nNow: warpgate http 3000",
        account.bold(),
        org.bold(),
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn place(given: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    given.cloned().or_else(key::login_file).context("HOME is not set; give --key-file FILE")
}

/// The edge of the login before.
fn kept(path: &Path) -> Result<Option<Kept>, key::NoKey> {
    key::Lookup { login_file: Some(path.to_owned()), ..key::Lookup::default() }.kept()
}

fn ask(login: &Login, seed: &Seed) -> anyhow::Result<LetIn> {
    let fingerprint = auth::public_key(seed)?.fingerprint();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(login.ask(seed, |news| match news {
        News::Code(code, left) => style::note(&invitation(login, &code.to_string(), &fingerprint, left)),
        News::Lost(why) => style::warn(&format!("the connection was lost ({why}); asking again")),
    }));
    asked.map_err(|error| explained(error, login))
}

fn invitation(login: &Login, code: &str, fingerprint: &str, left: Duration) -> String {
    let org = login.org.as_ref().map_or_else(String::new, |org| format!(" by somebody of the org {org}"));
    let shown = |claim: &str| mezu_tunnel::proto::ask::claim(claim);
    format!(
        "This machine asks {} to be let in{org}. Its code:\n\n    {}\n\nApprove it with `mezusphere approve {code}`, on the \
         machine of the edge or wherever `mezusphere login` was run;\nor over the API, at \
         /api/v1/orgs/{{org}}/machines/{code}.\n\n  machine  {} (user {})\n  key      {fingerprint}\n\nWhoever approves \
         sees the same key. The code is good for {} minutes; Ctrl-C takes the request back.",
        login.edge,
        code.bold(),
        shown(&login.host),
        shown(&login.user),
        left.as_secs().div_ceil(60),
    )
}

/// The error, with what to do where that is not plain.
fn explained(error: LoginError, login: &Login) -> anyhow::Error {
    let is_tls = matches!(&error, LoginError::Connect(mezu_tunnel::ConnectError::Tls(_)));
    let said = mezu_runtime::Chain(&error);
    if is_tls && login.ca.is_none() {
        let hint = "if its certificate is from a certificate authority of its own, give that with --ca FILE; \
                    `warpgate diag` looks closer";
        return anyhow::anyhow!("no TLS with {}: {said}\n       {hint}", login.edge);
    }
    anyhow::anyhow!("{said}")
}

/// Keeps what was let in, with a copy of the authorities that it took: their file may go away.
fn keep(path: &Path, login: &Login, let_in: &LetIn, seed: Seed) -> anyhow::Result<()> {
    let before = kept(path).ok().flatten().and_then(|kept| kept.ca);
    let ca = login.ca.as_deref().map(|ca| keep_ca(path, ca, &seed)).transpose()?;
    let (org, account) = (Some(let_in.org.clone()), Some(let_in.account.clone()));
    let kept = Kept { seed, edge: Some(login.edge.clone()), ca: ca.clone(), org, account };
    key::store(path, &kept.to_text()).with_context(|| format!("cannot write {}", path.display()))?;
    if let Some(before) = before.filter(|before| Some(before) != ca.as_ref()) {
        forget_ca(path, &before);
    }
    Ok(())
}

/// Beside the login file, under a name of this key's: a login that fails half-way leaves the one before whole.
fn keep_ca(path: &Path, ca: &Path, seed: &Seed) -> anyhow::Result<PathBuf> {
    let pem = fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    let id: String = auth::public_key(seed)?.to_string().chars().take(16).collect();
    let copy = std::path::absolute(path)?.with_file_name(format!("ca-{id}.pem"));
    fs::write(&copy, pem).with_context(|| format!("cannot write {}", copy.display()))?;
    Ok(copy)
}

/// Removes a copy of ours, and nothing that somebody else has put there.
fn forget_ca(path: &Path, ca: &Path) {
    let is_ours = |name: &str| name.starts_with("ca-") && name.len() == "ca-.pem".len() + 16;
    let is_beside = std::path::absolute(path).is_ok_and(|path| path.parent() == ca.parent());
    if is_beside && ca.file_name().and_then(|name| name.to_str()).is_some_and(is_ours) {
        let _ = fs::remove_file(ca);
    }
}

fn keep_given(path: &Path) -> Outcome {
    if std::io::stdin().is_terminal() {
        style::note("Paste the key and press Enter, then Ctrl-D:");
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().take(MAX_KEY).read_to_string(&mut text).context("cannot read the key from standard input")?;
    Seed::parse(&text).context("that is no valid key")?;
    key::store(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    style::note(&format!("Key kept in {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn logout(args: &LogoutArgs) -> Outcome {
    let path = place(args.key_file.as_ref())?;
    let Some(kept) = kept(&path)? else { bail!("there is no login in {}", path.display()) };
    let revoked = give_up(&kept, args);
    // Whatever became of the key: here it is forgotten.
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    if let Some(ca) = &kept.ca {
        forget_ca(&path, ca);
    }
    match revoked {
        Ok(()) => style::note("Logged out; the key is revoked."),
        Err(why) => style::warn(&format!(
            "logged out here, and the key is not revoked ({why:#}): it is good until `mezusphere key revoke` or its end"
        )),
    }
    Ok(ExitCode::SUCCESS)
}

fn give_up(kept: &Kept, args: &LogoutArgs) -> anyhow::Result<()> {
    let edge = kept.edge.clone().context("the login does not say at which edge it is good")?;
    let connect = ConnectArgs { proxy: args.proxy.clone(), ..ConnectArgs::default() };
    let proxy = run::choose_proxy(&connect, &File::default(), &edge)?;
    let login = Login { edge, proxy, ca: kept.ca.clone(), org: None, host: String::new(), user: String::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(async { tokio::time::timeout(PATIENCE, login.give_up(&kept.seed)).await }) {
        // Revoked before is as good.
        Ok(Ok(()) | Err(LoginError::Unknown)) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => bail!("the edge took too long"),
    }
}

/// Who asks, as far as can be known.
fn user() -> String {
    let mut names = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    names.find(|name| !name.trim().is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// What the machine is called, as far as can be known.
fn host() -> String {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().map(|file| fs::read_to_string(file).ok());
    let mut names = files.chain([std::env::var("HOSTNAME").ok()]).flatten();
    names.find(|name| !name.trim().is_empty()).map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_copy_of_ours_beside_the_login_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let elsewhere = tempfile::tempdir().unwrap();
        for (file, goes) in [
            (dir.path().join("ca-0123456789abcdef.pem"), true),
            (dir.path().join("ca.pem"), false),
            (elsewhere.path().join("ca-0123456789abcdef.pem"), false),
        ] {
            fs::write(&file, "x").unwrap();
            forget_ca(&path, &file);
            assert_eq!(!file.exists(), goes, "{}", file.display());
        }
    }
}
