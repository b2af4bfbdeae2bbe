//! Which of several gates takes a request: the less busy of two random ones.
//!
//! Two choices balance almost as well as asking everybody, and a herd never runs to the one that was idle a moment
//! ago. Must stay free of allocation: it runs once per request.

/// The index of the entry to use, among `count`. `load` tells how busy one is, `None` that it cannot be used.
/// `random` is any random number.
#[inline]
pub(crate) fn least_of_two(count: usize, random: u64, load: impl Fn(usize) -> Option<usize>) -> Option<usize> {
    match count {
        0 => return None,
        1 => return load(0).map(|_| 0),
        _ => {}
    }
    let first = below(random >> 32, count);
    let second = (first + 1 + below(random & u64::from(u32::MAX), count - 1)) % count;
    match (load(first), load(second)) {
        (Some(a), Some(b)) => Some(if b < a { second } else { first }),
        (Some(_), None) => Some(first),
        (None, Some(_)) => Some(second),
        // Both are unusable, which is rare: then everybody is asked.
        (None, None) => (0..count).filter_map(|at| Some((load(at)?, at))).min().map(|(_, at)| at),
    }
}

/// Turns 32 random bits into a number below `bound`. Multiply-shift; the bias at these sizes is nothing.
fn below(bits: u64, bound: usize) -> usize {
    usize::try_from((bits * bound as u64) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mezu_runtime::random::next_u64;

    #[test]
    fn nobody_and_only_one() {
        assert_eq!(least_of_two(0, next_u64(), |_| Some(0)), None);
        assert_eq!(least_of_two(1, next_u64(), |_| Some(9)), Some(0));
        assert_eq!(least_of_two(1, next_u64(), |_| None), None);
    }

    #[test]
    fn of_two_the_idle_one_always_wins() {
        for _ in 0..100 {
            assert_eq!(least_of_two(2, next_u64(), |at| Some(if at == 0 { 3 } else { 1 })), Some(1));
        }
    }

    #[test]
    fn the_last_usable_one_is_found() {
        for _ in 0..100 {
            assert_eq!(least_of_two(9, next_u64(), |at| (at == 7).then_some(5)), Some(7));
            assert_eq!(least_of_two(9, next_u64(), |_| None), None);
        }
    }

    #[test]
    fn the_busiest_of_many_is_never_taken_and_the_others_share() {
        let mut taken = [0_u32; 4];
        for _ in 0..4000 {
            let at = least_of_two(4, next_u64(), |at| Some(usize::from(at == 2)));
            if let Some(slot) = at.and_then(|at| taken.get_mut(at)) {
                *slot += 1;
            }
        }
        let [a, b, busiest, d] = taken;
        assert_eq!(busiest, 0);
        assert!(a > 800 && b > 800 && d > 800, "{taken:?}");
    }
}
