//! A wallet as words, and the keys that they stand for.
//!
//! Source: BIP-39 (words to seed), BIP-32 (derivation of secret keys), BIP-44 with coin type 195 of
//! SLIP-44: m/44'/195'/0'/0/n is where TRON's wallets look. English words only: BIP-39 itself
//! advises against the other lists.

use bip39::Language;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use zeroize::{Zeroize as _, Zeroizing};

use crate::secp256k1::SecretKey;

/// A step of a path that can't be taken from a public key: n' is n + 2^31.
pub const HARDENED: u32 = 1 << 31;

/// Longest path that we follow; BIP-44's have 5 steps.
pub const PATH_STEPS_MAX: usize = 10;

/// Words, with a good checksum. Overwritten when dropped.
pub struct Mnemonic(bip39::Mnemonic);

impl core::fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Mnemonic of {} words", self.0.word_count())
    }
}

/// Why words are no mnemonic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MnemonicError {
    /// Not 12, 15, 18, 21 or 24.
    #[error("a phrase has 12, 15, 18, 21 or 24 words, not {0}")]
    WordCount(usize),
    /// Counted from 1. The word itself may be a secret mistyped, so it isn't repeated.
    #[error("word {0} is not in the English list of BIP-39")]
    UnknownWord(usize),
    /// All words are known, but not in this order, or one is another.
    #[error("the words do not fit together: one is wrong, or their order is")]
    Checksum,
}

impl Mnemonic {
    /// 12 words from 16 random bytes, 24 from 32, and so on.
    ///
    /// # Errors
    /// Not 16, 20, 24, 28 or 32 bytes.
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, MnemonicError> {
        bip39::Mnemonic::from_entropy_in(Language::English, entropy)
            .map(Self)
            .map_err(|_count| MnemonicError::WordCount(entropy.len() * 3 / 4))
    }

    /// From words with any white space between, in any case.
    ///
    /// # Errors
    /// They are none.
    pub fn parse(text: &str) -> Result<Self, MnemonicError> {
        let mut words = Zeroizing::new(String::with_capacity(text.len()));
        for word in text.split_whitespace() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.extend(word.chars().flat_map(char::to_lowercase));
        }
        bip39::Mnemonic::parse_in_normalized(Language::English, &words).map(Self).map_err(|error| {
            match error {
                bip39::Error::BadWordCount(count) => MnemonicError::WordCount(count),
                bip39::Error::UnknownWord(at) => MnemonicError::UnknownWord(at + 1),
                bip39::Error::BadEntropyBitCount(_)
                | bip39::Error::InvalidChecksum
                | bip39::Error::AmbiguousLanguages(_) => MnemonicError::Checksum,
            }
        })
    }

    /// The words, in order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.0.words()
    }

    /// The key at `path`, with `passphrase` as the 25th word (empty: none). `None`: no key lies
    /// there, which has a chance of 2^-127.
    #[must_use]
    pub fn key(&self, passphrase: &str, path: &Path) -> Option<SecretKey> {
        let seed = Zeroizing::new(self.0.to_seed(passphrase));
        derive(&seed[..], path)
    }
}

/// A way from a seed to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<u32>);

/// A path is like `m/44'/195'/0'/0/0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a derivation path is like m/44'/195'/0'/0/0, with at most {PATH_STEPS_MAX} steps")]
pub struct PathError;

impl Path {
    /// Where TRON's wallets keep address number `index`: m/44'/195'/0'/0/index.
    ///
    /// # Panics
    /// If `index` has the bit of [`HARDENED`].
    #[must_use]
    pub fn tron(index: u32) -> Self {
        assert!(index < HARDENED, "addresses are not hardened");
        Self(vec![44 | HARDENED, 195 | HARDENED, HARDENED, 0, index])
    }
}

impl core::str::FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut parts = text.split('/');
        if parts.next() != Some("m") {
            return Err(PathError);
        }
        let steps = parts
            .map(|part| {
                let (digits, hardened) = match part.strip_suffix(['\'', 'h', 'H']) {
                    Some(digits) => (digits, HARDENED),
                    None => (part, 0),
                };
                let step = digits.parse::<u32>().ok().filter(|step| *step < HARDENED);
                let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                step.filter(|_| is_plain).map(|step| step | hardened).ok_or(PathError)
            })
            .collect::<Result<Vec<u32>, PathError>>()?;
        if steps.len() > PATH_STEPS_MAX { Err(PathError) } else { Ok(Self(steps)) }
    }
}

