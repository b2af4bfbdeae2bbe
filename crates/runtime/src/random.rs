//! Random numbers: [`fill`] for secrets, [`next_u64`] and [`unit`] for jitter and choice, which must be cheap.

use std::cell::Cell;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

/// Fills a buffer from the system's cryptographic generator.
///
/// # Panics
/// When the system has no randomness to give: nothing safe can be done without it.
#[allow(clippy::panic, reason = "no key, nonce or id may be made without randomness")]
pub fn fill(buffer: &mut [u8]) {
    if SystemRandom::new().fill(buffer).is_err() {
        panic!("the system's random generator failed");
    }
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(seed());
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A fast number for load balancing and jitter (SplitMix64). Never for secrets.
#[inline]
pub fn next_u64() -> u64 {
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mut z = next;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// Uniform in `[0, 1)`. Never for secrets.
#[allow(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
pub fn unit() -> f64 {
    (next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_stays_in_range_and_spreads() {
        let numbers: Vec<f64> = (0..1000).map(|_| unit()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        let mean = numbers.iter().sum::<f64>() / 1000.0;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }
}
