//! A key under a password as other wallets keep it: version 3 of Ethereum's secret storage.
//!
//! Source: ethereum.org, "Web3 Secret Storage Definition". `TronLink`, tronweb's users and ethers read and
//! write it. The password makes a key by scrypt or PBKDF2; its first half deciphers by AES-128-CTR, its
//! second half proves by Keccak-256 that the password is right. We read both derivations and write
//! scrypt. The JSON around it is `wire::keystore_json`.
//!
//! The proof covers the cipher text alone: whoever can write the file can change the address in it, so
//! the address is compared with the key, and a key that is none is refused.

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keccak256;
use crate::secp256k1::SecretKey;

/// Longest salt that we read, in bytes; 32 is usual.
pub const SALT_BYTES_MAX: usize = 128;

/// How the password becomes a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Derivation {
    /// RFC 7914.
    Scrypt {
        /// Logarithm of N.
        log_n: u8,
        /// Block size.
        r: u32,
        /// Parallelisation.
        p: u32,
        /// Salt.
        salt: Vec<u8>,
    },
    /// PBKDF2 with HMAC-SHA-256 (RFC 8018).
    Pbkdf2 {
        /// Rounds.
        rounds: u32,
        /// Salt.
        salt: Vec<u8>,
    },
}

/// See the [module documentation](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keystore {
    /// How the password becomes a key.
    pub derivation: Derivation,
    /// Where the cipher's counter begins.
    pub iv: [u8; 16],
    /// The key's 32 bytes, enciphered.
    pub cipher_text: [u8; 32],
    /// Proof of the password.
    pub mac: [u8; 32],
    /// The 20 bytes of the address, if they are told.
    pub address: Option<[u8; 20]>,
    /// A name drawn by lot (RFC 9562).
    pub id: [u8; 16],
}

/// Why a keystore can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// It would take too much memory or time.
    #[error("its key derivation wants {found} {what}, at most {max} are usual")]
    Cost {
        /// Of what.
        what: &'static str,
        /// How much it wants.
        found: u64,
        /// How much we spend.
        max: u64,
    },
    /// Parameters that no derivation has.
    #[error("its key derivation has parameters that cannot be")]
    Parameters,
    /// The proof fails.
    #[error("the password is wrong, or the file was changed")]
    Password,
    /// What comes out is zero or beyond the order of the curve.
    #[error("what is in it is not a key")]
    NotAKey,
    /// The address in the file is not the key's.
    #[error("the address in it is not that of its key")]
    OtherAddress,
}

/// What must be drawn by lot for each keystore.
#[derive(Clone, Copy, Debug)]
pub struct Chance {
    /// Salt of scrypt.
    pub salt: [u8; 32],
    /// Where the cipher's counter begins.
    pub iv: [u8; 16],
    /// Becomes the name.
    pub id: [u8; 16],
}

/// Logarithm of scrypt's N: what geth and ethers write, 128 MiB with r = 8. About 0.5 s.
pub const LOG_N_DEFAULT: u8 = 17;

/// Memory that scrypt may take, in bytes: four times geth's.
const SCRYPT_BYTES_MAX: u64 = 1 << 30;

/// N · r · p that scrypt may compute: sixteen times geth's default. Some write r = 1, p = 8 instead.
const SCRYPT_WORK_MAX: u64 = 1 << 25;

/// Ten times what the most careful write.
const ROUNDS_MAX: u32 = 10_000_000;

impl Keystore {
    /// Puts `key` under `password`. With `log_n` of [`LOG_N_DEFAULT`]; tests take less.
    ///
    /// # Errors
    /// [`KeystoreError::Cost`] or [`KeystoreError::Parameters`] for `log_n`.
    pub fn seal(
        key: &SecretKey,
        password: &[u8],
        log_n: u8,
        chance: Chance,
    ) -> Result<Self, KeystoreError> {
        let derivation = Derivation::Scrypt { log_n, r: 8, p: 1, salt: chance.salt.to_vec() };
        let derived = derivation.derive(password)?;
        let (cipher_key, proof_key) = halves(&derived);
        let mut cipher_text = *key.to_bytes();
        apply(cipher_key, &chance.iv, &mut cipher_text);
        let mut id = chance.id;
        // Version 4, drawn by lot, of the usual variant (RFC 9562, section 5.4).
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        let mac = proof(proof_key, &cipher_text);
        let address = Some(key.public().hash20());
        Ok(Self { derivation, iv: chance.iv, cipher_text, mac, address, id })
    }

