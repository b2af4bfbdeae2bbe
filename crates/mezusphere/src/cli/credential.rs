//! What `mezusphere login` keeps: where the API is, and the token. In a file that its owner alone may read.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use mezu_model::{Label, TokenId};
use serde::{Deserialize, Serialize};

use super::out::Failure;

/// A login.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    /// The address of the API.
    pub(super) api: String,
    pub(super) token: String,
    /// The org that the token is for.
    pub(super) org: Label,
    /// The token's id, if the login has made it: then the logout revokes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) made: Option<TokenId>,
    /// A file with further certificate authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<PathBuf>,
}

impl Credential {
    /// Where it is kept.
    pub(super) fn file() -> Option<PathBuf> {
        let own = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        own.or_else(home).map(|config| config.join("mezusphere/login.json"))
    }

    /// The login, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or others could.
    pub(super) fn load() -> Result<Option<Self>, Failure> {
        let Some(file) = Self::file() else { return Ok(None) };
        let meta = match fs::metadata(&file) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::Refused(format!("cannot read {}: {error}", file.display()))),
        };
        let shown = file.display();
        if meta.mode() & 0o077 != 0 {
            let detail = format!("others may read {shown}, which holds a token: chmod 600 {shown}");
            return Err(Failure::Refused(detail));
        }
        let text =
            fs::read_to_string(&file).map_err(|error| Failure::Refused(format!("cannot read {shown}: {error}")))?;
        let odd = |_| Failure::Refused(format!("{shown} is damaged; run `mezusphere login` again"));
        serde_json::from_str(&text).map(Some).map_err(odd)
    }

    /// Keeps it in place of the one before. Says where.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self) -> Result<PathBuf, Failure> {
        let file = Self::file().ok_or_else(|| Failure::Refused("there is no HOME to keep a login in".into()))?;
        let fault = |error: io::Error| Failure::Refused(format!("cannot write {}: {error}", file.display()));
        let directory = file.parent().unwrap_or(&file);
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fault)?;
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        let new = file.with_extension(format!("new-{}", std::process::id()));
        // A left-over of a process that fell over may have any mode.
        let _ = fs::remove_file(&new);
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(fault)?;
        let written = writeln!(opened, "{text}").and_then(|()| opened.sync_all());
        written.and_then(|()| fs::rename(&new, &file)).map_err(fault)?;
        Ok(file)
    }

    /// Forgets the login. Says whether there was one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn forget() -> Result<bool, Failure> {
        let Some(file) = Self::file() else { return Ok(false) };
        match fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::Refused(format!("cannot remove {}: {error}", file.display()))),
        }
    }
}
