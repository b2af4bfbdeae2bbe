//! Passwords: Argon2id with 19 MiB, two passes, one lane (OWASP), hashed beside the runtime, two at a time.

use std::sync::Arc;
use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use mezu_api::Code;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::Refused;

/// Hashes at once: each takes 19 MiB and a core for a while, and requests must not feel it.
const AT_ONCE: usize = 2;
/// Those that wait; more are told to come again.
const QUEUE: usize = 64;
const SHORTEST: usize = 8;
const LONGEST: usize = 128;
/// The least of zxcvbn's scores, 0 to 4: 2 withstands guessing while attempts are limited.
const STRENGTH: zxcvbn::Score = zxcvbn::Score::Two;

/// What is checked when an account does not exist or has no password, so that the answer takes as long.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| {
    let mut password = Zeroizing::new([0; 32]);
    mezu_runtime::random::fill(password.as_mut());
    hash(password.as_ref())
});

/// Hashing, within bounds. Clones share them.
#[derive(Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { running: Arc::new(Semaphore::new(AT_ONCE)), places: Arc::new(Semaphore::new(AT_ONCE + QUEUE)) }
    }
}

impl Passwords {
    /// Whether the password is that of the hash. Without a hash it is not, after the same work.
    ///
    /// # Errors
    /// When too many are being checked.
    pub(crate) async fn check(&self, kept: Option<String>, password: &str) -> Result<bool, Refused> {
        let password = normal(password);
        self.work(move || is_right(kept, &password)).await
    }

    /// The same for who signs in: where the hash was made with other parameters than today's, it is made anew.
    ///
    /// # Errors
    /// As of [`Passwords::check`].
    pub(crate) async fn check_in(&self, kept: Option<String>, password: &str) -> Result<Checked, Refused> {
        let password = normal(password);
        self.work(move || {
            let is_right = is_right(kept.clone(), &password);
            let old = kept.filter(|kept| is_right && !is_of_today(kept));
            let again = old.and_then(|old| Some(Again { new: hash(password.as_bytes())?, old }));
            Checked { is_right, again }
        })
        .await
    }

    /// The hash of a new password, in PHC form.
    ///
    /// # Errors
    /// When it is too weak (at `pointer` of the body), or too many are being hashed.
    pub(crate) async fn make(&self, password: &str, near: &[&str], pointer: &'static str) -> Result<String, Refused> {
        let password = normal(password);
        is_strong(&password, near).map_err(|why| Refused::invalid(pointer, why))?;
        let made = self.work(move || hash(password.as_bytes())).await?;
        made.ok_or_else(|| Refused::new(Code::Internal, "the password could not be hashed"))
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
        let busy = || Refused::new(Code::Busy, "many people are signing in just now; try again in a moment");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| busy())?;
        // The permits go along: an asker who gives up must not make room while the work still goes on.
        let done = tokio::task::spawn_blocking(move || {
            let _permits = (place, turn);
            work()
        });
        done.await.map_err(|_| Refused::new(Code::Internal, "hashing a password failed"))
    }
}

/// What the check of who signs in has come to.
pub(crate) struct Checked {
    pub(crate) is_right: bool,
    pub(crate) again: Option<Again>,
}

/// A hash that takes the place of an old one, of the same password.
pub(crate) struct Again {
    pub(crate) old: String,
    pub(crate) new: String,
}

fn is_right(kept: Option<String>, password: &str) -> bool {
    let is_known = kept.is_some();
    let kept = kept.or_else(|| NOBODY.clone()).unwrap_or_default();
    let is_right = PasswordHash::new(&kept)
        .is_ok_and(|kept| argon2().is_some_and(|argon2| argon2.verify_password(password.as_bytes(), &kept).is_ok()));
    is_known & is_right
}

/// Whether a hash was made with the parameters with which one is made now.
fn is_of_today(kept: &str) -> bool {
    let today = NOBODY.as_deref().and_then(parameters);
    today.is_some() && parameters(kept) == today
}

/// What stands before salt and hash.
fn parameters(kept: &str) -> Option<&str> {
    let (before, _) = kept.rsplit_once('$')?;
    before.rsplit_once('$').map(|(parameters, _)| parameters)
}

/// One text for what looks alike, whatever the keyboard sends.
fn normal(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfc().collect())
}

fn is_strong(password: &str, near: &[&str]) -> Result<(), String> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(format!("too short: a password has at least {SHORTEST} characters, better 15"));
    }
    if length > LONGEST {
        return Err(format!("too long: a password has at most {LONGEST} characters"));
    }
    if zxcvbn::zxcvbn(password, near).score() < STRENGTH {
        return Err("too easy to guess: choose a longer or less common password, such as four random words".into());
    }
    Ok(())
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(19 * 1024, 2, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> Option<String> {
    let mut salt = [0; 16];
    mezu_runtime::random::fill(&mut salt);
    argon2()?.hash_password_with_salt(password, &salt).ok().map(|made: PasswordHash| made.to_string())
}

/// A hash as an older version has made it.
#[cfg(test)]
pub(crate) fn older_hash(password: &[u8]) -> String {
    let params = Params::new(8 * 1024, 1, 1, None).unwrap();
    let made = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_with_salt(password, &[7; 16]);
    made.map(|made: PasswordHash| made.to_string()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_passes_and_nothing_else() {
        let passwords = Passwords::default();
        let kept = passwords.make("correct horse b\u{e4}ttery", &[], "/password").await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        // The same letter, written as two code points.
        assert!(passwords.check(Some(kept.clone()), "correct horse ba\u{308}ttery").await.unwrap());
        assert!(!passwords.check(Some(kept), "correct horse battery").await.unwrap());
        assert!(!passwords.check(None, "correct horse battery").await.unwrap());
        assert!(!passwords.check(Some("not a hash".into()), "").await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_made_anew_for_who_knows_the_password() {
        let passwords = Passwords::default();
        let old = older_hash(b"correct horse battery");
        let wrong = passwords.check_in(Some(old.clone()), "correct horse").await.unwrap();
        assert!(!wrong.is_right && wrong.again.is_none());
        let right = passwords.check_in(Some(old.clone()), "correct horse battery").await.unwrap();
        let again = right.again.unwrap();
        assert!(right.is_right && again.old == old);
        let now = passwords.check_in(Some(again.new), "correct horse battery").await.unwrap();
        assert!(now.is_right && now.again.is_none());
        assert!(!passwords.check_in(None, "correct horse battery").await.unwrap().is_right);
    }

    #[tokio::test]
    async fn weak_passwords_are_refused_with_the_place() {
        let passwords = Passwords::default();
        let long = "x1!".repeat(43);
        for password in ["short", "password", "12345678", "passw0rd", "qwertyuiop", &long] {
            let refused = passwords.make(password, &[], "/password").await.unwrap_err();
            assert_eq!(refused.problem.pointer.as_deref(), Some("/password"), "{password}");
        }
        assert!(passwords.make("margaret@example.org", &["margaret@example.org"], "/p").await.is_err());
    }

    #[tokio::test]
    async fn beyond_the_queue_people_are_told_to_come_again() {
        let passwords = Passwords::default();
        let held = Arc::clone(&passwords.places).acquire_many_owned(66).await.unwrap();
        assert!(passwords.check(None, "x").await.unwrap_err().is(Code::Busy));
        drop(held);
        assert!(!passwords.check(None, "x").await.unwrap());
    }
}
