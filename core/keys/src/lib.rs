//! Every hash, signature and secret; the only crate that names crypto crates.
//!
//! So far: SHA-1, which names torrents and checks pieces (BEP 3).

mod sha1;

pub use crate::sha1::{Digest20, Sha1, sha1};
