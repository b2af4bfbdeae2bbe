//! Requests that one org may have in flight on this worker, over all its workloads and gates: however many tunnels an
//! org brings, it leaves room for the others. Those that rest (a WebSocket, an event stream) count apart: of these an
//! org may have as many as it leaves free.

use std::cell::RefCell;

use hashbrown::HashMap;
use mezu_model::OrgId;

use crate::answer::EdgeError;

pub(crate) struct Orgs {
    most: usize,
    /// In flight per org; none is kept at zero.
    of: RefCell<HashMap<OrgId, Taken>>,
}

#[derive(Default, Clone, Copy)]
struct Taken {
    working: usize,
    resting: usize,
}

/// A place of an org, to be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrgPlace {
    Working,
    Resting,
}

impl Orgs {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, of: RefCell::default() }
    }

    /// Takes a place for one request of this org. What it goes into gives it back: see [`crate::observe::Record`].
    #[inline]
    pub(crate) fn take(&self, org: OrgId) -> Result<OrgPlace, EdgeError> {
        let mut of = self.of.borrow_mut();
        let taken = of.get(&org).copied().unwrap_or_default();
        if taken.working >= self.most {
            return Err(EdgeError::OrgBusy);
        }
        of.insert(org, Taken { working: taken.working + 1, ..taken });
        Ok(OrgPlace::Working)
    }

    /// From here on a request rests most of the time. Where `free`, which no org has taken, is less than what rests of
    /// this one, it keeps the place that it has.
    pub(crate) fn rest(&self, org: OrgId, place: &mut OrgPlace, free: usize) {
        if let Some(taken) = self.of.borrow_mut().get_mut(&org)
            && *place == OrgPlace::Working
            && taken.resting < free
        {
            taken.working = taken.working.saturating_sub(1);
            taken.resting += 1;
            *place = OrgPlace::Resting;
        }
    }

    pub(crate) fn give_back(&self, org: OrgId, place: OrgPlace) {
        let mut of = self.of.borrow_mut();
        if let Some(taken) = of.get_mut(&org) {
            let count = if place == OrgPlace::Working { &mut taken.working } else { &mut taken.resting };
            *count = count.saturating_sub(1);
            if taken.working + taken.resting == 0 {
                of.remove(&org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_org_has_its_own_places() {
        let orgs = Orgs::new(2);
        let (one, two) = (OrgId::from_bytes([1; 16]), OrgId::from_bytes([2; 16]));
        let working = Ok(OrgPlace::Working);
        assert_eq!((orgs.take(one), orgs.take(one)), (working.clone(), working.clone()));
        assert_eq!(orgs.take(one), Err(EdgeError::OrgBusy));
        assert_eq!(orgs.take(two), working);
        orgs.give_back(one, OrgPlace::Working);
        assert_eq!((orgs.take(one), orgs.take(one)), (working, Err(EdgeError::OrgBusy)));
        [one, one, two].into_iter().for_each(|org| orgs.give_back(org, OrgPlace::Working));
        assert!(orgs.of.borrow().is_empty());
    }

    #[test]
    fn what_rests_counts_apart_up_to_what_it_leaves_free() {
        let (orgs, one) = (Orgs::new(1), OrgId::from_bytes([1; 16]));
        let mut places = Vec::new();
        for free in [2, 2, 2] {
            let mut place = orgs.take(one).unwrap();
            orgs.rest(one, &mut place, free);
            orgs.rest(one, &mut place, free);
            places.push(place);
        }
        assert_eq!(places, [OrgPlace::Resting, OrgPlace::Resting, OrgPlace::Working]);
        assert_eq!(orgs.take(one), Err(EdgeError::OrgBusy));
        places.into_iter().for_each(|place| orgs.give_back(one, place));
        assert!(orgs.of.borrow().is_empty());
    }
}