    /// The key.
    ///
    /// # Errors
    /// See [`KeystoreError`].
    pub fn open(&self, password: &[u8]) -> Result<SecretKey, KeystoreError> {
        let derived = self.derivation.derive(password)?;
        let (cipher_key, proof_key) = halves(&derived);
        // Not a secret comparison: the file is there for whoever wants to try.
        if proof(proof_key, &self.cipher_text) != self.mac {
            return Err(KeystoreError::Password);
        }
        let mut bytes = Zeroizing::new(self.cipher_text);
        apply(cipher_key, &self.iv, &mut bytes);
        let key = SecretKey::from_bytes(&bytes).ok_or(KeystoreError::NotAKey)?;
        if self.address.is_some_and(|address| address != key.public().hash20()) {
            return Err(KeystoreError::OtherAddress);
        }
        Ok(key)
    }
}

impl Derivation {
    /// Judges the cost first.
    fn derive(&self, password: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
        let mut derived = Zeroizing::new([0; 32]);
        match self {
            Self::Scrypt { log_n, r, p, salt } => {
                let params = scrypt_params(*log_n, *r, *p)?;
                scrypt::scrypt(password, salt, &params, &mut *derived)
                    .map_err(|_length| KeystoreError::Parameters)?;
            }
            Self::Pbkdf2 { rounds, salt } => {
                let (found, max) = (u64::from(*rounds), u64::from(ROUNDS_MAX));
                if *rounds == 0 {
                    return Err(KeystoreError::Parameters);
                }
                if found > max {
                    return Err(KeystoreError::Cost { what: "rounds", found, max });
                }
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *rounds, &mut *derived);
            }
        }
        Ok(derived)
    }
}

fn scrypt_params(log_n: u8, r: u32, p: u32) -> Result<scrypt::Params, KeystoreError> {
    // The library refuses N of 2^64; N of 1 is no power that RFC 7914 allows.
    if log_n == 0 || log_n > 40 || r == 0 || p == 0 {
        return Err(KeystoreError::Parameters);
    }
    let blocks = (1_u64 << log_n).saturating_mul(r.into());
    let buffers = 128_u64.saturating_mul(r.into()).saturating_mul(p.into());
    let bytes = blocks.saturating_mul(128).saturating_add(buffers);
    if bytes > SCRYPT_BYTES_MAX {
        let (found, max) = (bytes, SCRYPT_BYTES_MAX);
        return Err(KeystoreError::Cost { what: "bytes of memory", found, max });
    }
    let work = blocks.saturating_mul(p.into());
    if work > SCRYPT_WORK_MAX {
        let (found, max) = (work, SCRYPT_WORK_MAX);
        return Err(KeystoreError::Cost { what: "steps", found, max });
    }
    scrypt::Params::new(log_n, r, p).map_err(|_bad| KeystoreError::Parameters)
}

/// What deciphers, and what proves.
fn halves(derived: &[u8; 32]) -> (&[u8], &[u8]) {
    derived.split_at(16)
}

fn proof(proof_key: &[u8], cipher_text: &[u8; 32]) -> [u8; 32] {
    let mut bytes = Zeroizing::new(proof_key.to_vec());
    bytes.extend_from_slice(cipher_text);
    keccak256(&bytes)
}

/// Enciphers or deciphers: in counter mode both are the same.
fn apply(cipher_key: &[u8], iv: &[u8; 16], bytes: &mut [u8; 32]) {
    let mut key = Zeroizing::new([0; 16]);
    key.copy_from_slice(cipher_key);
    Ctr128BE::<Aes128>::new((&*key).into(), iv.into()).apply_keystream(bytes);
}

#[cfg(test)]
mod tests;
