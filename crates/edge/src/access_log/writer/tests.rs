#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let folder = std::env::temp_dir().join(format!("mezu-access-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (path, moved) = (folder.join("access.log"), folder.join("access.log.1"));
    let mut sink = sink(&AccessLogTarget::File(path.clone())).unwrap();
    sink.write(b"one\n").unwrap();
    sink.look_after();
    sink.write(b"two\n").unwrap();
    std::fs::rename(&path, &moved).unwrap();
    sink.write(b"three\n").unwrap();
    sink.look_after();
    sink.write(b"four\n").unwrap();
    let text = |path| std::fs::read_to_string(path).unwrap();
    assert_eq!((text(&moved).as_str(), text(&path).as_str()), ("one\ntwo\nthree\n", "four\n"));
    std::fs::remove_dir_all(&folder).unwrap();
}
