//! Text from strangers, made safe to print.
//!
//! Source: our own rule. A file name, a tracker's error or a client's version may hold terminal
//! escapes, line breaks or marks that reorder a line; none of them reaches a screen or a log.

/// Readable text of at most `chars_max` characters from any `bytes`.
///
/// Invalid UTF-8 becomes U+FFFD; white space (line breaks and tabs too) becomes one blank;
/// control, invisible and direction-changing characters are left out; ends are trimmed.
pub fn printable(bytes: &[u8], chars_max: usize) -> String {
    let mut text = String::new();
    let mut chars = 0_usize;
    let mut blank_before = true;
    for chunk in bytes.utf8_chunks() {
        let replacement = if chunk.invalid().is_empty() { None } else { Some('\u{fffd}') };
        for char in chunk.valid().chars().chain(replacement) {
            let blank = char.is_whitespace();
            if (blank && blank_before) || (!blank && is_unprintable(char)) {
                continue;
            }
            if chars >= chars_max {
                return trimmed(text);
            }
            text.push(if blank { ' ' } else { char });
            chars = chars.saturating_add(1);
            blank_before = blank;
        }
    }
    trimmed(text)
}

/// `text` on one line: each control character, line break and direction mark becomes U+FFFD, and
/// all else stays as it is. For paths and other text whose blanks and length matter.
pub fn visible(text: &str) -> String {
    text.chars().map(|char| if is_disruptive(char) { '\u{fffd}' } else { char }).collect()
}

/// Characters that act on a terminal or on their neighbours: controls, separators of lines and
/// marks of direction.
pub fn is_disruptive(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    text
}

/// Control characters, and those of Unicode that are invisible or reorder their neighbours.
fn is_unprintable(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_direction_marks_vanish_and_blanks_collapse() {
        let cases: &[(&[u8], usize, &str)] = &[
            (b"plain", 99, "plain"),
            (b"\x1b[31mred\x07", 99, "[31mred"),
            (b"  a\r\n\t b  ", 99, "a b"),
            ("a\u{202e}b\u{200b}c\u{85}d".as_bytes(), 99, "abc d"),
            (b"x\xff\xfey", 99, "x\u{fffd}\u{fffd}y"),
            ("äöü".as_bytes(), 2, "äö"),
            (b"ab cd", 3, "ab"),
            (b"", 5, ""),
            (b"abc", 0, ""),
        ];
        for (bytes, chars_max, expected) in cases {
            assert_eq!(printable(bytes, *chars_max), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_replaced_one_for_one() {
        for (text, expected) in [
            ("  two  blanks ", "  two  blanks "),
            ("a\n\t\x1b[31mb\x7f", "a\u{fffd}\u{fffd}\u{fffd}[31mb\u{fffd}"),
            ("\u{9b}1m \u{202e}txt.exe\u{2066}", "\u{fffd}1m \u{fffd}txt.exe\u{fffd}"),
            // Joiners are part of words in some scripts, and of emoji.
            ("\u{200c}\u{200d}", "\u{200c}\u{200d}"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_bounded_text_without_controls(bytes: Vec<u8>, chars_max in 0..40_usize) {
            let text = printable(&bytes, chars_max);
            prop_assert!(text.chars().count() <= chars_max);
            prop_assert!(!text.chars().any(is_unprintable));
            prop_assert_eq!(printable(text.as_bytes(), chars_max), text);
        }
    }
}
