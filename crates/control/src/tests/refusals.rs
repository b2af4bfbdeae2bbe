//! Every operation of the document refuses nobody, strangers and too low a role: a new one takes part by itself.

use mezu_api::{Least, Permission};
use mezu_model::Role;
use mezu_store::Outcome;

use super::document::operations;
use super::world::{As, on_both};

/// The role below, if there is one.
fn below(role: Role) -> Option<Role> {
    Role::ALL.into_iter().rev().find(|other| *other < role)
}

#[tokio::test]
async fn every_operation_is_refused_to_nobody_strangers_and_lower_roles() {
    on_both(|world| async move {
        let (acme, other) = (world.org("acme").await, world.org("other").await);
        let (stranger_id, stranger) = world.member(other, "stranger@example.com", Role::Owner).await;
        let stranger_token = world.token(other, stranger_id, Role::Owner).await;
        let (owner_id, owner) = world.member(acme, "owner@example.com", Role::Owner).await;
        let mut members = Vec::new();
        for role in Role::ALL {
            let (_, session) = world.member(acme, &format!("{role}1@example.com"), role).await;
            members.push((role, session, world.token(acme, owner_id, role).await));
        }
        let mut refused = 0;
        for (method, path, operation) in operations() {
            let path = path.strip_prefix("/api/v1").unwrap().replace("{org}", "acme");
            let path = path.replace("{id}", "01939b1e-0000-7000-8000-000000000000");
            let shown = format!("{method} {path}");
            let expect = async |who: &As, status: u16, code: &str| {
                let got = world.ask(who, &method, &path, None).await;
                assert_eq!((got.status, got.code()), (status, code), "{shown} as {who:?}: {got:?}");
                assert_eq!(got.header("content-type"), "application/problem+json", "{shown}");
            };
            let named = operation["x-permission"].as_str().unwrap();
            let permission = Permission::ALL.iter().find(|one| one.as_str() == named).unwrap();
            if permission.least() == Least::Anyone {
                continue;
            }
            expect(&As::Nobody, 401, "unauthenticated").await;
            expect(&As::Token("mzs_pat_nonsense".into()), 401, "unauthenticated").await;
            expect(&As::Session("nonsense".into()), 401, "unauthenticated").await;
            match permission.least() {
                Least::Anyone | Least::Known => {}
                Least::Session => {
                    expect(&As::Operator, 403, "forbidden").await;
                    expect(&members[3].2, 403, "forbidden").await;
                }
                Least::Operator => {
                    expect(&owner, 403, "forbidden").await;
                    expect(&members[3].2, 403, "forbidden").await;
                }
                Least::Of(least) => {
                    expect(&stranger, 404, "not_found").await;
                    expect(&stranger_token, 404, "not_found").await;
                    let Some(lower) = below(least) else { continue };
                    let (_, session, token) = members.iter().find(|(role, ..)| *role == lower).unwrap();
                    expect(session, 403, "forbidden").await;
                    expect(token, 403, "forbidden").await;
                    // The attempt stands in the log, under the operation's name.
                    let events = world.events(1).await;
                    let action = operation["operationId"].as_str().unwrap();
                    assert_eq!((events[0].action.as_str(), events[0].outcome), (action, Outcome::Refused), "{shown}");
                    assert_eq!((events[0].org, events[0].object.ends_with(&path)), (Some(acme), true), "{shown}");
                    refused += 1;
                }
            }
        }
        assert!(refused >= 5, "the walk found {refused} operations that take a role");
    })
    .await;
}

#[tokio::test]
async fn other_sites_and_other_names_are_turned_away() {
    let world = super::world::World::sqlite().await;
    let org = world.org("acme").await;
    let (id, owner) = world.member(org, "owner@example.com", Role::Owner).await;
    let token = world.token(org, id, Role::Owner).await;
    let new = || Some(serde_json::json!({"name": "apex"}));
    for (who, headers, code) in [
        (&owner, &[("host", "evil.example")][..], "wrong_host"),
        (&As::Nobody, &[("host", "evil.example:9901")], "wrong_host"),
        (&owner, &[("origin", "http://evil.example")], "cross_site"),
        (&owner, &[("origin", "null")], "cross_site"),
        (&owner, &[("origin", "http://localhost:9999")], "cross_site"),
        (&owner, &[("sec-fetch-site", "cross-site")], "cross_site"),
        (&owner, &[("sec-fetch-site", "same-site")], "cross_site"),
        (&token, &[("origin", "http://evil.example")], "cross_site"),
        (&owner, &[("content-type", "text/plain")], "wrong_media_type"),
        (&owner, &[("content-type", "application/json; charset=utf-8")], "wrong_media_type"),
        (&owner, &[("if-match", "3")], "malformed"),
        (&owner, &[("if-match", "W/\"1\"")], "malformed"),
    ] {
        let got = world.ask_with(who, "PATCH", "/orgs/acme", new(), headers).await;
        assert_eq!(got.code(), code, "{headers:?}: {got:?}");
    }
    let got = world.ask_with(&token, "PATCH", "/orgs/acme", new(), &[("host", "127.0.0.1:1")]).await;
    assert_eq!(got.status, 200, "a program says nothing of origins: {got:?}");
    let got = world.ask_with(&owner, "PATCH", "/orgs/apex", new(), &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(got.status, 200, "{got:?}");
}

#[tokio::test]
async fn what_is_not_there_or_too_large_is_a_problem_too() {
    let world = super::world::World::sqlite().await;
    world.org("acme").await;
    let none = world.ask(&As::Nobody, "GET", "/none", None).await;
    assert_eq!((none.status, none.code()), (404, "no_operation"));
    let wrong = world.ask(&As::Operator, "DELETE", "/orgs", None).await;
    assert_eq!((wrong.status, wrong.code()), (405, "wrong_method"));
    assert!(wrong.header("allow").contains("POST"), "{wrong:?}");
    let large = Some(serde_json::json!({"name": "x".repeat(1 << 20)}));
    for headers in [&[][..], &[("idempotency-key", "k")]] {
        let large = world.ask_with(&As::Operator, "POST", "/orgs", large.clone(), headers).await;
        assert_eq!((large.status, large.code()), (413, "too_large"));
    }
    for query in ["?limit=0", "?limit=201", "?limit=x", "?cursor=%00", "?cursor=%C3%A4", "?nonsense=1"] {
        let odd = world.ask(&As::Operator, "GET", &format!("/orgs/acme/members{query}"), None).await;
        assert_eq!((odd.status, odd.code()), (422, "invalid"), "{query}");
    }
}
