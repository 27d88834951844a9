//! A QR code in the characters of a terminal.
//!
//! Source: ISO/IEC 18004: dark modules on light ground, with a quiet zone of four modules. A terminal has no
//! squares, but characters twice as high as wide: a half block is two modules. Colour is not needed: where
//! letters are light on dark ground, the light modules are drawn.

use qrcode::{Color, EcLevel, QrCode};

/// Modules around the code. Readers want four; two do, and leave room for the code on 80 columns.
const QUIET: usize = 2;

/// How a code is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether the terminal can show half blocks.
    pub(super) unicode: bool,
    /// Whether its letters are dark on light ground.
    pub(super) light: bool,
}

/// The lines of a code. `None`: the text is too long for one.
pub(super) fn lines(text: &str, look: Look) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let (width, colours) = (code.width(), code.to_colors());
    let is_dark = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        inside && colours.get((y - QUIET) * width + x - QUIET) == Some(&Color::Dark)
    };
    // What is drawn stands out from the ground.
    let is_drawn = |x: usize, y: usize| is_dark(x, y) == look.light;
    let side = width + 2 * QUIET;
    let row = |y: usize| -> String {
        let pair = |x: usize| match (is_drawn(x, y), y + 1 < side && is_drawn(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        (0..side).map(pair).collect()
    };
    let plain = |y: usize| -> String {
        (0..side).map(|x| if is_drawn(x, y) { "##" } else { "  " }).collect()
    };
    Some(if look.unicode {
        (0..side).step_by(2).map(row).collect()
    } else {
        (0..side).map(plain).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads modules back from the characters.
    fn modules(lines: &[String], look: Look) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in lines {
            if look.unicode {
                let bits = |top: bool| {
                    line.chars().map(move |char| match char {
                        '█' => true,
                        '▀' => top,
                        '▄' => !top,
                        _ => false,
                    })
                };
                rows.push(bits(true).map(|drawn| drawn == look.light).collect());
                rows.push(bits(false).map(|drawn| drawn == look.light).collect());
            } else {
                let drawn = line.as_bytes().chunks(2).map(|pair| (pair == b"##") == look.light);
                rows.push(drawn.collect());
            }
        }
        rows
    }

    #[test]
    fn every_look_shows_the_same_modules() {
        let text = "tron:TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH?amount=1.5";
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        for (unicode, light) in [(true, true), (true, false), (false, true), (false, false)] {
            let look = Look { unicode, light };
            let lines = lines(text, look).unwrap();
            let rows = modules(&lines, look);
            for (y, row) in rows.iter().take(code.width() + 2 * QUIET).enumerate() {
                for (x, dark) in row.iter().enumerate() {
                    let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < code.width());
                    let expected = match (inside(x), inside(y)) {
                        (Some(x), Some(y)) => code[(x, y)] == Color::Dark,
                        _ => false,
                    };
                    assert_eq!(*dark, expected, "{x} {y} {look:?}");
                }
            }
        }
        assert!(
            lines(text, Look { unicode: true, light: false }).unwrap()[0].chars().count() <= 80
        );
    }

    #[test]
    fn a_text_that_no_code_holds_gives_none() {
        assert_eq!(lines(&"x".repeat(5000), Look { unicode: true, light: true }), None);
    }
}
