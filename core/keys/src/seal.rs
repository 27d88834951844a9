//! Secrets under a passphrase: Argon2id makes a key of it, XChaCha20-Poly1305 seals by that key.
//!
//! Source: RFC 9106 (Argon2), section 4 for the cost; RFC 8439 and draft-irtf-cfrg-xchacha-03 for the
//! cipher, whose nonce is long enough to be drawn by lot. What the passphrase does not hide but must not
//! be changed either goes in as `bound` (RFC 8439 calls it additional data).
//!
//! The cost stands in the file, which may be anybody's: [`Cost::new`] refuses one that would take all
//! memory, or hours, before anything is computed.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use zeroize::Zeroizing;

/// Bytes of salt.
pub const SALT_BYTES: usize = 16;

/// Bytes of nonce.
pub const NONCE_BYTES: usize = 24;

/// Bytes that sealing adds.
pub const TAG_BYTES: usize = 16;

/// What it costs to try one passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A cost that we don't pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// Memory.
    #[error(
        "the key derivation wants {found_kib} KiB of memory, at least {min_kib} and at most {max_kib} are usual"
    )]
    Memory {
        /// What was asked for.
        found_kib: u32,
        /// What Argon2 needs for the lanes.
        min_kib: u32,
        /// What we spend.
        max_kib: u32,
    },
    /// Passes over the memory.
    #[error("the key derivation wants {found} passes, 1 to {max} are usual")]
    Passes {
        /// What was asked for.
        found: u32,
        /// What we spend.
        max: u32,
    },
    /// Lanes.
    #[error("the key derivation wants {found} lanes, 1 to {max} are usual")]
    Lanes {
        /// What was asked for.
        found: u32,
        /// What we take.
        max: u32,
    },
}

impl Cost {
    /// Sixteen times the default: 1 GiB, in KiB. Who chose more can have chosen it to harm.
    pub const MEMORY_KIB_MAX: u32 = 1 << 20;
    /// At the greatest memory these take about a minute.
    pub const PASSES_MAX: u32 = 24;
    /// As many as anybody's default.
    pub const LANES_MAX: u32 = 16;

    /// 64 MiB, 3 passes, 4 lanes: what RFC 9106 recommends where memory is limited. About 0.2 s.
    pub const DEFAULT: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 4 };

    /// A cost within the bounds.
    ///
    /// # Errors
    /// It is not.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, CostError> {
        if !(1..=Self::LANES_MAX).contains(&lanes) {
            return Err(CostError::Lanes { found: lanes, max: Self::LANES_MAX });
        }
        let min_kib = 8 * lanes;
        if !(min_kib..=Self::MEMORY_KIB_MAX).contains(&memory_kib) {
            let max_kib = Self::MEMORY_KIB_MAX;
            return Err(CostError::Memory { found_kib: memory_kib, min_kib, max_kib });
        }
        if !(1..=Self::PASSES_MAX).contains(&passes) {
            return Err(CostError::Passes { found: passes, max: Self::PASSES_MAX });
        }
        Ok(Self { memory_kib, passes, lanes })
    }

    /// Memory, in KiB.
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    pub fn passes(self) -> u32 {
        self.passes
    }

    /// Independent lanes.
    pub fn lanes(self) -> u32 {
        self.lanes
    }
}

/// A secret under a passphrase. Nothing in it need be kept secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What one try costs.
    pub cost: Cost,
    /// Makes the key another one for the same passphrase.
    pub salt: [u8; SALT_BYTES],
    /// Never used twice with one key.
    pub nonce: [u8; NONCE_BYTES],
    /// The secret, and [`TAG_BYTES`] more.
    pub text: Vec<u8>,
}

/// Why a secret can't be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The passphrase is another, or what was sealed was changed: which one cannot be told.
    #[error("the passphrase is wrong, or the file was changed")]
    Wrong,
    /// The machine is out of memory.
    #[error("the key derivation could not get {memory_kib} KiB of memory")]
    Memory {
        /// What it wanted.
        memory_kib: u32,
    },
}

/// What must be drawn by lot for each sealing.
#[derive(Clone, Copy, Debug)]
pub struct Chance {
    /// See [`Sealed::salt`].
    pub salt: [u8; SALT_BYTES],
    /// See [`Sealed::nonce`].
    pub nonce: [u8; NONCE_BYTES],
}

