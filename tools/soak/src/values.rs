//! What is stored: contents that can be told from all others, and compared at the speed of memory.
//!
//! A value is a piece of one table of random bytes. Which piece, and how long it is, follow from the seed and from what
//! it is the value of; so nothing has to be remembered, and no byte has to be computed.

/// Bytes of the largest value.
pub const LARGEST: usize = 4 << 20;

/// A value's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    pub session: usize,
    pub key: usize,
    /// Versions of a key are numbered from 1.
    pub version: u64,
}

pub struct Values {
    table: Vec<u8>,
    seed: u64,
}

impl Values {
    pub fn new(seed: u64) -> Values {
        let mut table = vec![0; 2 * LARGEST];
        fastrand::Rng::with_seed(seed).fill(&mut table);
        Values { table, seed }
    }

    /// The value of that name.
    pub fn of(&self, name: Name) -> &[u8] {
        let place = (name.session as u64) << 16 | name.key as u64;
        let mut rng = fastrand::Rng::with_seed(self.seed ^ place << 40 ^ name.version);
        let largest = match rng.u32(0..1000) {
            0..50 => 0,
            50..450 => 512,
            450..750 => 16 << 10,
            750..920 => 64 << 10,
            920..985 => 256 << 10,
            985..997 => 1 << 20,
            _ => LARGEST,
        };
        let length = rng.usize(0..=largest);
        let offset = rng.usize(0..LARGEST);
        &self.table[offset..offset + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_known_by_their_names() {
        let [values, same, other] = [1, 1, 2].map(Values::new);
        let mut lengths = Vec::new();
        for version in 1..2000 {
            let name = Name { session: 3, key: 5, version };
            let next = Name { version: version + 1, ..name };
            assert_eq!(values.of(name), same.of(name));
            // Short ones may be equal by chance.
            assert!(values.of(name).len() < 8 || values.of(name) != values.of(next));
            assert!(values.of(name).len() < 8 || values.of(name) != other.of(name));
            lengths.push(values.of(name).len());
        }
        assert!(lengths.contains(&0) && lengths.iter().any(|length| *length > 1 << 20));
    }
}
