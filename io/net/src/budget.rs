//! How many peer sockets may be open, so that descriptors are left for files.
//!
//! Source: architecture rule 7. Without it, a flood of connections takes every descriptor, and
//! the disk pools cannot open the files that those connections are for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts open peer sockets of the whole node.
#[derive(Clone, Debug)]
pub(crate) struct SocketBudget {
    max: usize,
    open: Arc<AtomicUsize>,
}

/// The right to one open socket; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<AtomicUsize>);

impl SocketBudget {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, open: Arc::default() }
    }

    /// A slot, if one is free.
    pub(crate) fn take(&self) -> Option<Slot> {
        let taken = self.open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| {
            (open < self.max).then_some(open + 1)
        });
        taken.ok().map(|_| Slot(Arc::clone(&self.open)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_slot_is_free_again() {
        let budget = SocketBudget::new(1);
        let slot = budget.take();
        assert!(slot.is_some() && budget.take().is_none());
        drop(slot);
        assert!(budget.take().is_some());
    }
}
