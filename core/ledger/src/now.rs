//! What time it is, on the two clocks that money needs.

use base::Instant;

/// Read once per turn by whoever drives a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The clock that never steps: for deadlines of our own.
    pub instant: Instant,
    /// Civil time in milliseconds since 1970: for what the chain judges, such as expirations.
    pub unix_ms: u64,
}
