//! Requests that one org may have in flight on this worker, over all its workloads and gates: however many tunnels an
//! org brings, it leaves room for the others.

use std::cell::RefCell;

use hashbrown::HashMap;
use mezu_model::OrgId;

use crate::answer::EdgeError;

pub(crate) struct Orgs {
    most: usize,
    /// In flight per org; none is kept at zero.
    of: RefCell<HashMap<OrgId, usize>>,
}

impl Orgs {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, of: RefCell::default() }
    }

    /// Takes a place for one request of this org. What it goes into gives it back: see [`crate::observe::Record`].
    #[inline]
    pub(crate) fn take(&self, org: OrgId) -> Result<(), EdgeError> {
        let mut of = self.of.borrow_mut();
        let taken = of.get(&org).copied().unwrap_or(0);
        if taken >= self.most {
            return Err(EdgeError::OrgBusy);
        }
        of.insert(org, taken + 1);
        Ok(())
    }

    pub(crate) fn give_back(&self, org: OrgId) {
        let mut of = self.of.borrow_mut();
        if let Some(taken) = of.get_mut(&org) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                of.remove(&org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_org_has_its_own_places() {
        let orgs = Orgs::new(2);
        let (one, two) = (OrgId::from_bytes([1; 16]), OrgId::from_bytes([2; 16]));
        assert_eq!((orgs.take(one), orgs.take(one)), (Ok(()), Ok(())));
        assert_eq!(orgs.take(one), Err(EdgeError::OrgBusy));
        assert_eq!(orgs.take(two), Ok(()));
        orgs.give_back(one);
        assert_eq!((orgs.take(one), orgs.take(one)), (Ok(()), Err(EdgeError::OrgBusy)));
        [one, one, two].into_iter().for_each(|org| orgs.give_back(org));
        assert!(orgs.of.borrow().is_empty());
    }
}
