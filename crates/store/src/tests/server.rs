//! What only a PostgreSQL server can show: over the network it must say who it is, and it may go away and come back.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

use super::*;

/// An authority, and what it says of `localhost` and of the user `guest`.
struct Certificates {
    root: String,
    server: (String, String),
    guest: (String, String),
}

impl Certificates {
    fn make() -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let signed = |mut params: CertificateParams, name: &str| {
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        };
        let server = signed(CertificateParams::new(vec!["localhost".to_owned()]).unwrap(), "localhost");
        Self { root, server, guest: signed(CertificateParams::default(), "guest") }
    }
}

/// A server that is reached over the network, where `mezu` has a password and `guest` must show a certificate; the
/// files that a client needs; and the URL of a user with more behind it.
struct Distant {
    server: postgres::Server,
    dir: TempDir,
    port: u16,
}

impl Distant {
    fn start() -> Self {
        let mut server = postgres::Server::start().unwrap();
        let made = Certificates::make();
        server.say("postgres", "ALTER USER mezu PASSWORD 'open sesame'; CREATE USER guest SUPERUSER").unwrap();
        server.rule("hostssl all mezu 127.0.0.1/32 scram-sha-256").unwrap();
        server.rule("hostssl all guest 127.0.0.1/32 cert").unwrap();
        server.rule("hostnossl all all 127.0.0.1/32 reject").unwrap();
        server.believe(&made.root).unwrap();
        let dir = TempDir::new().unwrap();
        for (name, text) in [("root.crt", &made.root), ("guest.crt", &made.guest.0), ("guest.key", &made.guest.1)] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let port = server.listen_with_tls(&made.server.0, &made.server.1).unwrap();
        Self { server, dir, port }
    }

    fn url(&self, user: &str, host: &str, more: &str) -> StoreUrl {
        let more = more.replace("DIR", self.dir.path().to_str().unwrap());
        format!("postgres://{user}@{host}:{}/postgres?{more}", self.port).parse().unwrap()
    }

    async fn refusal(&self, url: StoreUrl) -> String {
        let Err(error @ StoreError::Open { .. }) = Store::open(url).await else { panic!("let in, or not for that") };
        error.to_string()
    }

    /// Opens the store and tells whether that was over TLS.
    async fn is_safe(&self, url: StoreUrl) -> bool {
        let store = Store::open(url).await.unwrap();
        let sql = "SELECT CAST(ssl AS TEXT) AS ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let safe = store.view().await.unwrap().tx.one(sql, []).await.unwrap().text("ssl").unwrap();
        store.close().await;
        safe == "true"
    }
}

const FULL: &str = "sslmode=verify-full&sslrootcert=DIR/root.crt";

#[tokio::test]
async fn a_server_is_believed_by_its_certificate_alone() {
    let distant = Distant::start();
    let user = "mezu:open%20sesame";
    let unknown = distant.refusal(distant.url(user, "localhost", "sslmode=verify-full")).await;
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    let other = distant.refusal(distant.url(user, "127.0.0.1", FULL)).await;
    assert!(other.contains("not valid for name"), "{other}");
    let missing = distant.refusal(distant.url(user, "localhost", "sslmode=verify-full&sslrootcert=DIR/none")).await;
    assert!(missing.contains("No such file"), "{missing}");
    let plain = distant.refusal(distant.url(user, "localhost", "sslmode=disable")).await;
    assert!(plain.contains("pg_hba.conf rejects"), "{plain}");
    for mode in [FULL, "sslrootcert=DIR/root.crt", "sslmode=require", "sslmode=prefer", ""] {
        assert!(distant.is_safe(distant.url(user, "localhost", mode)).await, "{mode}");
    }
    let plain = postgres::Server::start().unwrap();
    let forced = format!("{}&sslmode=require", plain.url("postgres")).parse().unwrap();
    assert!(distant.refusal(forced).await.contains("does not support TLS"));
}

