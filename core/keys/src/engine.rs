//! Which instructions several streams are hashed with.
//!
//! The best that the CPU has, unless the program says otherwise: for comparisons and for tests.

use core::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// A way to hash several streams at once. One stream alone is always left to the `sha1` and `sha2` crates,
/// which use SHA instructions where the CPU has them, on x86 and aarch64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// One after the other.
    Portable,
    /// Two streams interleaved on the SHA instructions of x86.
    ShaNi,
    /// Eight lanes.
    Avx2,
    /// Sixteen lanes; eight, or two by SHA instructions, where there are fewer streams.
    Avx512,
}

/// The chosen engine plus one; 0 if none was chosen yet.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

impl Engine {
    /// All that there are, also where this CPU lacks them, slowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::ShaNi, Self::Avx2, Self::Avx512];

    /// Its name: `portable`, `sha-ni`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::ShaNi => "sha-ni",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this CPU has what it needs.
    pub fn available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            match self {
                Self::Portable => true,
                Self::ShaNi => has!("sha") && has!("sse4.1") && has!("ssse3"),
                Self::Avx2 => has!("avx2"),
                Self::Avx512 => {
                    has!("avx2") && has!("avx512f") && has!("avx512bw") && has!("avx512vl")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Portable
        }
    }

    /// The one in use.
    pub(crate) fn current() -> Self {
        let chosen = CHOSEN.load(Ordering::Relaxed);
        if let Some(&engine) = usize::from(chosen).checked_sub(1).and_then(|at| Self::ALL.get(at)) {
            return engine;
        }
        let best = Self::ALL.into_iter().rfind(|engine| engine.available());
        let best = best.unwrap_or(Self::Portable);
        // Whoever asked first; nobody's choice is overwritten.
        CHOSEN.compare_exchange(0, best as u8 + 1, Ordering::Relaxed, Ordering::Relaxed).ok();
        best
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Uses `engine` from now on, in all threads; false, and nothing changes, if this CPU lacks it.
///
/// For the program, at its start. Results do not depend on it.
pub fn choose(engine: Engine) -> bool {
    if !engine.available() {
        return false;
    }
    CHOSEN.store(engine as u8 + 1, Ordering::Relaxed);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_engine_of_this_cpu_is_used_and_can_be_replaced() {
        assert!(Engine::current().available());
        assert!(choose(Engine::Portable));
        assert_eq!(Engine::current(), Engine::Portable);
        let best = Engine::ALL.into_iter().rfind(|engine| engine.available()).unwrap();
        assert!(choose(best));
        assert_eq!(Engine::current(), best);
    }
}
