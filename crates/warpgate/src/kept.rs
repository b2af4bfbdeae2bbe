//! The file of `warpgate login`: the key, and where it is good. A file with nothing but a key in it does as well.

use std::path::{Path, PathBuf};

use mezu_model::{KeyError, Label, Seed};
use serde::Deserialize;

use crate::EdgeAddress;

const HEAD: &str = "# Kept by `warpgate login`. Whoever reads the key can serve in this machine's name.";
/// How every key begins.
const KEY: &str = "mzs_";

/// What a login has come to.
#[derive(Debug, Clone)]
pub struct Kept {
    pub seed: Seed,
    pub edge: Option<EdgeAddress>,
    /// Certificate authorities to trust for that edge.
    pub ca: Option<PathBuf>,
    /// Who has let the key in.
    pub org: Option<Label>,
    pub account: Option<Label>,
}

/// Why a file is none. Nothing of the file is repeated: there may be a key in it.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("it is damaged; run `warpgate login` again")]
    Damaged,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    key: String,
    edge: Option<String>,
    ca: Option<PathBuf>,
    org: Option<Label>,
    account: Option<Label>,
}

impl Kept {
    /// A key of which nothing else is known.
    pub fn bare(seed: Seed) -> Self {
        Self { seed, edge: None, ca: None, org: None, account: None }
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// When it is neither form.
    pub fn parse(text: &str) -> Result<Self, NotKept> {
        let bare = text.trim();
        if bare.starts_with(KEY) || !bare.contains('=') {
            return Ok(Self::bare(Seed::parse(bare)?));
        }
        let Text { key, edge, ca, org, account } = toml::from_str(text).map_err(|_| NotKept::Damaged)?;
        let edge = edge.map(|edge| edge.parse()).transpose().map_err(|_| NotKept::Damaged)?;
        let key = zeroize::Zeroizing::new(key);
        Ok(Self { seed: Seed::parse(&key)?, edge, ca, org, account })
    }

    /// The file's text.
    pub fn to_text(&self) -> zeroize::Zeroizing<String> {
        let path = |path: &Path| path.display().to_string();
        let lines = [
            ("edge", self.edge.as_ref().map(ToString::to_string)),
            ("ca", self.ca.as_deref().map(path)),
            ("org", self.org.as_ref().map(ToString::to_string)),
            ("account", self.account.as_ref().map(ToString::to_string)),
        ];
        let key = zeroize::Zeroizing::new(self.seed.to_text());
        let mut text = zeroize::Zeroizing::new(format!("{HEAD}\nkey = \"{}\"\n", *key));
        for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            // A JSON string is a TOML one.
            text.push_str(&format!("{name} = {}\n", serde_json::Value::from(value)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> Seed {
        Seed::from_bytes([7; 32])
    }

    #[test]
    fn a_login_is_read_as_it_was_kept() {
        let kept = Kept {
            edge: "edge.test:8443".parse().ok(),
            ca: Some("/home/a \"b\"/ca.pem".into()),
            org: "acme".parse().ok(),
            account: "laptop".parse().ok(),
            ..Kept::bare(seed())
        };
        for kept in [kept, Kept::bare(seed())] {
            let read = Kept::parse(&kept.to_text()).unwrap();
            assert_eq!(read.seed.expose(), kept.seed.expose());
            assert_eq!((read.edge, read.ca, read.org, read.account), (kept.edge, kept.ca, kept.org, kept.account));
        }
    }

    #[test]
    fn a_key_alone_does_as_well() {
        let read = Kept::parse(&format!(" {}\n", seed().to_text())).unwrap();
        assert_eq!((read.seed.expose(), read.edge), (seed().expose(), None));
    }

    #[test]
    fn damage_is_told_without_the_key() {
        let key = seed().to_text();
        for text in [
            format!("key = \"{key}\"\negde = 'x'"),
            format!("key = \"{key}\"\nedge = 'a b'"),
            format!("key = \"{key}"),
            format!("key = \"{}\"", &key[..30]),
            format!("key = {key}"),
            String::new(),
            "edge = 'x'".to_owned(),
        ] {
            let error = Kept::parse(&text).unwrap_err();
            let said = format!("{error} {error:?} {}", mezu_runtime::Chain(&error));
            assert!(!said.contains(&key[9..25]), "{said}");
        }
    }
}
