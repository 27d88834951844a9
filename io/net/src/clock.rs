//! The one place where the process reads its monotonic clock.

use base::Instant;

/// A clock whose zero is the start of the node. All threads of a node share one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(std::time::Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn now(self) -> Instant {
        Instant::START.after(self.0.elapsed())
    }

    /// How long to sleep until `deadline`; `None` for ever.
    ///
    /// Rounded up to a millisecond, which is what the system's poll counts in: a shorter sleep
    /// would wake up early and go round for nothing.
    pub(crate) fn sleep(self, deadline: Option<Instant>) -> Option<std::time::Duration> {
        let left = deadline?.saturating_since(self.now());
        if left.is_zero() {
            return Some(left);
        }
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX - 1);
        Some(std::time::Duration::from_millis(millis + 1))
    }
}
