//! Bytes as people write them: hexadecimal digits.
//!
//! Source: RFC 4648, section 8; either case is read, and nothing else.

use core::fmt::Write as _;

/// Two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// The byte of two hexadecimal digits.
pub(crate) fn byte(digits: &[u8]) -> Option<u8> {
    let &[high, low] = digits else { return None };
    let digit = |char: u8| char::from(char).to_digit(16);
    u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
}

/// Exactly `N` bytes in hexadecimal digits of either case.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    unhex_bytes(text)?.try_into().ok()
}

/// Bytes in hexadecimal digits of either case; as long as half the text.
pub fn unhex_bytes(text: &str) -> Option<Vec<u8>> {
    text.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_by_table() {
        for (text, expected) in [
            ("00ff", Some([0, 255])),
            ("0aB1", Some([10, 177])),
            ("0ab", None),
            ("0ab1c2", None),
            ("0xb1", None),
            ("é1", None),
            ("+1-1", None),
            ("", None),
        ] {
            assert_eq!(unhex::<2>(text), expected, "{text}");
        }
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