/// Seals `secret`, so that it opens by `passphrase` and with the same `bound` only.
///
/// # Errors
/// [`SealError::Memory`].
pub fn seal(
    secret: &[u8],
    bound: &[u8],
    passphrase: &[u8],
    cost: Cost,
    chance: Chance,
) -> Result<Sealed, SealError> {
    let Chance { salt, nonce } = chance;
    let key = key(passphrase, &salt, cost)?;
    let cipher = XChaCha20Poly1305::new((&*key).into());
    let payload = Payload { msg: secret, aad: bound };
    // The cipher refuses only what is longer than 256 GiB.
    let text = cipher.encrypt(&nonce.into(), payload).map_err(|_too_long| SealError::Wrong)?;
    Ok(Sealed { cost, salt, nonce, text })
}

impl Sealed {
    /// The secret.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(&self, bound: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let key = key(passphrase, &self.salt, self.cost)?;
        let cipher = XChaCha20Poly1305::new((&*key).into());
        let payload = Payload { msg: &self.text, aad: bound };
        let secret = cipher.decrypt(&self.nonce.into(), payload);
        secret.map(Zeroizing::new).map_err(|_wrong| SealError::Wrong)
    }
}

fn key(
    passphrase: &[u8],
    salt: &[u8; SALT_BYTES],
    cost: Cost,
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let Cost { memory_kib, passes, lanes } = cost;
    let refused = || SealError::Memory { memory_kib };
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_refused| refused())?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut key = Zeroizing::new([0; 32]);
    argon.hash_password_into(passphrase, salt, &mut *key).map_err(|_refused| refused())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANCE: Chance = Chance { salt: [7; SALT_BYTES], nonce: [9; NONCE_BYTES] };

    fn cheap() -> Cost {
        Cost::new(64, 1, 1).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_by_its_passphrase_only() {
        let sealed = seal(b"secret", b"bound", b"passphrase", cheap(), CHANCE).unwrap();
        assert_eq!(sealed.text.len(), 6 + TAG_BYTES);
        assert_eq!(**sealed.open(b"bound", b"passphrase").unwrap(), *b"secret");
        for (bound, passphrase) in [("bound", "Passphrase"), ("bound", ""), ("Bound", "passphrase")]
        {
            let opened = sealed.open(bound.as_bytes(), passphrase.as_bytes());
            assert_eq!(opened.unwrap_err(), SealError::Wrong, "{bound} {passphrase}");
        }
    }

    #[test]
    fn any_bit_changed_in_the_file_is_noticed() {
        let sealed = seal(b"secret", b"", b"p", cheap(), CHANCE).unwrap();
        for at in 0..sealed.text.len() {
            let mut changed = sealed.clone();
            changed.text[at] ^= 1;
            assert_eq!(changed.open(b"", b"p").unwrap_err(), SealError::Wrong, "{at}");
        }
        let changed = Sealed { salt: [8; SALT_BYTES], ..sealed.clone() };
        assert!(changed.open(b"", b"p").is_err());
        let changed = Sealed { nonce: [8; NONCE_BYTES], ..sealed.clone() };
        assert!(changed.open(b"", b"p").is_err());
        let changed = Sealed { cost: Cost::new(64, 2, 1).unwrap(), ..sealed.clone() };
        assert!(changed.open(b"", b"p").is_err());
        let changed = Sealed { text: vec![], ..sealed };
        assert!(changed.open(b"", b"p").is_err());
    }

    #[test]
    fn a_cost_that_would_take_the_machine_is_refused() {
        for (memory_kib, passes, lanes, good) in [
            (64 << 10, 3, 4, true),
            (8, 1, 1, true),
            (7, 1, 1, false),
            (16, 1, 4, false),
            (1 << 20, 24, 16, true),
            ((1 << 20) + 1, 1, 1, false),
            (u32::MAX, 1, 1, false),
            (64, 0, 1, false),
            (64, u32::MAX, 1, false),
            (64, 1, 0, false),
            (u32::MAX, 1, u32::MAX, false),
        ] {
            let cost = Cost::new(memory_kib, passes, lanes);
            assert_eq!(cost.is_ok(), good, "{memory_kib} {passes} {lanes}: {cost:?}");
        }
    }

    #[test]
    fn the_key_depends_on_every_parameter() {
        let base = key(b"password", b"somesalt01234567", Cost::new(1024, 2, 1).unwrap()).unwrap();
        for (passphrase, memory_kib, passes, lanes) in [
            ("Password", 1024, 2, 1),
            ("password", 1032, 2, 1),
            ("password", 1024, 3, 1),
            ("password", 1024, 2, 2),
        ] {
            let cost = Cost::new(memory_kib, passes, lanes).unwrap();
            let other = key(passphrase.as_bytes(), b"somesalt01234567", cost).unwrap();
            assert_ne!(*base, *other, "{passphrase} {memory_kib} {passes} {lanes}");
        }
    }
}
