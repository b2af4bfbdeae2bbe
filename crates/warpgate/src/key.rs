//! Where the service-account key comes from. It is a secret: never printed, never logged, and not to be given on the
//! command line, where every process of the machine can read it (threat 23).

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use mezu_model::{KeyError, Seed};

use crate::{Kept, NotKept};

/// The environment variable that may hold the key.
pub const VARIABLE: &str = "MEZUSPHERE_KEY";
/// Longest key file that is read.
const MAX_FILE: u64 = 4096;

/// Where a key was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Argument,
    File(PathBuf),
    Variable,
    Login(PathBuf),
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    #[error("no key: set {VARIABLE}, give --key-file FILE, or run `warpgate login`, which keeps one in {}", .0.display())]
    Nowhere(PathBuf),
    #[error("no key: set {VARIABLE} or give --key-file FILE")]
    NoHome,
    #[error("cannot read the key in {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("others can read the key in {0} (mode {1:04o}); run: chmod 600 {0}")]
    Mode(String, u32),
    #[error("the key from {0} is not valid")]
    Invalid(String, #[source] KeyError),
    #[error("the login in {} cannot be used", .0.display())]
    Login(PathBuf, #[source] NotKept),
}

/// What the command line and the environment say about the key.
#[derive(Default)]
pub struct Lookup {
    pub argument: Option<String>,
    pub file: Option<PathBuf>,
    pub variable: Option<String>,
    pub login_file: Option<PathBuf>,
}

impl Lookup {
    /// From the environment; arguments are added by the caller.
    pub fn from_env() -> Self {
        Self { variable: std::env::var(VARIABLE).ok(), login_file: login_file(), ..Self::default() }
    }

    /// The key, from the most explicit place that has one.
    pub fn find(&self) -> Result<(Seed, Source), NoKey> {
        if let Some(text) = &self.argument {
            return parse(text, "the command line").map(|seed| (seed, Source::Argument));
        }
        if let Some(path) = &self.file {
            return read(path).map(|kept| (kept.seed, Source::File(path.clone())));
        }
        if let Some(text) = self.variable.as_ref().filter(|text| !text.trim().is_empty()) {
            return parse(text, VARIABLE).map(|seed| (seed, Source::Variable));
        }
        let path = self.login_file.as_ref().ok_or(NoKey::NoHome)?;
        let kept = self.kept()?.ok_or_else(|| NoKey::Nowhere(path.clone()))?;
        Ok((kept.seed, Source::Login(path.clone())))
    }

    /// What `warpgate login` has kept, if anything.
    pub fn kept(&self) -> Result<Option<Kept>, NoKey> {
        let Some(path) = self.login_file.as_ref().filter(|path| path.exists()) else { return Ok(None) };
        private(path)?;
        read(path).map(Some)
    }
}

/// `~/.config/mezusphere/key`, or where XDG_CONFIG_HOME points.
pub fn login_file() -> Option<PathBuf> {
    let config = match std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME").filter(|dir| !dir.is_empty())?).join(".config"),
    };
    Some(config.join("mezusphere").join("key"))
}

/// Keeps a key in a file that only its owner can read.
pub fn store(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    // A new file beside it, so that the mode holds from the first byte and a crash leaves the old key.
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.trim().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// Whether a key could be kept there.
pub fn check_place(path: &Path) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    fs::remove_file(&fresh)
}

/// Whether group or others may read a file.
pub fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o077 != 0)
}

fn private(path: &Path) -> Result<(), NoKey> {
    let meta = fs::metadata(path).map_err(|error| NoKey::Read(path.to_owned(), error))?;
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(NoKey::Mode(path.display().to_string(), mode)) }
}

fn read(path: &Path) -> Result<Kept, NoKey> {
    let fault = |error| NoKey::Read(path.to_owned(), error);
    if fs::metadata(path).map_err(fault)?.len() > MAX_FILE {
        return Err(fault(io::Error::new(io::ErrorKind::InvalidData, "too long for a key")));
    }
    let text = zeroize::Zeroizing::new(fs::read_to_string(path).map_err(fault)?);
    Kept::parse(&text).map_err(|error| match error {
        NotKept::Key(error) => NoKey::Invalid(path.display().to_string(), error),
        NotKept::Damaged => NoKey::Login(path.to_owned(), error),
    })
}

fn parse(text: &str, place: &str) -> Result<Seed, NoKey> {
    Seed::parse(text).map_err(|error| NoKey::Invalid(place.to_owned(), error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn text() -> String {
        Seed::from_bytes([7; 32]).to_text()
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_login_file_must_be_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mezusphere").join("key");
        let lookup = Lookup { login_file: Some(path.clone()), ..Lookup::default() };
        assert!(matches!(lookup.find(), Err(NoKey::Nowhere(_))));
        store(&path, &text()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(matches!(lookup.find(), Ok((_, Source::Login(_)))));
        for mode in [0o644, 0o640, 0o604, 0o660, 0o610, 0o601] {
            set_mode(&path, mode);
            assert!(matches!(lookup.find(), Err(NoKey::Mode(..))), "{mode:o}");
        }
        set_mode(&path, 0o400);
        assert!(lookup.find().is_ok());
    }

    #[test]
    fn the_most_explicit_place_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        store(&path, &text()).unwrap();
        let mut lookup = Lookup {
            argument: Some(text()),
            file: Some(path.clone()),
            variable: Some(text()),
            login_file: Some(path.clone()),
        };
        let mut found = || {
            let source = lookup.find().unwrap().1;
            match source {
                Source::Argument => lookup.argument = None,
                Source::File(_) => lookup.file = None,
                Source::Variable => lookup.variable = Some(" ".into()),
                Source::Login(_) => {}
            }
            source
        };
        assert_eq!(found(), Source::Argument);
        assert_eq!(found(), Source::File(path.clone()));
        assert_eq!(found(), Source::Variable);
        assert_eq!(found(), Source::Login(path));
    }

    #[test]
    fn errors_never_repeat_the_key() {
        let mut bad = text();
        bad.replace_range(20..21, if bad.as_bytes().get(20) == Some(&b'A') { "B" } else { "A" });
        let Err(error) = (Lookup { variable: Some(bad.clone()), ..Lookup::default() }).find() else { unreachable!() };
        let said = format!("{error} {error:?} {}", mezu_runtime::Chain(&error));
        assert!(!said.contains(bad.get(9..30).unwrap()), "{said}");
    }
}
