//! The last good snapshots on disk, from which an edge starts when the store fails.
//!
//! Each is a file of its own named by generation, written whole or not at all; the newest five stay. What is read back
//! is treated as if an enemy had written it: a file that is too large, malformed or not whole is passed over for the
//! one before.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use mezu_snapshot::{Snapshot, limits};

use super::data_dir;

const KEEP: usize = 5;
const SUFFIX: &str = ".json";

/// The directory of snapshots.
#[derive(Clone, Debug)]
pub(super) struct LastGood {
    directory: PathBuf,
}

impl LastGood {
    /// Opens the directory, made if it is not there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    /// Writes an encoded snapshot and removes the oldest.
    ///
    /// # Errors
    /// The system's, such as a full disk; the older files are then untouched.
    pub(super) fn save(&self, generation: u64, bytes: &[u8]) -> io::Result<()> {
        data_dir::replace(&self.directory.join(format!("{generation:020}{SUFFIX}")), bytes)?;
        for (_, path) in self.newest_first()?.into_iter().skip(KEEP) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// The newest snapshot that is whole, if there is any.
    #[must_use]
    pub(super) fn load(&self) -> Option<Snapshot> {
        let files = match self.newest_first() {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(%error, "cannot list the saved snapshots");
                return None;
            }
        };
        files.into_iter().find_map(|(generation, path)| match read(&path, generation) {
            Ok(snapshot) => Some(snapshot),
            Err(reason) => {
                tracing::warn!(file = %path.display(), reason, "a saved snapshot cannot be used");
                None
            }
        })
    }

    fn newest_first(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(generation) = name.strip_suffix(SUFFIX).and_then(|stem| stem.parse().ok()) {
                files.push((generation, path));
            }
        }
        files.sort_unstable_by(|a, b| b.cmp(a));
        Ok(files)
    }
}

fn read(path: &Path, generation: u64) -> Result<Snapshot, String> {
    let mut bytes = Vec::new();
    // One byte more than allowed, so that the decoder sees and refuses an oversize file without our reading it all.
    let most = u64::try_from(limits::BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(most).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let snapshot = mezu_snapshot::decode(&bytes).map_err(|error| error.to_string())?;
    if snapshot.generation != generation {
        return Err(format!("it is of generation {}", snapshot.generation));
    }
    Ok(snapshot)
}

#[cfg(test)]
mod crash;
#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use mezu_snapshot::Parts;

    fn saved(last_good: &LastGood, generation: u64) {
        let snapshot = Snapshot::new(generation, "base.test".parse().unwrap(), Parts::default());
        last_good.save(generation, &mezu_snapshot::encode(&snapshot).unwrap()).unwrap();
    }

    #[test]
    fn the_newest_whole_one_is_loaded_and_five_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let last_good = LastGood::open(dir.path().join("snapshots")).unwrap();
        assert_eq!(last_good.load(), None);
        for generation in 1..=9 {
            saved(&last_good, generation);
        }
        assert_eq!(last_good.load().unwrap().generation, 9);
        let files = last_good.newest_first().unwrap();
        assert_eq!(files.iter().map(|(generation, _)| *generation).collect::<Vec<_>>(), [9, 8, 7, 6, 5]);
    }

    #[test]
    fn damaged_files_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let last_good = LastGood::open(dir.path().to_path_buf()).unwrap();
        for generation in 1..=5 {
            saved(&last_good, generation);
        }
        let file = |generation: u64| dir.path().join(format!("{generation:020}.json"));
        fs::write(file(5), b"").unwrap();
        let whole = fs::read(file(4)).unwrap();
        fs::write(file(4), whole.get(..whole.len() - 2).unwrap()).unwrap();
        fs::copy(file(1), file(3)).unwrap();
        let huge = File::create(file(7)).unwrap();
        huge.set_len(limits::BYTES as u64 * 3).unwrap();
        fs::write(dir.path().join("notes.txt"), b"not ours").unwrap();
        assert_eq!(last_good.load().unwrap().generation, 2);
    }
}
