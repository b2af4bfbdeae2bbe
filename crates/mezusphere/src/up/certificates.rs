//! The certificate in use, renewed or read again in the background.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use mezu_edge::CertStore;
use mezu_model::Hostname;
use mezu_runtime::Scope;
use time::OffsetDateTime;

use super::UpError;
use super::authority::{self, Ready, Source};
use super::data_dir::DataDir;

const CHECK_PRIVATE: Duration = Duration::from_secs(3600);
/// An operator's renewal tool is followed this soon.
const CHECK_OWN: Duration = Duration::from_secs(30);
const WARN_BEFORE: time::Duration = time::Duration::days(14);

/// The edge's certificates.
pub(super) struct Certificates {
    source: Source,
    data: Arc<DataDir>,
    base: Hostname,
    ready: Mutex<Ready>,
    store: Arc<CertStore>,
}

impl Certificates {
    /// Loads or makes the certificate.
    ///
    /// # Errors
    /// Says which file is at fault.
    pub(super) fn open(source: Source, data: Arc<DataDir>, base: Hostname) -> Result<Self, UpError> {
        let ready = load(&source, &data, &base)?;
        let store = Arc::new(CertStore::new(vec![ready.certificate.clone()]));
        Ok(Self { source, data, base, ready: Mutex::new(ready), store })
    }

    #[must_use]
    pub(super) fn store(&self) -> Arc<CertStore> {
        Arc::clone(&self.store)
    }

    #[must_use]
    pub(super) fn not_after(&self) -> OffsetDateTime {
        self.with(|ready| ready.not_after)
    }

    #[must_use]
    pub(super) const fn is_private(&self) -> bool {
        matches!(self.source, Source::Private)
    }

    /// Whether a certificate stands for the host. A wildcard stands for one label (RFC 9525 §6.3).
    #[must_use]
    pub(super) fn covers(&self, host: &str) -> bool {
        let parent = host.split_once('.').map_or("", |(_, parent)| parent);
        self.with(|ready| {
            ready.certificate.names.iter().any(|name| name == host || name.strip_prefix("*.") == Some(parent))
        })
    }

    /// What a person should know about the certificate.
    #[must_use]
    pub(super) fn warning(&self) -> Option<String> {
        let left = self.not_after() - OffsetDateTime::now_utc();
        if !self.covers(&format!("any.{}", self.base)) {
            Some(format!("the certificate is not for *.{}, so clients will refuse workloads' default names", self.base))
        } else if left.is_negative() {
            Some("the certificate has expired".into())
        } else if left < WARN_BEFORE {
            Some(format!("the certificate expires in {} days", left.whole_days()))
        } else {
            None
        }
    }

    /// Keeps the certificate fresh until the scope is stopped.
    pub(super) fn keep_fresh(self: &Arc<Self>, scope: &Scope) {
        let (this, stop) = (Arc::clone(self), scope.clone());
        let every = if self.is_private() { CHECK_PRIVATE } else { CHECK_OWN };
        mezu_runtime::spawn(scope, "certificates", async move {
            loop {
                tokio::select! {
                    () = stop.stopping() => return,
                    () = tokio::time::sleep(every) => {}
                }
                let fresh = Arc::clone(&this);
                // It only touches files; should it panic, the old certificate goes on.
                let _ = tokio::task::spawn_blocking(move || fresh.refresh()).await;
            }
        });
    }

    fn refresh(&self) {
        let fresh = match load(&self.source, &self.data, &self.base) {
            Ok(fresh) => fresh,
            Err(error) => return tracing::error!(%error, "the old certificate stays in use"),
        };
        let changed = self.with(|old| old.certificate.key.cert != fresh.certificate.key.cert);
        if changed {
            tracing::info!(not_after = %fresh.not_after, "the certificate was replaced");
            self.store.replace(vec![fresh.certificate.clone()]);
            *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }

    fn with<T>(&self, look: impl FnOnce(&Ready) -> T) -> T {
        look(&self.ready.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn load(source: &Source, data: &DataDir, base: &Hostname) -> Result<Ready, UpError> {
    match source {
        Source::Own { cert, key } => authority::own(cert, key),
        Source::Private => authority::private(data, base, OffsetDateTime::now_utc()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_new_pair_is_taken_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let data = Arc::new(DataDir::open(&dir.path().join("data")).unwrap());
        let base: Hostname = "one.test".parse().unwrap();
        let now = OffsetDateTime::now_utc();
        let make = |base: &Hostname| {
            authority::private(&data, base, now).unwrap();
            for file in ["tls.pem", "tls.key"] {
                fs::copy(data.file(file), dir.path().join(file)).unwrap();
            }
        };
        make(&base);
        let source = Source::Own { cert: dir.path().join("tls.pem"), key: dir.path().join("tls.key") };
        let certificates = Certificates::open(source, Arc::clone(&data), base).unwrap();
        assert!(certificates.covers("a.one.test") && !certificates.covers("a.b.one.test"));
        assert_eq!(certificates.warning(), None);

        make(&"two.test".parse().unwrap());
        certificates.refresh();
        assert!(certificates.covers("a.two.test") && !certificates.covers("a.one.test"));
        assert!(certificates.warning().is_some_and(|warning| warning.contains("*.one.test")));

        fs::write(dir.path().join("tls.key"), "half a key").unwrap();
        certificates.refresh();
        assert!(certificates.covers("a.two.test"));
    }
}
