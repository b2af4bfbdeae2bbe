//! A table of buckets that all workers use at once.
//!
//! A bucket is two words: whose it is, and when it will be full again. One that is full says as much as one that is
//! not there, so a full one is free for the next key, and nothing has to clean up. Keys lie in sets of a few
//! neighbours; a set whose buckets are all in use makes the table grow by a level, as long as there is memory, and
//! after that the bucket that is nearest to full makes room: whoever asks much is never forgotten for those who ask
//! once.
//!
//! Taking one out takes no lock. Only a key that has no bucket locks its set, for the few steps of getting one.
//!
//! What one key may take is exact while its bucket stays where it is. When a bucket changes hands at the very moment
//! in which its former owner comes back, one request can be counted for the wrong one of the two: never more.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Quota, Taken};

/// Buckets of a set, which with its lock is one line of cache.
const WAYS: usize = 3;
/// Sets of each level: 48, 768, 12 Ki and 192 Ki buckets. The first is every route's own; the others come out of the
/// memory for all.
const SETS: [usize; 4] = [1 << 4, 1 << 8, 1 << 12, 1 << 16];
/// How often a key looks again after others were faster. Then it is let through uncounted: it is that busy only under
/// attack, and the limits of the edge hold all the same.
const TRIES: usize = 8;

/// A word that threads share, and a lock beside it; the tests have ones that try every order.
pub(super) trait Word {
    type Lock;

    fn zero() -> Self;
    fn read(&self) -> u64;
    /// Replaces `old`; false if it was not there any more.
    fn replace(&self, old: u64, new: u64) -> bool;
    fn write(&self, new: u64);
    fn new_lock() -> Self::Lock;
    fn locked<R>(lock: &Self::Lock, work: impl FnOnce() -> R) -> R;
}

impl Word for AtomicU64 {
    type Lock = Mutex<()>;

    fn zero() -> Self {
        Self::new(0)
    }

    #[inline]
    fn read(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    #[inline]
    fn replace(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    #[inline]
    fn write(&self, new: u64) {
        self.store(new, Ordering::Release);
    }

    fn new_lock() -> Self::Lock {
        Mutex::new(())
    }

    fn locked<R>(lock: &Self::Lock, work: impl FnOnce() -> R) -> R {
        let _held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }
}

struct Bucket<W> {
    /// The key's hash; 0 for nobody's.
    tag: W,
    /// When it will be full again, nanoseconds.
    due: W,
}

#[repr(align(64))]
struct Set<W: Word, const N: usize> {
    buckets: [Bucket<W>; N],
    /// Held by whoever gives a bucket to a key.
    lock: W::Lock,
}

/// A table, which is empty and takes no memory until the first key comes.
pub(super) struct Buckets<W: Word> {
    levels: [OnceLock<Box<[Set<W, WAYS>]>>; SETS.len()],
    /// Bytes that all tables together may still take.
    bytes: Arc<AtomicUsize>,
}

/// Which buckets may be given to another key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Give {
    Full,
    /// The one that is nearest to full.
    Any,
}

impl<W: Word, const N: usize> Set<W, N> {
    fn new() -> Self {
        let buckets = std::array::from_fn(|_| Bucket { tag: W::zero(), due: W::zero() });
        Self { buckets, lock: W::new_lock() }
    }

    fn find(&self, tag: u64) -> Option<&Bucket<W>> {
        self.buckets.iter().find(|bucket| bucket.tag.read() == tag)
    }

