//! Amounts of money: integers of a coin's smallest unit, never floats.
//!
//! At every edge (command line, JSON, database, CSV) an amount is a decimal string: JavaScript and
//! `SQLite` have no integers of this size.

use core::fmt;

/// Most digits after the point that a coin may have. 10^38 is the last power of ten in 128 bits.
pub const DECIMALS_MAX: u8 = 38;

/// Longest text that is read as an amount, in characters: 39 digits, a point, and separators.
const TEXT_MAX: usize = 64;

/// An amount in a coin's smallest unit. 2^128 of them is 343,000 times the supply of BTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u128);

/// A sum that 128 bits don't hold, or a difference below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The sum would be too large.
    #[error("{0} and {1} are more together than can be counted")]
    Overflow(Amount, Amount),
    /// More was to be taken than there is.
    #[error("{taken} is more than {there}")]
    Short {
        /// What there is.
        there: Amount,
        /// What was to be taken.
        taken: Amount,
    },
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// As much as can be counted.
    pub const MAX: Self = Self(u128::MAX);

    /// So many smallest units.
    #[must_use]
    pub const fn new(units: u128) -> Self {
        Self(units)
    }

    /// How many smallest units.
    #[must_use]
    pub const fn units(self) -> u128 {
        self.0
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// It is more than can be counted.
    pub fn plus(self, other: Self) -> Result<Self, AmountError> {
        self.0.checked_add(other.0).map(Self).ok_or(AmountError::Overflow(self, other))
    }

    /// What is left.
    ///
    /// # Errors
    /// `taken` is more than there is.
    pub fn minus(self, taken: Self) -> Result<Self, AmountError> {
        self.0.checked_sub(taken.0).map(Self).ok_or(AmountError::Short { there: self, taken })
    }

    /// What is left, or nothing.
    #[must_use]
    pub const fn saturating_minus(self, taken: Self) -> Self {
        Self(self.0.saturating_sub(taken.0))
    }

    /// So many of this. `None`: more than can be counted.
    #[must_use]
    pub const fn times(self, count: u64) -> Option<Self> {
        match self.0.checked_mul(count as u128) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// Reads a number of whole coins like `1.5`, exactly. Underscores and spaces between digits
    /// are skipped; a comma is refused, for it means two things in the world.
    ///
    /// # Errors
    /// Not such a number, finer than the coin can be divided, or more than can be counted.
    pub fn parse(text: &str, decimals: u8) -> Result<Self, ParseAmountError> {
        assert!(decimals <= DECIMALS_MAX, "no coin is divided further");
        if text.len() > TEXT_MAX {
            return Err(ParseAmountError::TooLong(text.len()));
        }
        if text.contains(',') {
            return Err(ParseAmountError::Comma);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
        if digits(whole) + digits(fraction) == 0 && !text.contains('0') {
            return Err(ParseAmountError::NotNumber);
        }
        if digits(fraction) > usize::from(decimals) {
            return Err(ParseAmountError::TooFine { decimals });
        }
        let mut units = 0_u128;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = match byte {
                b'0'..=b'9' => u128::from(byte - b'0'),
                b'_' | b' ' => continue,
                _ => return Err(ParseAmountError::NotNumber),
            };
            units = units
                .checked_mul(10)
                .and_then(|units| units.checked_add(digit))
                .ok_or(ParseAmountError::TooLarge)?;
        }
        let missing = usize::from(decimals) - digits(fraction);
        (0..missing)
            .try_fold(units, |units, _| units.checked_mul(10))
            .map(Self)
            .ok_or(ParseAmountError::TooLarge)
    }

    /// As a number of whole coins, with as many digits as are needed.
    #[must_use]
    pub const fn shown(self, decimals: u8) -> Shown {
        Shown { amount: self, decimals }
    }
}

/// The number of smallest units, in digits: what JSON and databases get.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::str::FromStr for Amount {
    type Err = ParseAmountError;

    /// Reads what [`Display`](fmt::Display) writes: digits only.
    fn from_str(text: &str) -> Result<Self, ParseAmountError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseAmountError::NotNumber);
        }
        text.parse().map(Self).map_err(|_large| ParseAmountError::TooLarge)
    }
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// Something else than digits and one point.
    #[error("is not a number like 1.5")]
    NotNumber,
    /// Has a comma, which is a point to some and a separator to others.
    #[error("has a comma; write 1.5 or 1000")]
    Comma,
    /// More digits after the point than the coin has.
    #[error("is finer than the {decimals} digits after the point that this coin has")]
    TooFine {
        /// As many as it has.
        decimals: u8,
    },
    /// Above 128 bits.
    #[error("is more than can be counted")]
    TooLarge,
    /// Too many characters.
    #[error("has {0} characters; no amount is so long")]
    TooLong(usize),
}

