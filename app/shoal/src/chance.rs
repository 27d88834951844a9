//! Bytes drawn by lot, from the operating system.

use std::fs::File;
use std::io::Read as _;

use zeroize::Zeroizing;

use crate::failure::{Failure, reason};

/// So many random bytes, fit for keys.
///
/// # Errors
/// The system gives none.
pub(crate) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut *bytes))
        .map_err(|error| Failure::new(format!("cannot get random bytes: {}", reason(&error))))?;
    Ok(bytes)
}
