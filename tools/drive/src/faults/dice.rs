//! Chance that can be repeated.

/// What a number is rolled for. Each has numbers of its own, so that one fault does not change what another
/// one does.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Jitter = 1,
    Order = 2,
}

/// A connection's dice. They have no memory: what they show depends on nothing but the seed, the connection,
/// the purpose and the request, however often and in which order they are rolled.
#[derive(Clone, Copy)]
pub(crate) struct Dice {
    seed: u64,
}

impl Dice {
    /// The dice of connection number `connection`.
    pub fn new(seed: u64, connection: i64) -> Self {
        Self { seed: mix(mix(seed) ^ connection as u64) }
    }

    /// A number for request number `request`.
    pub fn roll(self, purpose: Purpose, request: u64) -> u64 {
        mix(mix(self.seed ^ request) ^ purpose as u64)
    }
}

/// One step of SplitMix64. It is our own, so that a seed means the same with every version of every crate.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_splitmix64() {
        // The first two numbers of the reference implementation with seed 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn every_circumstance_matters() {
        let roll = |seed, connection, purpose, request| Dice::new(seed, connection).roll(purpose, request);
        let one = roll(1, 1, Purpose::Order, 1);
        assert_eq!(one, roll(1, 1, Purpose::Order, 1));
        for other in [
            roll(2, 1, Purpose::Order, 1),
            roll(1, 2, Purpose::Order, 1),
            roll(1, 1, Purpose::Jitter, 1),
            roll(1, 1, Purpose::Order, 2),
        ] {
            assert_ne!(one, other);
        }
    }
}
