//! Every hash, signature and secret; the only crate that names crypto crates.
//!
//! So far: SHA-1, which names torrents and checks pieces (BEP 3), SHA-256 and the trees made of it
//! (BEP 52), and both of a piece at once. [`feed`] hashes several pieces at once in the lanes of the CPU's
//! vectors; [`choose`] says in which. [`keccak256`], [`secp256k1`], [`base58check`] and [`mnemonic`] are
//! what TRON's wallets are made of; [`seal`] and [`keystore_v3`] keep their keys under a passphrase.

pub mod base58check;
pub mod ed25519;
mod engine;
mod keccak;
pub mod keystore_v3;
mod lanes;
pub mod merkle;
pub mod mnemonic;
mod piece_hash;
pub mod seal;
pub mod secp256k1;
mod sha1;
mod sha256;
mod siphash;
mod stream;

pub use crate::engine::{Engine, choose};
pub use crate::keccak::keccak256;
pub use crate::piece_hash::{Feed, Kinds, PieceDigest, PieceHash, feed, lanes};
pub use crate::sha1::{Digest20, Sha1, sha1};
pub use crate::sha256::{Digest32, Sha256, sha256};
pub use crate::siphash::{SipKey, siphash};
