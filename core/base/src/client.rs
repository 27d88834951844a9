//! What this program calls itself, everywhere and in one spelling.
//!
//! Source: BEP 20 (peer ids), docs/private-trackers.md (our policy). Trackers let clients in by
//! these names, so all of them are made of the one version in the root `Cargo.toml`, at build
//! time. A version that does not fit fails the build.

/// The version, as in `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Name and version, as in `shoal/0.1.0`: the user agent towards trackers (RFC 9110), what peers
/// are told (BEP 10), and who made a torrent file.
pub const AGENT: &str = concat!("shoal/", env!("CARGO_PKG_VERSION"));

/// How each of our peer ids begins, as in `-SH0010-`: see [`peer_id_prefix`].
pub const PEER_ID_PREFIX: [u8; 8] = peer_id_prefix(VERSION);

/// Digits of one place: 0 to 9, then `A` to `Z`, then `a` to `z`.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The last place of anything that is no release.
const UNRELEASED: u8 = b'z';

/// The prefix of peer ids for `MAJOR.MINOR.PATCH`, perhaps with a pre-release after `-`: `-SH`,
/// two decimal digits of the major version, one place each of minor and patch (0 to 9, `A` is 10,
/// `a` is 36), and `-`. A pre-release has `z` for its patch, which no release ever has.
///
/// # Panics
/// The version has another form, or a number does not fit: major up to 99, minor up to 61, patch
/// up to 60. At build time, for our own.
pub const fn peer_id_prefix(version: &str) -> [u8; 8] {
    let text = version.as_bytes();
    let mut numbers = [0_usize; 3];
    let (mut place, mut at) = (0, 0);
    let mut released = true;
    while at < text.len() {
        match text[at] {
            digit @ b'0'..=b'9' if place < numbers.len() => {
                numbers[place] = numbers[place] * 10 + (digit - b'0') as usize;
            }
            b'.' => place += 1,
            b'-' => {
                released = false;
                at = text.len();
            }
            // Anything else makes the count of places wrong.
            _ => place = numbers.len(),
        }
        at += 1;
    }
    assert!(place == 2, "a version is three numbers, and perhaps a pre-release");
    let [major, minor, patch] = numbers;
    assert!(major < 100, "two digits are for the major version");
    assert!(minor < 62, "one place is for the minor version");
    assert!(patch < 61, "one place is for the patch, whose last digit means unreleased");
    let last = if released { DIGITS[patch] } else { UNRELEASED };
    [b'-', b'S', b'H', DIGITS[major / 10], DIGITS[major % 10], DIGITS[minor], last, b'-']
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_make_prefixes_by_table() {
        for (version, expected) in [
            ("0.1.0", b"-SH0010-"),
            ("0.1.1", b"-SH0011-"),
            ("0.9.12", b"-SH009C-"),
            ("0.36.0", b"-SH00a0-"),
            ("1.0.0", b"-SH0100-"),
            ("12.61.60", b"-SH12zy-"),
            ("0.2.0-beta.1", b"-SH002z-"),
            ("1.0.0-rc1", b"-SH010z-"),
        ] {
            assert_eq!(peer_id_prefix(version), *expected, "{version}");
        }
    }

    #[test]
    fn all_names_are_of_one_version() {
        assert_eq!(AGENT, format!("shoal/{VERSION}"));
        assert_eq!(PEER_ID_PREFIX, peer_id_prefix(VERSION));
    }

    #[test]
    #[should_panic(expected = "three numbers")]
    fn a_version_of_another_form_does_not_build() {
        peer_id_prefix("0.1.x");
    }

    #[test]
    #[should_panic(expected = "unreleased")]
    fn a_release_never_looks_like_a_pre_release() {
        peer_id_prefix("0.1.61");
    }
}
