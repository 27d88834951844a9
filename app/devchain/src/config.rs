//! How a chain paces itself.

use core::time::Duration;

/// When blocks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockTime {
    /// As soon as a transaction waits; whatever waits goes into one block. So that time passes for
    /// who waits for it, a running chain also makes an empty one if it is asked something and the
    /// newest is older than 30 s.
    OnDemand,
    /// At this interval, empty or not, as the real network does every 3 s.
    Every(Duration),
}

/// What the owner of a chain chooses; it may differ at each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// When blocks are made.
    pub block_time: BlockTime,
    /// Blocks that must follow one until the `walletsolidity` view shows it; 0: it does at once.
    /// The real network needs about 19.
    pub solid_after_blocks: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { block_time: BlockTime::OnDemand, solid_after_blocks: 0 }
    }
}