#[tokio::test]
async fn a_user_is_let_in_by_password_or_by_certificate() {
    let distant = Distant::start();
    let none = distant.refusal(distant.url("mezu", "localhost", FULL)).await;
    assert!(none.contains("password"), "{none}");
    let wrong = distant.refusal(distant.url("mezu:open-barley", "localhost", FULL)).await;
    assert!(wrong.contains("password authentication failed") && !wrong.contains("barley"), "{wrong}");
    assert!(distant.is_safe(distant.url("mezu", "localhost", FULL).with_password("open sesame").unwrap()).await);
    assert!(distant.is_safe(distant.url("mezu", "localhost", &format!("{FULL}&password=open%20sesame"))).await);
    let certificate = format!("{FULL}&sslcert=DIR/guest.crt&sslkey=DIR/guest.key");
    assert!(distant.is_safe(distant.url("guest", "localhost", &certificate)).await);
    let nobody = distant.refusal(distant.url("guest", "localhost", FULL)).await;
    assert!(nobody.contains("certificate"), "{nobody}");
    drop(distant.server);
}

#[tokio::test]
async fn a_server_that_is_away_is_told_at_once_and_by_what_is_wrong() {
    let mut server = postgres::Server::start().unwrap();
    let url: StoreUrl = server.url("none").parse().unwrap();
    let Err(error) = Store::open(&url).await else { panic!("there is no such database") };
    assert!(error.to_string().contains("database \"none\" does not exist"), "{error}");
    server.stop();
    let Err(error) = Store::open(&url).await else { panic!("there is no server") };
    let text = error.to_string();
    assert!(matches!(error, StoreError::Open { .. }) && !text.contains("pool"), "{text}");
    assert!(text.starts_with("cannot open the database postgres://mezu@"), "{text}");
}

#[tokio::test]
async fn a_database_that_does_not_fit_is_left_as_it_is() {
    let server = postgres::Server::start().unwrap();
    let unfit = async |name: &str| {
        let Err(StoreError::Unfit { why, .. }) = Store::open(server.url(name).parse::<StoreUrl>().unwrap()).await
        else {
            panic!("{name} was taken")
        };
        assert_eq!(server.say(name, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").unwrap(), "0");
        why
    };
    let sql = "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'";
    server.say("postgres", sql).unwrap();
    assert!(unfit("latin").await.contains("LATIN1"));
    // A server that says that it is an older one.
    server.say("postgres", "CREATE DATABASE old").unwrap();
    let function = "CREATE SCHEMA past; CREATE FUNCTION past.current_setting(text) RETURNS text LANGUAGE sql AS \
                    $$ SELECT CASE $1 WHEN 'server_version_num' THEN '130015' \
                    ELSE pg_catalog.current_setting($1) END $$; \
                    ALTER DATABASE old SET search_path = past, pg_catalog, public";
    server.say("old", function).unwrap();
    assert_eq!(unfit("old").await, "the server is PostgreSQL 13; 14 or newer is needed");
}

#[tokio::test]
async fn a_server_that_went_away_is_found_again() {
    let mut server = postgres::Server::start().unwrap();
    let store = Store::open(server.url("postgres").parse::<StoreUrl>().unwrap()).await.unwrap();
    let (org, _) = org_with_key(&store, "default", 1).await;
    let mut open = store.change(NOW).await.unwrap();
    open.create_org(OrgId::from_bytes([7; 16]), &label("never")).await.unwrap();
    server.crash().unwrap();
    let lost = open.commit(NewEvent::done("org.create", "x")).await.unwrap_err();
    assert!(matches!(lost, StoreError::Unreachable(_)), "{lost:?}");
    // What was acknowledged before is there, what was not is not, and all goes on without a restart.
    let orgs = store.view().await.unwrap().orgs(&Slice::default()).await.unwrap().items;
    assert_eq!(orgs.iter().map(|one| one.id).collect::<Vec<_>>(), [org]);
    store.record(NewEvent::done("a.b", "x"), NOW).await.unwrap();
    assert_eq!(store.check().await.unwrap(), Vec::<String>::new());
}
