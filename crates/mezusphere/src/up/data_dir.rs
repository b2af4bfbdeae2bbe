//! The data directory: private to its owner, used by one process at a time, written so that a crash leaves either the
//! old file or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{UpError, first_key, store_slot};

const LOCK: &str = "lock";
// The bits are the C int that the system call takes.
#[expect(clippy::cast_possible_wrap)]
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// An open data directory. The lock is held until it is dropped.
#[derive(Debug)]
pub(super) struct DataDir {
    root: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is not there, sees that only its owner can read it, and locks it.
    ///
    /// # Errors
    /// When it is another user's (but see [`stand`]), holds other things and is open to others, cannot be written, or
    /// another process uses it.
    pub(super) fn open(root: &Path) -> Result<Self, UpError> {
        let fault = |source| UpError::DataDir { path: root.to_path_buf(), source };
        if fs::metadata(root).is_ok_and(|meta| !meta.is_dir()) {
            return Err(fault(io::Error::other("it is a file, not a directory")));
        }
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(fault)?;
        let root = fs::canonicalize(root).map_err(fault)?;
        let meta = fs::metadata(&root).map_err(fault)?;
        let us = rustix::process::geteuid().as_raw();
        let guest = stand(us, meta.uid(), meta.mode()).map_err(|why| fault(io::Error::other(why)))? == Stand::Guest;
        if guest {
            refuse_links(&root).map_err(fault)?;
        }
        if meta.mode() & 0o077 != 0 {
            // `--data /tmp` by root must not close /tmp to everybody else.
            if !is_ours(&root).map_err(fault)? {
                return Err(fault(io::Error::other("it holds other files and is open to other users")));
            }
            fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).map_err(fault)?;
            tracing::warn!(path = %root.display(), "others could read the data directory; now only its owner can");
        }
        if guest {
            let (path, owner) = (root.display(), meta.uid());
            tracing::warn!(
                %path, owner,
                "the data directory belongs to another user, who can read and change all that is kept in it"
            );
        }
        let lock = lock(&root)?;
        Ok(Self { root, _lock: lock })
    }

    #[must_use]
    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// The path of a file in the directory.
    #[must_use]
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// Replaces a file by one rename, after the new content has reached the disk. Mode 0600.
///
/// # Errors
/// The system's. The old file is then untouched.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with_mode(path, content, 0o600)
}

/// The same for a file that anybody who reaches the directory may read, such as a certificate.
///
/// # Errors
/// The system's. The old file is then untouched.
pub(super) fn replace_public(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with_mode(path, content, 0o644)
}

fn replace_with_mode(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_os_string();
    name.push(".new");
    let new = directory.join(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Made with its mode, never widened before the content is in: nobody can open it early.
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&new, path)) {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    // The rename itself lives in the directory.
    File::open(directory)?.sync_all()
}

/// Whether the directory is new or holds something of ours: it was used before, restored, or made ready by somebody.
fn is_ours(root: &Path) -> io::Result<bool> {
    let holds = |name: &str| fs::symlink_metadata(root.join(name)).is_ok_and(|meta| meta.is_file());
    Ok([LOCK, first_key::FILE, store_slot::FILE].into_iter().any(holds) || fs::read_dir(root)?.next().is_none())
}

/// As whom we use the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Owner,
    /// As root in the directory of a user.
    Guest,
}

/// Whether `us` may use a directory of `owner`. Whoever can write to it can put links in the places of our files, which
/// root would write through. A directory that a user shares with a container, where we are root, is common and has one
/// such user, who could do as much to the container's own start; in one that a group or all can write to, it is anybody.
fn stand(us: u32, owner: u32, mode: u32) -> Result<Stand, String> {
    const OTHERS_WRITE: u32 = 0o022;
    if us == owner {
        return Ok(Stand::Owner);
    }
    if us != 0 {
        return Err(format!("it belongs to user {owner} and this is user {us}; give it to {us}, or run as {owner}"));
    }
    if mode & OTHERS_WRITE != 0 {
        return Err(format!(
            "it belongs to user {owner} and others may write to it; take that from them (chmod go-w), give it to root, \
             or run as {owner}"
        ));
    }
    Ok(Stand::Guest)
}

