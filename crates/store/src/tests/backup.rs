//! A backup holds everything, and either database comes back from it as it was.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mezu_model::{AccountId, DraftId, InvitationId, MemberId, PublishId, Role, TokenId, WorkloadId};
use serde_json::json;

use super::*;
use crate::tables::TABLES;

/// A store in which no table is empty, and texts are of the awkward kind.
async fn full(place: Place) -> World {
    let world = World::at(place).await;
    world.enrol("shop").await.unwrap();
    world.add_route(world.org, "www.example.com", "/", "shop").await.unwrap();
    world.store.revoke_key(world.key, NOW).await.unwrap();
    let (org, ada) = (world.org, MemberId::from_bytes([1; 16]));
    let later = after(QUARANTINE);
    let mut change = world.store.change(NOW).await.unwrap();
    let email = "ada@example.com".parse().unwrap();
    let name = "Ада \"Löwe\" \\ 👩‍💻 'x'; --".to_owned();
    change.create_member(NewMember { id: ada, email, name, password: Some("$argon2id$…".into()) }).await.unwrap();
    change.set_totp(ada, Some("JBSWY3DPEHPK3PXP".into())).await.unwrap();
    change.add_membership(org, ada, Role::Owner).await.unwrap();
    let session =
        NewSession { hash: [255; 32], member: ada, expires_at: later, source: "::1".into(), agent: "".into() };
    change.create_session(session).await.unwrap();
    let token = NewToken {
        id: TokenId::from_bytes([1; 16]),
        member: ada,
        name: "ci".into(),
        role: Role::Viewer,
        hash: [0; 32],
        hint: "wxyz".into(),
        expires_at: None,
    };
    change.create_token(org, token).await.unwrap();
    change.set_recovery_codes(ada, &[[5; 32], [6; 32]]).await.unwrap();
    let invitation = NewInvitation {
        id: InvitationId::from_bytes([1; 16]),
        email: "new@example.com".parse().unwrap(),
        role: Role::Editor,
        hash: [7; 32],
        invited_by: Some(ada),
        expires_at: later,
    };
    change.create_invitation(org, invitation).await.unwrap();
    let spec = AccountSpec { name: label("ci"), workloads: Some(vec![label("shop")]), cidrs: Some(vec![]) };
    change.create_account(org, AccountId::from_bytes([1; 16]), &spec).await.unwrap();
    let labels = Labels::from([(label("stage"), "line\nbreak".to_owned())]);
    change.create_workload(org, WorkloadId::from_bytes([8; 16]), &label("labelled"), &labels).await.unwrap();
    change.claim_hostname(org, &"held.example.com".parse().unwrap()).await.unwrap();
    change.claim_hostname(org, &"gone.example.com".parse().unwrap()).await.unwrap();
    change.release_hostname(org, &"gone.example.com".parse().unwrap()).await.unwrap();
    let draft =
        DraftSpec { name: "d".into(), ops: json!([{ "n": 9_007_199_254_740_993_i64 }]), publish_at: Some(later) };
    change.create_draft(org, DraftId::from_bytes([1; 16]), &draft, Actor::Member(ada)).await.unwrap();
    for (n, undo_of) in [(1, None), (2, Some(PublishId::from_bytes([1; 16])))] {
        let id = PublishId::from_bytes([n; 16]);
        let new = NewPublish { id, actor: Actor::System, summary: "s".into(), ops: json!([]), undo_of };
        change.create_publish(org, new).await.unwrap();
    }
    change.open_setup(&[9; 32]).await.unwrap();
    let answer = Remembered { request: [3; 32], status: 201, body: "{\"a\": 1.50}".into() };
    change.remember("s", "k", &answer).await.unwrap();
    let event = NewEvent::done("a.b", "x").with(Some(json!({ "π": [1.5, null] })), Some(json!("\u{0}\r\n")));
    change.commit(event).await.unwrap();
    world
}

/// A backup of a store, and where it is.
async fn backup(store: &Store, dir: &TempDir, name: &str) -> (Backup, PathBuf) {
    let path = dir.path().join(name);
    (store.backup(&path, NOW).await.unwrap(), path)
}

