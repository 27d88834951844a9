//! Deadlines by owner, each settable, movable and clearable in logarithmic time.
//!
//! Invariant: `queue` holds exactly the pairs of `at`.

use std::collections::{BTreeMap, BTreeSet};

use base::Instant;

/// One deadline per key of type `K`.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    at: BTreeMap<K, Instant>,
    queue: BTreeSet<(Instant, K)>,
}

impl<K: Copy + Ord> Timers<K> {
    pub(crate) fn new() -> Self {
        Self { at: BTreeMap::new(), queue: BTreeSet::new() }
    }

    /// Sets, moves or (with `None`) clears the deadline of `key`.
    pub(crate) fn set(&mut self, key: K, at: Option<Instant>) {
        let old = match at {
            Some(at) => self.at.insert(key, at),
            None => self.at.remove(&key),
        };
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.queue.remove(&(old, key));
        }
        if let Some(at) = at {
            self.queue.insert((at, key));
        }
        debug_assert_eq!(self.at.len(), self.queue.len());
    }

    /// The deadline of `key`.
    pub(crate) fn get(&self, key: K) -> Option<Instant> {
        self.at.get(&key).copied()
    }

    /// The earliest deadline.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.queue.first().map(|&(at, _)| at)
    }

    /// Takes the earliest deadline out if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_moved_deadline_fires_once_at_its_last_place() {
        let at = |s| Instant::START.after(Duration::from_secs(s));
        let mut timers = Timers::new();
        timers.set('a', Some(at(5)));
        timers.set('b', Some(at(6)));
        timers.set('a', Some(at(7)));
        timers.set('b', Some(at(6)));
        timers.set('c', Some(at(1)));
        timers.set('c', None);

        assert_eq!(timers.first(), Some(at(6)));
        assert_eq!(timers.pop_due(at(5)), None);
        assert_eq!(timers.pop_due(at(9)), Some('b'));
        assert_eq!(timers.pop_due(at(9)), Some('a'));
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.first(), None);
    }
}
