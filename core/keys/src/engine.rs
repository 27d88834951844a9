//! Which instructions several streams are hashed with.
//!
//! All that the CPU has, each where it is the fastest, unless the program says otherwise: for
//! comparisons and for tests.

use core::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// A way to hash several streams at once. One stream alone is always left to the `sha1` and `sha2` crates,
/// which use SHA instructions where the CPU has them, on x86 and aarch64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// All that this CPU has.
    Auto,
    /// One after the other.
    Portable,
    /// Two streams interleaved on the SHA instructions of x86.
    ShaNi,
    /// Eight lanes.
    Avx2,
    /// Sixteen lanes, or eight.
    Avx512,
}

/// The position in [`Engine::ALL`] of the one in use.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// Instructions that may be used, because the CPU has them.
///
/// Invariant: `avx512` implies `avx2`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instructions {
    pub(crate) sha: bool,
    pub(crate) avx2: bool,
    pub(crate) avx512: bool,
}

impl Engine {
    /// All that there are, also where this CPU lacks them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Portable, Self::ShaNi, Self::Avx2, Self::Avx512];

    /// Its name: `auto`, `portable`, `sha-ni`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Portable => "portable",
            Self::ShaNi => "sha-ni",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this CPU has what it needs.
    pub fn available(self) -> bool {
        let has = Instructions::of_this_cpu();
        match self {
            Self::Auto | Self::Portable => true,
            Self::ShaNi => has.sha,
            Self::Avx2 => has.avx2,
            Self::Avx512 => has.avx512,
        }
    }

    /// The one in use.
    pub(crate) fn current() -> Self {
        Self::ALL[usize::from(CHOSEN.load(Ordering::Relaxed))]
    }

    /// What it uses. Panics if this CPU lacks it.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "nothing to choose from"))]
    pub(crate) fn instructions(self) -> Instructions {
        let none = Instructions { sha: false, avx2: false, avx512: false };
        assert!(self.available(), "this CPU lacks {self}");
        match self {
            Self::Auto => Instructions::of_this_cpu(),
            Self::Portable => none,
            Self::ShaNi => Instructions { sha: true, ..none },
            Self::Avx2 => Instructions { avx2: true, ..none },
            Self::Avx512 => Instructions { avx2: true, avx512: true, ..none },
        }
    }
}

impl Instructions {
    #[cfg(target_arch = "x86_64")]
    fn of_this_cpu() -> Self {
        use std::arch::is_x86_feature_detected as has;
        let avx2 = has!("avx2");
        Self {
            sha: has!("sha") && has!("sse4.1") && has!("ssse3"),
            avx2,
            avx512: avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512vl"),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of_this_cpu() -> Self {
        Self { sha: false, avx2: false, avx512: false }
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
    let at = Engine::ALL.iter().position(|&each| each == engine).expect("all are there");
    if engine.available() {
        CHOSEN.store(u8::try_from(at).expect("few"), Ordering::Relaxed);
    }
    engine.available()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_used_once_chosen_if_this_cpu_has_it() {
        assert_eq!(Engine::current(), Engine::Auto);
        for engine in Engine::ALL {
            let before = Engine::current();
            assert_eq!(choose(engine), engine.available());
            assert_eq!(Engine::current(), if engine.available() { engine } else { before });
        }
        assert!(choose(Engine::Auto));
    }
}
