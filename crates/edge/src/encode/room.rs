//! What the encoders of one worker may hold, dealt among the orgs whose answers they encode.
//!
//! An org may have as much as it leaves free, so that whoever has many slow clients leaves the others theirs. Without
//! room an answer goes out as it is: nobody is refused anything.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hashbrown::HashMap;
use mezu_model::OrgId;

#[derive(Clone)]
pub(crate) struct Room(Rc<Inner>);

struct Inner {
    bytes: usize,
    used: Cell<usize>,
    /// Of each org that has any.
    of: RefCell<HashMap<OrgId, usize>>,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Rc::new(Inner { bytes, used: Cell::new(0), of: RefCell::default() }))
    }

    /// Room for so many bytes, unless the org would then have more than is left.
    pub(crate) fn hold(&self, org: OrgId, bytes: usize) -> Option<Held> {
        let Inner { bytes: all, used, of } = &*self.0;
        let mut of = of.borrow_mut();
        let had = of.get(&org).copied().unwrap_or(0);
        let free = all.saturating_sub(used.get());
        if had.saturating_add(bytes) > free {
            return None;
        }
        of.insert(org, had + bytes);
        used.set(used.get() + bytes);
        Some(Held { room: self.clone(), org, bytes })
    }
}

/// Room that one encoder has; dropping it gives it back.
pub(crate) struct Held {
    room: Room,
    org: OrgId,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        let Inner { used, of, .. } = &*self.room.0;
        used.set(used.get().saturating_sub(self.bytes));
        let mut of = of.borrow_mut();
        if let Some(had) = of.get_mut(&self.org) {
            *had = had.saturating_sub(self.bytes);
            if *had == 0 {
                of.remove(&self.org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_has_as_much_as_it_leaves_free() {
        let room = Room::new(100);
        let orgs = [1, 2, 3].map(|n| OrgId::from_bytes([n; 16]));
        let hog = |org| std::iter::from_fn(|| room.hold(org, 10)).take(20).collect::<Vec<_>>();
        let one = hog(orgs[0]);
        let two = hog(orgs[1]);
        let three = hog(orgs[2]);
        assert_eq!([one.len(), two.len(), three.len()], [5, 3, 1]);
        drop(one);
        assert_eq!(hog(orgs[1]).len(), 2);
        drop((two, three));
        assert_eq!(room.0.used.get(), 0);
        assert!(room.0.of.borrow().is_empty());
        assert_eq!(hog(orgs[2]).len(), 5);
    }
}