#[tokio::test]
async fn nothing_is_lost_in_any_direction() {
    let dir = TempDir::new().unwrap();
    let makers: [fn() -> Place; 2] = [Place::file, Place::server];
    for (n, from) in makers.iter().enumerate() {
        let world = full(from()).await;
        let (made, first) = backup(&world.store, &dir, &format!("first-{n}")).await;
        let empty: Vec<&String> = made.rows.iter().filter(|(_, rows)| **rows == 0).map(|(table, _)| table).collect();
        assert!(empty.is_empty() && made.rows.len() == TABLES.len(), "not proven for {empty:?}");
        for (m, to) in makers.iter().enumerate() {
            let place = to();
            let again = Store::open(place.url()).await.unwrap();
            assert_eq!(again.restore(&first).await.unwrap(), made);
            let (_, second) = backup(&again, &dir, &format!("second-{n}-{m}")).await;
            assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap(), "{n} to {m}");
            assert_eq!(again.read_all().await.unwrap(), world.store.read_all().await.unwrap());
            // It goes on from there.
            again.record(NewEvent::done("a.b", "x"), NOW).await.unwrap();
            assert!(matches!(again.verify_audit().await.unwrap(), AuditCheck::Whole { .. }));
            again.close().await;
        }
    }
}

#[tokio::test]
async fn the_list_of_tables_is_that_of_the_databases() {
    let listed: BTreeSet<String> = TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(|(column, _)| format!("{}.{column}", table.name)))
        .collect();
    let in_a_file = "SELECT m.name || '.' || c.name AS name FROM sqlite_schema m, pragma_table_info(m.name) c \
                     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'";
    let on_postgres = "SELECT CAST(table_name || '.' || column_name AS TEXT) AS name FROM information_schema.columns \
                       WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'";
    for (place, sql) in [(Place::file(), in_a_file), (Place::server(), on_postgres)] {
        let world = World::at(place).await;
        let rows = world.store.view().await.unwrap().tx.rows(sql, []).await.unwrap();
        let there: BTreeSet<String> = rows.iter().map(|row| row.text("name").unwrap()).collect();
        assert_eq!(there, listed);
    }
}

#[tokio::test]
async fn a_backup_is_private_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    let world = full(Place::file()).await;
    let (_, path) = backup(&world.store, &dir, "backup").await;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(world.store.backup(&path, NOW).await, Err(BackupError::File { .. })));
    assert!(std::fs::read(&path).unwrap() == before);
    let full = world.store.restore(&path).await.unwrap_err();
    assert!(matches!(full, BackupError::NotEmpty { .. }), "{full}");
}

#[tokio::test]
async fn a_damaged_backup_is_refused_whole() {
    let dir = TempDir::new().unwrap();
    let world = full(Place::file()).await;
    let (made, path) = backup(&world.store, &dir, "backup").await;
    let good = std::fs::read(&path).unwrap();
    let place = Place::file();
    let target = Store::open(place.url()).await.unwrap();
    let bad = dir.path().join("bad");
    let ends = good.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let cut = ends.flat_map(|end| [end, end + 1]).filter(|end| *end < good.len()).map(|end| good[..end].to_vec());
    let changed = (0..good.len()).step_by(211).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    });
    let more = [[&good[..], b"[]\n"].concat(), Vec::new(), b"{}\n".to_vec()];
    let mut tried = 0;
    for bytes in cut.chain(changed).chain(more) {
        std::fs::write(&bad, &bytes).unwrap();
        let error = target.restore(&bad).await.unwrap_err();
        assert!(matches!(error, BackupError::Damaged { .. } | BackupError::Version { .. }), "{error:?}");
        tried += 1;
    }
    assert!(tried > 60, "{tried}");
    // Nothing of all that was kept.
    assert_eq!(target.restore(&path).await.unwrap(), made);
}

#[tokio::test]
async fn a_forged_audit_log_is_not_taken_back() {
    let dir = TempDir::new().unwrap();
    let world = full(Place::file()).await;
    world.sql("DROP TRIGGER audit_never_changes").await.unwrap();
    world.sql("UPDATE audit SET actor = 'system' WHERE seq = 2").await.unwrap();
    let (_, path) = backup(&world.store, &dir, "backup").await;
    let place = Place::file();
    let error = Store::open(place.url()).await.unwrap().restore(&path).await.unwrap_err();
    assert!(error.to_string().contains("audit event 2: it was changed"), "{error}");
}
