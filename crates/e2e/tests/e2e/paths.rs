//! One path for matching and forwarding (threat 2): what policy judged is what the workload gets.

use crate::matrix;
use anyhow::Result;
use mezu_testkit::{Protocol, World};

matrix!(paths_are_normalised_once, ambiguous_paths_are_refused);

const NORMALISED: &[(&str, &str)] = &[
    ("/", "/"),
    ("/a/b", "/a/b"),
    ("/a/", "/a/"),
    ("/a//b", "/a/b"),
    ("//a", "/a"),
    ("/a/./b", "/a/b"),
    ("/a/../b", "/b"),
    ("/a/b/../../c", "/c"),
    ("/../../a", "/a"),
    ("/a/%2e%2e/b", "/b"),
    ("/a/%2E/b", "/a/b"),
    ("/%61dmin", "/admin"),
    ("/public/%2e%2e/admin", "/admin"),
    ("/a%20b", "/a%20b"),
    ("/%c3%bc", "/%C3%BC"),
    ("/a~b-c_d.e", "/a~b-c_d.e"),
    ("/%7Ea", "/~a"),
    ("/a/..", "/"),
    ("/a/.", "/a/"),
    ("/a+b", "/a+b"),
    ("/a:b@c", "/a:b@c"),
    ("/a,b=c&d", "/a,b=c&d"),
];

const REFUSED: &[&str] = &[
    "/a%2Fb",
    "/a%2fb",
    "/a%5Cb",
    "/a%5cb",
    "/a\\b",
    "/a%00b",
    "/a%252Fb",
    "/a%252e%252e",
    "/a;b",
    "/a;/../b",
    "/a%",
    "/a%2",
    "/a%zz",
    "/a%0d%0ab",
    "/a%0Ab",
    "/%7F",
    "/..%2Fadmin",
    "/public/..;/admin",
    "/a%c0%ae%c0%ae/%2f",
];

async fn paths_are_normalised_once(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    let mut wrong = Vec::new();
    for (sent, wanted) in NORMALISED {
        let answer = client.get(sent).await?;
        let got = world.workload.seen(answer.nonce()).map(|seen| seen.target().to_owned());
        if got.as_deref() != Some(*wanted) {
            wrong.push(format!("{sent} became {got:?} instead of {wanted} ({})", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

async fn ambiguous_paths_are_refused(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut wrong = Vec::new();
    for sent in REFUSED {
        // Some of these no h2 library sends: that is as good as a refusal.
        let Ok(answer) = world.target.client(protocol).await?.get(sent).await else { continue };
        if answer.status != 400 {
            wrong.push(format!("{sent}: {}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(world.workload.count(), 0);
    Ok(())
}
