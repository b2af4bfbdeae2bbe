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

    /// A place for one request of this org.
    #[inline]
    pub(crate) fn take(&self, org: OrgId) -> Result<OrgPlace<'_>, EdgeError> {
        let mut of = self.of.borrow_mut();
        let taken = of.get(&org).copied().unwrap_or(0);
        if taken >= self.most {
            return Err(EdgeError::OrgBusy);
        }
        of.insert(org, taken + 1);
        Ok(OrgPlace { all: self, org, rests: false })
    }

    fn give_back(&self, org: OrgId) {
        let mut of = self.of.borrow_mut();
        if let Some(taken) = of.get_mut(&org) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                of.remove(&org);
            }
        }
    }
}

/// The place of one request; dropping it gives it back.
pub(crate) struct OrgPlace<'w> {
    all: &'w Orgs,
    org: OrgId,
    rests: bool,
}

impl OrgPlace<'_> {
    /// The request rests from here on and needs no place: its gate bounds how many do.
    pub(crate) fn rest(&mut self) {
        if !std::mem::replace(&mut self.rests, true) {
            self.all.give_back(self.org);
        }
    }
}

impl Drop for OrgPlace<'_> {
    fn drop(&mut self) {
        self.rest();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_org_has_its_own_places_and_what_rests_needs_none() {
        let orgs = Orgs::new(2);
        let (one, two) = (OrgId::from_bytes([1; 16]), OrgId::from_bytes([2; 16]));
        let mut first = orgs.take(one).unwrap();
        let second = orgs.take(one).unwrap();
        assert_eq!(orgs.take(one).err(), Some(EdgeError::OrgBusy));
        let other = orgs.take(two).unwrap();
        first.rest();
        first.rest();
        let third = orgs.take(one).unwrap();
        assert_eq!(orgs.take(one).err(), Some(EdgeError::OrgBusy));
        drop((first, second, third, other));
        assert!(orgs.of.borrow().is_empty());
    }
}
