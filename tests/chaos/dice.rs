//! Numbers that a seed decides.

use sha2::{Digest as _, Sha256};

/// The same seed throws the same numbers.
pub(crate) struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, thrown: 0 }
    }

    /// A number from 0 to below `sides`.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.thrown += 1;
        let hash =
            Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(self.thrown.to_le_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        u64::from_le_bytes(hash[..8].try_into().unwrap()) % sides
    }
}
