//! Random numbers that a seed determines, so that a failure can be repeated.

use sha2::{Digest as _, Sha256};

/// A sequence of numbers; the same seed gives the same sequence.
pub(crate) struct Dice {
    seed: u64,
    rolls: u64,
}

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, rolls: 0 }
    }

    /// A number from 0 to below `sides`.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.rolls += 1;
        let hash = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(self.rolls.to_le_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        u64::from_le_bytes(hash[..8].try_into().unwrap()) % sides
    }
}

/// The seed in `ASPORA_SEED` (hexadecimal, at most 64 bits) or a random one. Prints it.
pub(crate) fn seed() -> u64 {
    let random = || uuid::Uuid::new_v4().as_u128() as u64;
    let given = std::env::var("ASPORA_SEED").ok();
    let seed = given.map_or_else(random, |text| {
        u64::from_str_radix(&text, 16).expect("ASPORA_SEED is hexadecimal, of at most 64 bits")
    });
    println!("ASPORA_SEED={seed:x}");
    seed
}
