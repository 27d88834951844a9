//! Payload buffers as move-only handles, and the pool that bounds them.
//!
//! A [`BufRef`] owns its 16 KiB, so that it can travel to a disk thread and back without any
//! unsafe code or lock; there is exactly one handle to a block's bytes at any time. Core moves
//! handles and may look inside during a call; it never clones the bytes.
//!
//! Invariant: `outstanding` is the number of handles given out and not yet given back. A
//! simulation ends with zero outstanding, or somebody dropped a buffer on the floor.

use core::fmt;
use core::ops::{Deref, DerefMut};

/// Size of a block on the peer wire in bytes: 16 KiB, which every client asks for (BEP 3).
pub const BLOCK_BYTES: u32 = 16 * 1024;

/// A 16 KiB payload buffer. Not `Clone`: whoever holds it is the only one.
pub struct BufRef(Box<[u8]>);

impl Deref for BufRef {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for BufRef {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for BufRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BufRef")
    }
}

/// The buffers of one shard.
#[derive(Debug)]
pub struct BufPool {
    free: Vec<BufRef>,
    outstanding: usize,
    limit: usize,
}

impl BufPool {
    /// A pool that plans with at most `limit` buffers. Memory is taken when first needed.
    pub fn new(limit: usize) -> Self {
        Self { free: Vec::new(), outstanding: 0, limit }
    }

    /// How many buffers may still be planned with. Zero means: stop reading from sockets.
    pub fn available(&self) -> usize {
        self.limit.saturating_sub(self.outstanding)
    }

    /// How many buffers are out.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Takes a buffer. Its content is whatever the last user left.
    ///
    /// Never refuses: bytes that were already read from a socket must go somewhere. Callers
    /// plan with [`Self::available`] before they read, which bounds the excess to what one
    /// read per connection can deliver.
    pub fn take(&mut self) -> BufRef {
        self.outstanding += 1;
        self.free.pop().unwrap_or_else(|| BufRef(vec![0; BLOCK_BYTES as usize].into_boxed_slice()))
    }

    /// Gives a buffer back.
    pub fn give_back(&mut self, buf: BufRef) {
        assert!(self.outstanding > 0, "a buffer came back that was never given out");
        self.outstanding -= 1;
        if self.free.len() < self.limit {
            self.free.push(buf);
        }
    }

    /// Frees the memory of unused buffers, for a shard that fell idle.
    pub fn shrink(&mut self) {
        self.free = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_counts_down_and_up_and_excess_is_granted() {
        let mut pool = BufPool::new(1);
        let first = pool.take();
        assert_eq!(pool.available(), 0);
        let excess = pool.take();
        assert_eq!(pool.outstanding(), 2);
        pool.give_back(first);
        assert_eq!(pool.available(), 0);
        pool.give_back(excess);
        assert_eq!((pool.available(), pool.outstanding()), (1, 0));
    }
}
