//! A worker's room for something, in bytes or places, dealt among those who want it.
//!
//! One may have as much as it leaves free, so that whoever wants much leaves the others theirs. It is for what can be
//! done without: nobody waits for room.

use std::cell::{Cell, RefCell};
use std::hash::Hash;
use std::rc::Rc;

use hashbrown::HashMap;

/// Room for the wants of each `K`.
#[derive(Debug)]
pub(crate) struct Room<K>(Rc<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    all: usize,
    /// The most that one may have.
    each: usize,
    used: Cell<usize>,
    /// Of each that has any.
    of: RefCell<HashMap<K, usize>>,
}

impl<K: Copy + Eq + Hash> Room<K> {
    /// `each`: the most that one may have, whatever is free.
    pub(crate) fn new(all: usize, each: usize) -> Self {
        Self(Rc::new(Inner { all, each, used: Cell::new(0), of: RefCell::default() }))
    }

    /// So much of it, unless this one would then have more than is left.
    pub(crate) fn hold(&self, whose: K, amount: usize) -> Option<Held<K>> {
        let Inner { all, each, used, of } = &*self.0;
        let mut of = of.borrow_mut();
        let had = of.get(&whose).copied().unwrap_or(0);
        let free = all.saturating_sub(used.get());
        let has = had.saturating_add(amount);
        if has > free || has > *each {
            return None;
        }
        of.insert(whose, has);
        used.set(used.get() + amount);
        Some(Held { room: Rc::clone(&self.0), whose, amount })
    }
}

/// Room that is taken; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Held<K: Copy + Eq + Hash> {
    room: Rc<Inner<K>>,
    whose: K,
    amount: usize,
}

impl<K: Copy + Eq + Hash> Drop for Held<K> {
    fn drop(&mut self) {
        let Inner { used, of, .. } = &*self.room;
        used.set(used.get().saturating_sub(self.amount));
        let mut of = of.borrow_mut();
        if let Some(had) = of.get_mut(&self.whose) {
            *had = had.saturating_sub(self.amount);
            if *had == 0 {
                of.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hog(room: &Room<u8>, whose: u8) -> Vec<Held<u8>> {
        std::iter::from_fn(|| room.hold(whose, 10)).take(20).collect()
    }

    #[test]
    fn one_has_as_much_as_it_leaves_free() {
        let room = Room::new(100, usize::MAX);
        let held = [1, 2, 3].map(|whose| hog(&room, whose));
        assert_eq!(held.each_ref().map(Vec::len), [5, 3, 1]);
        let [one, two, three] = held;
        drop(one);
        assert_eq!(hog(&room, 2).len(), 2);
        drop((two, three));
        assert_eq!(room.0.used.get(), 0);
        assert!(room.0.of.borrow().is_empty());
        assert_eq!(hog(&room, 3).len(), 5);
    }

    #[test]
    fn and_no_more_than_each_may() {
        let room = Room::new(1000, 25);
        assert_eq!([1, 2].map(|whose| hog(&room, whose).len()), [2, 2]);
    }
}
