//! What only a database in a file can show.

use super::*;

#[tokio::test]
async fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::in_a_file().await;
    let Place::File(dir) = &world.place else { panic!("not in a file") };
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("db");
    std::fs::write(&file, b"this is not a database, whatever its name says").unwrap();
    assert!(matches!(Store::open(&file).await, Err(StoreError::Open { .. } | StoreError::Migrate { .. })));
}

#[tokio::test]
async fn a_full_disk_refuses_the_write_and_nothing_else() {
    let world = World::in_a_file().await;
    let before = world.store.read_all().await.unwrap();
    // No page more than there are now: as a full disk is to SQLite.
    let mut write = world.store.db.write().await.unwrap();
    let pages = write.one("PRAGMA page_count", []).await.unwrap().int("page_count").unwrap();
    write.rows(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")), []).await.unwrap();
    write.commit().await.unwrap();
    let names: Vec<Label> = (0..2000).map(|n| label(&format!("workload-{n}"))).collect();
    let refusal = world.store.enrol(world.key, world.org, &names, &world.base, NOW).await.unwrap_err();
    assert!(matches!(refusal, EnrolRefusal::Store(StoreError::Full)), "{refusal}");
    assert_eq!(world.store.read_all().await.unwrap(), before);
    // There is room again.
    world.enrol("shop").await.unwrap();
}
