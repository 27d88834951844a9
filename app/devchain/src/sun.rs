//! Amounts of the chain's own coin.

/// An amount of play TRX in sun, its millionth part. TRON counts it in 63 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Sun(u64);

impl Sun {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The most that TRON's 64-bit signed fields hold.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// `sun` as an amount; none above [`Self::MAX`].
    pub const fn new(sun: u64) -> Option<Self> {
        if sun <= Self::MAX.0 { Some(Self(sun)) } else { None }
    }

    /// The number of sun.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, unless it exceeds [`Self::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::new)
    }

    /// The difference, unless it is negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl core::fmt::Display for Sun {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stay_within_63_bits() {
        assert_eq!(Sun::new(1 << 63), None);
        assert_eq!(Sun::MAX.checked_add(Sun(1)), None);
        assert_eq!(Sun::ZERO.checked_sub(Sun(1)), None);
    }
}