    /// Gives a bucket to a key that has none, with the first request already taken out. Whether there was one to give.
    fn give(&self, tag: u64, now: u64, first: u64, which: Give) -> bool {
        W::locked(&self.lock, || {
            // Another thread may just have done it: then that is the key's bucket, and this one looks again.
            if self.find(tag).is_some() {
                return false;
            }
            let free = |due: u64| which == Give::Any || due <= now;
            let dues = self.buckets.iter().map(|bucket| (bucket, bucket.due.read()));
            let Some((bucket, due)) = dues.filter(|(_, due)| free(*due)).min_by_key(|(_, due)| *due) else {
                return false;
            };
            let former = bucket.tag.read();
            // Nobody's in between: who takes from it now finds that it is not his any more.
            bucket.tag.write(0);
            let given = bucket.due.replace(due, first);
            bucket.tag.write(if given { tag } else { former });
            given
        })
    }
}

impl<W: Word> Bucket<W> {
    /// Takes one out. `None` if it turned out to be another key's.
    fn take(&self, tag: u64, now: u64, quota: Quota) -> Option<Taken> {
        loop {
            let due = self.due.read();
            let (next, taken) = match quota.next(due, now) {
                Ok(step) => step,
                Err(refused) => return (self.tag.read() == tag).then_some(refused),
            };
            if self.due.replace(due, next) {
                return (self.tag.read() == tag).then_some(taken);
            }
        }
    }
}

/// Takes one out of the key's bucket in one of these sets, the first of which have precedence. `grow` gives one more.
fn take<'s, W: Word + 's, const N: usize>(
    tag: u64,
    now: u64,
    quota: Quota,
    sets: impl Fn() -> [Option<&'s Set<W, N>>; SETS.len()],
    grow: impl Fn() -> bool,
) -> Option<Taken> {
    // A bucket that is full has one to take.
    let (first, taken) = quota.next(0, now).ok()?;
    for _ in 0..TRIES {
        let there = sets();
        if let Some(bucket) = there.iter().flatten().find_map(|set| set.find(tag)) {
            match bucket.take(tag, now, quota) {
                Some(taken) => return Some(taken),
                None => continue,
            }
        }
        if there.iter().flatten().any(|set| set.give(tag, now, first, Give::Full)) {
            return Some(taken);
        }
        let found = there.iter().flatten().any(|set| set.find(tag).is_some());
        let last = there.iter().flatten().last();
        if !found && !grow() && last.is_some_and(|set| set.give(tag, now, first, Give::Any)) {
            return Some(taken);
        }
    }
    None
}

impl<W: Word> Buckets<W> {
    pub(super) fn new(bytes: Arc<AtomicUsize>) -> Self {
        Self { levels: std::array::from_fn(|_| OnceLock::new()), bytes }
    }

    /// Takes one out of a key's bucket.
    pub(super) fn take(&self, tag: u64, now: u64, quota: Quota) -> Taken {
        let taken = take(tag, now, quota, || self.sets(tag), || self.grow());
        taken.unwrap_or_else(|| fresh(now, quota))
    }

    /// What taking one out would say.
    pub(super) fn look(&self, tag: u64, now: u64, quota: Quota) -> Taken {
        let bucket = self.sets(tag).into_iter().flatten().find_map(|set| set.find(tag));
        let due = bucket.map_or(0, |bucket| bucket.due.read());
        quota.next(due, now).map_or_else(|refused| refused, |(_, taken)| taken)
    }

    /// The key's set in each level that there is. Each level looks at other bits of the hash.
    fn sets(&self, tag: u64) -> [Option<&Set<W, WAYS>>; SETS.len()] {
        let mut bits = tag;
        self.levels.each_ref().map(|level| {
            let sets = level.get()?;
            let place = usize::try_from(bits).unwrap_or(usize::MAX) % sets.len().max(1);
            bits = bits.rotate_right(20);
            sets.get(place)
        })
    }

    /// One level more, if there is memory for it.
    fn grow(&self) -> bool {
        let next = self.levels.iter().zip(SETS).enumerate().find(|(_, (level, _))| level.get().is_none());
        let Some((place, (level, sets))) = next else { return false };
        let size = if place == 0 { 0 } else { sets * size_of::<Set<W, WAYS>>() };
        let taken = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(size));
        if taken.is_err() {
            return false;
        }
        let made = (0..sets).map(|_| Set::new()).collect();
        if level.set(made).is_err() {
            self.bytes.fetch_add(size, Ordering::Relaxed);
        }
        true
    }
}

impl<W: Word> Drop for Buckets<W> {
    fn drop(&mut self) {
        let sets: usize = self.levels.iter().skip(1).filter_map(|level| level.get()).map(|sets| sets.len()).sum();
        self.bytes.fetch_add(sets * size_of::<Set<W, WAYS>>(), Ordering::Relaxed);
    }
}

/// A bucket that nobody has taken from but this request.
fn fresh(now: u64, quota: Quota) -> Taken {
    quota.next(0, now).map_or_else(|refused| refused, |(_, taken)| taken)
}

#[cfg(test)]
mod tests;
