//! What the addresses of the edge have answered since a connection last stood.
//!
//! An edge of several addresses may be of several minds: one that was just started, restored or left behind by an
//! update refuses a key that the others know. So the word of one address ends nothing.

use std::{collections::HashMap, net::SocketAddr};

/// How often the answer must be no behind a proxy, which chooses the address without telling.
const PROXIED: u32 = 3;

/// The addresses and their last words.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    /// As resolved last.
    all: Vec<SocketAddr>,
    said: HashMap<SocketAddr, Said>,
    /// Refusals in a row behind a proxy.
    proxied: u32,
}

/// An address's last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// No connection, no handshake, no answer.
    Nothing,
    /// A refusal that is not meant to pass.
    No,
}

/// Where a connection leads: to an address, or wherever a proxy chose.
pub(crate) type Way = Option<SocketAddr>;

impl Ways {
    /// The addresses in the order in which to try them: from the `turn`th on, and those that refuse us last.
    pub(crate) fn order(&mut self, all: Vec<SocketAddr>, turn: usize) -> Vec<SocketAddr> {
        self.said.retain(|address, _| all.contains(address));
        let mut order = all.clone();
        order.rotate_left(turn.checked_rem(all.len()).unwrap_or(0));
        order.sort_by_key(|address| self.said.get(address) == Some(&Said::No));
        self.all = all;
        order
    }

    /// It gave no answer.
    pub(crate) fn silent(&mut self, way: Way) {
        self.note(way, Some(Said::Nothing));
    }

    /// It has no use for us now, which may change.
    pub(crate) fn busy(&mut self, way: Way) {
        self.note(way, None);
    }

    /// It refuses us, and not for the moment only.
    pub(crate) fn refused(&mut self, way: Way) {
        self.note(way, Some(Said::No));
    }

    /// A connection stands: whoever refuses us is mistaken.
    pub(crate) fn stood(&mut self) {
        self.said.clear();
        self.proxied = 0;
    }

    /// Whether all that answer refuse us.
    pub(crate) fn all_refuse(&self) -> bool {
        let mut said = self.all.iter().map(|address| self.said.get(address));
        self.proxied >= PROXIED || (self.said.values().any(|said| *said == Said::No) && said.all(|said| said.is_some()))
    }

    fn note(&mut self, way: Way, said: Option<Said>) {
        match (way, said) {
            (Some(address), Some(said)) => drop(self.said.insert(address, said)),
            (Some(address), None) => drop(self.said.remove(&address)),
            (None, Some(Said::No)) => self.proxied += 1,
            (None, Some(Said::Nothing)) => {}
            (None, None) => self.proxied = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 443))
    }

    fn ways(n: u8) -> Ways {
        let mut ways = Ways::default();
        ways.order((1..=n).map(address).collect(), 0);
        ways
    }

    #[test]
    fn one_address_that_refuses_is_not_all_of_them() {
        let mut ways = ways(2);
        ways.refused(Some(address(1)));
        assert!(!ways.all_refuse());
        ways.refused(Some(address(2)));
        assert!(ways.all_refuse());
        ways.stood();
        ways.refused(Some(address(1)));
        assert!(!ways.all_refuse(), "the other one took us in meanwhile");
    }

    #[test]
    fn only_addresses_that_answer_have_a_say_and_silence_alone_is_no_refusal() {
        let mut ways = ways(2);
        ways.silent(Some(address(1)));
        ways.silent(Some(address(2)));
        assert!(!ways.all_refuse());
        ways.refused(Some(address(2)));
        assert!(ways.all_refuse());
        ways.busy(Some(address(1)));
        assert!(!ways.all_refuse(), "a busy edge may know us");
    }

    #[test]
    fn those_that_refuse_are_tried_last_and_forgotten_with_their_address() {
        let mut ways = ways(3);
        ways.refused(Some(address(2)));
        let all: Vec<SocketAddr> = (1..=3).map(address).collect();
        assert_eq!(ways.order(all.clone(), 0), [address(1), address(3), address(2)]);
        assert_eq!(ways.order(all, 4), [address(3), address(1), address(2)]);
        assert_eq!(ways.order(vec![address(1)], 7), [address(1)]);
        assert_eq!(ways.order(vec![], 7), []);
        ways.silent(Some(address(1)));
        assert!(!ways.all_refuse(), "the address that refused is the edge's no more");
    }

    #[test]
    fn behind_a_proxy_it_takes_several_refusals_in_a_row() {
        let mut ways = Ways::default();
        for refusals in 1..=PROXIED {
            assert!(!ways.all_refuse(), "after {} refusals", refusals - 1);
            ways.refused(None);
        }
        assert!(ways.all_refuse());
        ways.busy(None);
        assert!(!ways.all_refuse());
    }
}