impl core::fmt::Display for Path {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "m")?;
        for step in &self.0 {
            let mark = if step & HARDENED == 0 { "" } else { "'" };
            write!(f, "/{}{mark}", step & !HARDENED)?;
        }
        Ok(())
    }
}

/// The secret key at `path` from a seed (BIP-32).
#[must_use]
pub fn derive(seed: &[u8], path: &Path) -> Option<SecretKey> {
    let (secret, mut chain) = halves(b"Bitcoin seed", &[seed]);
    let mut key = SecretKey::from_bytes(&secret)?;
    for &step in &path.0 {
        let (tweak, next) = if step & HARDENED == 0 {
            halves(&chain[..], &[&key.public().compressed(), &step.to_be_bytes()])
        } else {
            halves(&chain[..], &[&[0], &key.to_bytes()[..], &step.to_be_bytes()])
        };
        key = key.add(&tweak)?;
        chain = next;
    }
    Some(key)
}

/// HMAC-SHA-512, cut in two.
fn halves(key: &[u8], parts: &[&[u8]]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    let mut hmac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        hmac.update(part);
    }
    let mut bytes: [u8; 64] = hmac.finalize().into_bytes().into();
    let mut out = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
    let (left, right) = bytes.split_at(32);
    out.0.copy_from_slice(left);
    out.1.copy_from_slice(right);
    bytes.zeroize();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Test vectors 1 and 3 of BIP-32, whose secret keys are written there inside xprv.
    #[test]
    fn vectors_of_bip_32_hold() {
        let seed: Vec<u8> = (0..16).collect();
        for (path, key) in [
            ("m", "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35"),
            ("m/0'", "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea"),
            ("m/0'/1", "3c6cb8d0f6a264c91ea8b5030fadaa8e538b020f0a387421a12de9319dc93368"),
            (
                "m/0'/1/2'/2/1000000000",
                "471b76e389e528d6de6d816857e012c5455051cad6660850e58372a6c3e6e7c8",
            ),
        ] {
            let derived = derive(&seed, &path.parse().unwrap()).unwrap();
            assert_eq!(hex(&derived.to_bytes()[..]), key, "{path}");
        }
    }

    #[test]
    fn the_words_of_the_first_vector_of_bip_39_give_trons_known_address() {
        let mnemonic = Mnemonic::from_entropy(&[0; 16]).unwrap();
        assert_eq!(mnemonic.words().last(), Some("about"));
        let key = mnemonic.key("", &Path::tron(0)).unwrap();
        let mut address = vec![0x41];
        address.extend(key.public().hash20());
        assert_eq!(crate::base58check::encode(&address), "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH");
    }

    #[test]
    fn words_are_read_in_any_case_and_spacing_and_faults_are_told_apart() {
        let good = " Abandon abandon abandon abandon abandon abandon\n abandon abandon abandon abandon abandon ABOUT ";
        assert!(Mnemonic::parse(good).is_ok());
        assert_eq!(Mnemonic::parse("abandon").err(), Some(MnemonicError::WordCount(1)));
        assert_eq!(
            Mnemonic::parse(&good.replace("ABOUT", "zoo")).err(),
            Some(MnemonicError::Checksum)
        );
        assert_eq!(
            Mnemonic::parse(&good.replace("ABOUT", "abuot")).err(),
            Some(MnemonicError::UnknownWord(12))
        );
    }

    #[test]
    fn paths_are_read_and_written() {
        for text in ["m", "m/44'/195'/0'/0/7", "m/2147483647'"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
        assert_eq!("m/44h/0".parse::<Path>().unwrap().to_string(), "m/44'/0");
        for text in ["", "44'/0", "m/", "m/x", "m/+1", "m/2147483648", "m/0/0/0/0/0/0/0/0/0/0/0"] {
            assert_eq!(text.parse::<Path>(), Err(PathError), "{text}");
        }
    }
}
