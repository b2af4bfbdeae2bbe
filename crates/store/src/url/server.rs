//! The URL of a PostgreSQL server.
//!
//! The library that connects leaves out what it does not know, tells it to the log, and reads `sslmode=allow` as "never".
//! So what stands in the URL is looked at here first.

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::InvalidStoreUrl;

/// What may stand behind the question mark.
pub(super) const PARAMETERS: &[&str] =
    &["host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/// What other programs take there, and what to do instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("passfile", "use --store-password-file, PGPASSFILE or PGPASSWORD"),
    ("hostaddr", "use host"),
    ("target_session_attrs", "give the host that may be written to"),
    ("connect_timeout", "an attempt takes 10 s at most"),
    ("application_name", "it is always mezusphere"),
    ("options", "set them for the user, with ALTER ROLE … SET"),
    ("sslcrl", "certificates are checked by authority, name and time"),
    ("sslpassword", "decrypt the key of sslkey"),
    ("channel_binding", "leave it out"),
    ("gssencmode", "leave it out"),
];

/// What the connection is to be made with.
pub(super) fn parse(text: &str) -> Result<PgConnectOptions, InvalidStoreUrl> {
    parse_with(text, |name| std::env::var(name).ok())
}

fn parse_with(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<PgConnectOptions, InvalidStoreUrl> {
    if text.contains('#') {
        return Err(InvalidStoreUrl::Postgres);
    }
    let said = Said::read(text.split_once('?').map_or("", |(_, query)| query))?;
    let mode = match said.mode {
        Some(mode) => Some(mode),
        None => env("PGSSLMODE").map(|mode| ssl_mode(&mode)).transpose()?,
    };
    let has_root = said.has_root || env("PGSSLROOTCERT").is_some();
    let options: PgConnectOptions = text.parse().map_err(|_| InvalidStoreUrl::Postgres)?;
    if options.get_host().contains(',') {
        return Err(InvalidStoreUrl::Hosts);
    }
    let mode = match mode {
        Some(PgSslMode::VerifyFull) => PgSslMode::VerifyFull,
        // Another program would check the authority, or nothing; ours would not look at the file.
        Some(_) if has_root => return Err(InvalidStoreUrl::RootUnused),
        Some(mode) => mode,
        None if is_local(&options) && !has_root => PgSslMode::Prefer,
        // The library's own default falls back to plain text when the server, or whoever sits in between, asks for it.
        None => PgSslMode::VerifyFull,
    };
    Ok(options.ssl_mode(mode))
}

/// What was found behind the question mark.
#[derive(Default)]
struct Said {
    mode: Option<PgSslMode>,
    has_root: bool,
}

impl Said {
    fn read(query: &str) -> Result<Self, InvalidStoreUrl> {
        let mut said = Self::default();
        let mut seen: Vec<&'static str> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = known(name)?;
            if seen.contains(&name) {
                return Err(InvalidStoreUrl::Twice(name));
            }
            seen.push(name);
            match name {
                "sslmode" => said.mode = Some(ssl_mode(value)?),
                "sslrootcert" if value == "system" => {
                    return Err(InvalidStoreUrl::Unsupported("sslrootcert=system", "name a file of certificates"));
                }
                "sslrootcert" => said.has_root = true,
                _ => {}
            }
        }
        Ok(said)
    }
}

fn known(name: &str) -> Result<&'static str, InvalidStoreUrl> {
    if let Some((name, instead)) = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
        return Err(InvalidStoreUrl::Unsupported(name, instead));
    }
    PARAMETERS.iter().copied().find(|known| *known == name).ok_or(InvalidStoreUrl::Parameter)
}

fn ssl_mode(text: &str) -> Result<PgSslMode, InvalidStoreUrl> {
    match text {
        "disable" => Ok(PgSslMode::Disable),
        "prefer" => Ok(PgSslMode::Prefer),
        "require" => Ok(PgSslMode::Require),
        "verify-full" => Ok(PgSslMode::VerifyFull),
        "allow" => Err(InvalidStoreUrl::Unsupported("sslmode=allow", "say prefer, or better verify-full")),
        // The public authorities are believed beside one's own: whoever has any certificate of theirs would do.
        "verify-ca" => Err(InvalidStoreUrl::Unsupported("sslmode=verify-ca", "say verify-full")),
        _ => Err(InvalidStoreUrl::Mode),
    }
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let loopback = |text: &str| text.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some()
        || host == "localhost"
        || host.starts_with('/')
        || loopback(host.trim_start_matches('[').trim_end_matches(']'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(text: &str, env: &[(&str, &str)]) -> Result<PgSslMode, InvalidStoreUrl> {
        let env = |wanted: &str| env.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        parse_with(text, env).map(|options| options.get_ssl_mode())
    }

    #[test]
    fn a_distant_server_must_show_who_it_is() {
        let modes = [
            ("postgres://u:p@db.example.com/m", PgSslMode::VerifyFull),
            ("postgres://u:p@db.example.com/m?sslmode=require", PgSslMode::Require),
            ("postgres://u@127.0.0.1:5433/m", PgSslMode::Prefer),
            ("postgres://u@[::1]/m", PgSslMode::Prefer),
            ("postgres://u@localhost/m?host=/run/postgresql", PgSslMode::Prefer),
            ("postgres://u@localhost/m?host=db.example.com", PgSslMode::VerifyFull),
            ("postgres://u@localhost/m?sslrootcert=/root.pem", PgSslMode::VerifyFull),
            ("postgres://u@localhost/m?sslmode=disable", PgSslMode::Disable),
        ];
        for (text, mode) in modes {
            assert_eq!(format!("{:?}", parsed(text, &[]).unwrap()), format!("{mode:?}"), "{text}");
        }
        let env = parsed("postgres://u@db.example.com/m", &[("PGSSLMODE", "require")]);
        assert!(matches!(env, Ok(PgSslMode::Require)));
    }

    #[test]
    fn what_is_not_done_is_refused() {
        use InvalidStoreUrl::{Hosts, Mode, Parameter, RootUnused, Twice};
        let table: &[(&str, InvalidStoreUrl)] = &[
            ("sslmode=sometimes", Mode),
            ("sslmode=require&sslmode=disable", Twice("sslmode")),
            ("ssl-mode=disable", Parameter),
            ("ssl%6dode=disable", Parameter),
            ("sslmode=require&sslrootcert=/a", RootUnused),
            ("host=a,b", Hosts),
        ];
        for (query, why) in table {
            assert_eq!(parsed(&format!("postgres://u@h/d?{query}"), &[]).unwrap_err(), *why, "{query}");
        }
        for query in ["sslmode=allow", "sslmode=verify-ca", "sslrootcert=system", "passfile=/a", "options=-c%20a=b"] {
            let why = parsed(&format!("postgres://u@h/d?{query}"), &[]).unwrap_err();
            assert!(matches!(why, InvalidStoreUrl::Unsupported(..)), "{query}: {why}");
        }
        // A slip in the environment must not weaken the connection either.
        assert_eq!(parsed("postgres://u@h/d", &[("PGSSLMODE", "verify_full")]).unwrap_err(), Mode);
        let unused = [("PGSSLMODE", "require"), ("PGSSLROOTCERT", "/a")];
        assert_eq!(parsed("postgres://u@h/d", &unused).unwrap_err(), RootUnused);
    }
}
