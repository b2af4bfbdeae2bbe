//! From a request's path to an open file, with the kernel keeping the walk below the folder.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, open, openat2},
    io::Errno,
};

/// Deepest path that is looked at.
const MAX_DEPTH: usize = 64;

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    File(Opened),
    /// A folder that was asked for without its final slash.
    Folder,
    Nothing,
}

/// A regular file.
#[derive(Debug)]
pub(super) struct Opened {
    pub file: Arc<File>,
    pub name: String,
    pub length: u64,
    pub modified: SystemTime,
}

impl Opened {
    /// Changes whenever size or time of change do.
    pub(super) fn etag(&self) -> String {
        let since = self.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("\"{:x}-{:x}\"", self.length, since.as_nanos())
    }
}

/// Finds what `path`, as it stands in a request, means below `dir`. Blocks.
pub(super) fn find(dir: &Path, path: &str) -> io::Result<Found> {
    let Some(mut relative) = decode(path) else { return Ok(Found::Nothing) };
    let wants_folder = path.ends_with('/');
    if wants_folder {
        relative.push("index.html");
    }
    let root = open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(&root, &relative, flags, Mode::empty(), beneath) {
        Ok(file) => File::from(file),
        // An old kernel, or a sandbox that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => match open_checked(dir, &relative) {
            Some(file) => file,
            None => return Ok(Found::Nothing),
        },
        Err(_) => return Ok(Found::Nothing),
    };
    let meta = file.metadata()?;
    if meta.is_dir() && !wants_folder {
        return Ok(Found::Folder);
    }
    if !meta.is_file() {
        return Ok(Found::Nothing);
    }
    let name = relative.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Found::File(Opened { length: meta.len(), modified: meta.modified()?, file: Arc::new(file), name }))
}

/// Without openat2: resolve all links, then look where that led.
fn open_checked(dir: &Path, relative: &Path) -> Option<File> {
    let root = dir.canonicalize().ok()?;
    let real = root.join(relative).canonicalize().ok()?;
    if !real.starts_with(&root) {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    open(&real, flags, Mode::empty()).ok().map(File::from)
}

/// A request path as a relative file path; `None` for what is never served. The edge has normalised the path, but this
/// is where a mistake would show files, so nothing is taken on trust.
fn decode(path: &str) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    let mut depth = 0;
    for segment in path.strip_prefix('/')?.split('/') {
        if segment.is_empty() {
            continue;
        }
        let name = percent_decode(segment)?;
        let hidden = name.starts_with('.');
        if hidden || name.contains(['/', '\\', '\0']) || name.chars().any(char::is_control) || depth == MAX_DEPTH {
            return None;
        }
        relative.push(name);
        depth += 1;
    }
    if depth == 0 {
        relative.push(".");
    }
    Some(relative)
}

fn percent_decode(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digit = |at: usize| rest.get(at).and_then(|b| char::from(*b).to_digit(16));
        let byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        out.push(byte);
        rest = rest.get(2..)?;
    }
    String::from_utf8(out).ok()
}

/// Up to `want` bytes at an offset. Blocks.
pub(super) fn read_at(file: &File, at: u64, want: usize) -> io::Result<Bytes> {
    let mut piece = BytesMut::zeroed(want);
    loop {
        match file.read_at(&mut piece, at) {
            Ok(read) => {
                piece.truncate(read);
                return Ok(piece.freeze());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