/// An [`Amount`] in whole coins, for people.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    amount: Amount,
    decimals: u8,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0>width$}", self.amount.0, width = usize::from(self.decimals) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(self.decimals));
        let fraction = fraction.trim_end_matches('0');
        let text =
            if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
        f.pad(&text)
    }
}

/// TRX in its smallest unit: a millionth. TRON counts it in 63 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sun(pub u64);

impl Sun {
    /// Digits after the point of TRX.
    pub const DECIMALS: u8 = 6;
    /// As much as a transaction can carry.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// As a protobuf field. `None`: above [`Sun::MAX`].
    #[must_use]
    pub fn to_field(self) -> Option<i64> {
        i64::try_from(self.0).ok()
    }

    /// From an amount. `None`: above [`Sun::MAX`].
    #[must_use]
    pub fn from_amount(amount: Amount) -> Option<Self> {
        u64::try_from(amount.units()).ok().map(Self).filter(|sun| *sun <= Self::MAX)
    }

    /// The same, as an amount.
    #[must_use]
    pub const fn amount(self) -> Amount {
        Amount(self.0 as u128)
    }
}

/// In whole TRX.
impl fmt::Display for Sun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.amount().shown(Self::DECIMALS), f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        use ParseAmountError as E;
        for (text, decimals, expected) in [
            ("1.5", 6, Ok(1_500_000)),
            ("0", 18, Ok(0)),
            ("0.0", 0, Ok(0)),
            (".5", 1, Ok(5)),
            ("5.", 1, Ok(50)),
            ("1.50000000", 1, Ok(15)),
            ("1_000 000", 0, Ok(1_000_000)),
            ("990000000000000", 18, Ok(990_000_000_000_000_000_000_000_000_000_000)),
            ("340282366920938463463374607431768211455", 0, Ok(u128::MAX)),
            ("340282366920938463463374607431768211456", 0, Err(E::TooLarge)),
            ("1", 38, Ok(10_u128.pow(38))),
            ("4", 38, Err(E::TooLarge)),
            ("0.0000001", 6, Err(E::TooFine { decimals: 6 })),
            ("1,5", 6, Err(E::Comma)),
            ("1,000", 6, Err(E::Comma)),
            ("", 6, Err(E::NotNumber)),
            (".", 6, Err(E::NotNumber)),
            ("-1", 6, Err(E::NotNumber)),
            ("+1", 6, Err(E::NotNumber)),
            ("1e3", 6, Err(E::NotNumber)),
            ("1.2.3", 6, Err(E::NotNumber)),
            ("0x10", 6, Err(E::NotNumber)),
            ("١", 6, Err(E::NotNumber)),
        ] {
            assert_eq!(Amount::parse(text, decimals).map(Amount::units), expected, "{text:?}");
        }
    }

    #[test]
    fn a_refused_sum_says_of_what() {
        let error = Amount::new(5).minus(Amount::new(7)).unwrap_err();
        assert_eq!(error.to_string(), "7 is more than 5");
        assert!(Amount::MAX.plus(Amount::new(1)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(units in any::<u128>(), decimals in 0..=DECIMALS_MAX) {
            let amount = Amount::new(units);
            prop_assert_eq!(Amount::parse(&amount.shown(decimals).to_string(), decimals), Ok(amount));
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        }

        #[test]
        fn any_text_is_an_amount_or_refused(text in "[0-9._ ,x-]{0,70}", decimals in 0..=DECIMALS_MAX) {
            if let Ok(amount) = Amount::parse(&text, decimals) {
                prop_assert_eq!(Amount::parse(&amount.shown(decimals).to_string(), decimals), Ok(amount));
            }
        }
    }
}
