//! The words of a wallet, shown once and asked back.

use keys::mnemonic::Mnemonic;
use zeroize::Zeroizing;

use crate::ask::{self, Echo};
use crate::chance;
use crate::failure::Failure;
use crate::line::{Line, Style};
use crate::out::Out;

/// How many words are asked back: with three of twelve, who wrote nothing down does not get through.
const ASKED_BACK: usize = 3;

/// With single blanks between them, in memory that is overwritten.
pub(super) fn joined(mnemonic: &Mnemonic) -> Zeroizing<String> {
    // As much as 24 words can need, so that no copy is left behind by a string that grows.
    let mut text = Zeroizing::new(String::with_capacity(256));
    for word in mnemonic.words() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// Shows the words until they are written down, takes them off the screen, and asks some back.
///
/// # Errors
/// The user stopped it; then nothing is kept.
pub(super) fn show_and_confirm(out: &Out, words: &str) -> Result<(), Failure> {
    let words: Vec<&str> = words.split(' ').collect();
    loop {
        show(out, &words)?;
        if asked_back(out, &words)? {
            return Ok(());
        }
        out.note("that is another word; here they are again");
    }
}

fn show(out: &Out, words: &[&str]) -> Result<(), Failure> {
    let mut lines = vec![
        Line::new(Style::Bold, "These words are your money. Write them on paper, in this order:"),
        Line::default(),
    ];
    for row in words.chunks(4).enumerate() {
        let mut line = Line::default();
        for (index, word) in row.1.iter().enumerate() {
            line.push(Style::Dim, &format!("  {:>2} ", row.0 * 4 + index + 1));
            line.push(Style::Bold, &format!("{word:<8}"));
        }
        lines.push(line);
    }
    lines.push(Line::default());
    lines.push(Line::new(
        Style::Plain,
        "Whoever reads them can take the money. Press Enter when done.",
    ));
    // Even where nothing live is drawn otherwise, the words must not stay on the screen.
    if out.live() {
        out.draw(&lines);
    } else {
        lines.iter().for_each(|line| out.prompt(&format!("{}\n", line.paint(false))));
    }
    let answer = ask::line(out, "", Echo::Hidden);
    out.draw(&[]);
    answer.map(|_nothing| ())
}

fn asked_back(out: &Out, words: &[&str]) -> Result<bool, Failure> {
    let mut positions: Vec<usize> = (0..words.len()).collect();
    let chance = chance::bytes::<ASKED_BACK>()?;
    let mut asked: Vec<usize> = chance
        .iter()
        .map(|byte| positions.swap_remove(usize::from(*byte) % positions.len()))
        .collect();
    asked.sort_unstable();
    for position in asked {
        let answer = ask::line(out, &format!("word {}: ", position + 1), Echo::Shown)?;
        if Some(&answer.trim().to_lowercase().as_str()) != words.get(position) {
            return Ok(false);
        }
    }
    Ok(true)
}