/// No file of ours is a link, so one that is there was put there by somebody else.
fn refuse_links(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            let name = entry.file_name();
            return Err(io::Error::other(format!(
                "it belongs to another user and {name:?} in it is a link; put the file itself there, or remove it"
            )));
        }
    }
    Ok(())
}

fn lock(root: &Path) -> Result<File, UpError> {
    let path = root.join(LOCK);
    let fault = |source| UpError::DataDir { path: path.clone(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(NO_LINK)
        .open(&path)
        .map_err(fault)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).unwrap_or_default().trim().to_string();
            return Err(UpError::InUse { path: root.to_path_buf(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(fault(source)),
    }
    file.set_len(0).map_err(fault)?;
    writeln!(file, "{}", std::process::id()).map_err(fault)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_in_its_place_is_called_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let said = DataDir::open(&file).unwrap_err().to_string();
        assert!(said.contains("it is a file, not a directory; choose another directory with --data"), "{said}");
    }

    #[test]
    fn the_directory_is_private_and_used_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/b");
        let first = DataDir::open(&root).unwrap();
        assert_eq!(mode(&root), 0o700);
        let second = DataDir::open(&root).unwrap_err();
        let me = std::process::id().to_string();
        assert!(matches!(second, UpError::InUse { ref pid, .. } if *pid == me), "{second}");
        drop(first);
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        DataDir::open(&root).unwrap();
        assert_eq!(mode(&root), 0o700);
    }

    #[test]
    fn a_directory_of_others_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("shared");
        fs::create_dir_all(root.join("lock")).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(DataDir::open(&root), Err(UpError::DataDir { .. })));
        assert_eq!(mode(&root), 0o755);
        fs::remove_dir(root.join("lock")).unwrap();
        DataDir::open(&root).unwrap();
        assert_eq!(mode(&root), 0o700);
    }

    #[test]
    fn a_planted_lock_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (root, precious) = (dir.path().join("data"), dir.path().join("precious"));
        fs::create_dir(&root).unwrap();
        fs::write(&precious, "mine").unwrap();
        std::os::unix::fs::symlink(&precious, root.join(LOCK)).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(DataDir::open(&root), Err(UpError::DataDir { .. })));
        assert_eq!(fs::read(&precious).unwrap(), b"mine");
    }

    #[test]
    fn whose_directory_may_be_used() {
        assert_eq!(stand(1000, 1000, 0o777), Ok(Stand::Owner));
        assert_eq!(stand(0, 0, 0o777), Ok(Stand::Owner));
        assert_eq!(stand(0, 1000, 0o755), Ok(Stand::Guest));
        for (us, owner, mode) in [(1000, 0, 0o700), (1000, 1001, 0o755), (0, 1000, 0o775), (0, 1000, 0o757)] {
            let why = stand(us, owner, mode).unwrap_err();
            assert!(why.contains(&format!("belongs to user {owner}")), "{why}");
        }
    }

    #[test]
    fn root_uses_a_directory_of_a_user_unless_others_write_to_it_or_links_are_in_it() {
        // Only root can give a directory away. What another user is told is in the table above.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(65_534), None).unwrap();
        let set = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        set(0o775);
        let refused = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("belongs to user 65534") && refused.contains("chmod go-w"), "{refused}");
        assert_eq!((mode(dir.path()), fs::read_dir(dir.path()).unwrap().count()), (0o775, 0));

        set(0o755);
        drop(DataDir::open(dir.path()).unwrap());
        let meta = fs::metadata(dir.path()).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (65_534, 0o700), "it stays its owner's, and becomes private");

        std::os::unix::fs::symlink("/nowhere", dir.path().join(store_slot::FILE)).unwrap();
        let refused = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("is a link"), "{refused}");
    }

    #[test]
    fn replacing_leaves_no_rest_and_keeps_the_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(dir.path().join("secret.new"), "left by a crash").unwrap();
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
