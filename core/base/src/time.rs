//! Virtual time.
//!
//! `Instant` has no `now()`. The driver in `io/` reads the operating system's clock once per
//! turn of its loop and passes the value down; the simulator passes a value of its own. Code
//! that can't read a clock can't behave differently under test.

use core::fmt;
use core::time::Duration;

/// A point on a monotonic clock whose zero is the start of the process (or of the simulation).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    since_start_ns: u64,
}

impl Instant {
    /// The zero of the clock.
    pub const START: Self = Self { since_start_ns: 0 };

    /// The instant `duration` later.
    ///
    /// Saturates at about 584 years; a deadline that far away never fires, which is what a
    /// caller who passed `Duration::MAX` meant.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self { since_start_ns: self.since_start_ns.saturating_add(duration_ns) }
    }

    /// Time elapsed from `earlier` to `self`, or zero if `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.since_start_ns.saturating_sub(earlier.since_start_ns))
    }

    /// Time elapsed from `earlier` to `self`.
    ///
    /// Asserts that time did not run backwards: the driver owes us a monotonic clock.
    pub fn since(self, earlier: Self) -> Duration {
        assert!(earlier <= self, "clock ran backwards: {earlier:?} is after {self:?}");
        Duration::from_nanos(self.since_start_ns - earlier.since_start_ns)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t+{:?}", Duration::from_nanos(self.since_start_ns))
    }
}

/// A point of civil time, in whole seconds since 1970-01-01 UTC. For records and display, never
/// for deadlines: this clock can step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_beyond_the_clock_saturates() {
        let never = Instant::START.after(Duration::MAX);
        assert_eq!(never.after(Duration::from_secs(1)), never);
    }
}
