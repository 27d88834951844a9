//! `shoal verify`: every byte on disk against the digests of a torrent file.
//!
//! A piece with the wrong digest is held against every file that has a part of it: nothing says
//! which of them is wrong.

use std::collections::BTreeSet;
use std::path::Path;

use base::{Bitfield, FileIndex, InfoHashes, PieceIndex};
use node::spec::TorrentSpec;
use serde_json::{Value, json};
use storage::digests::Verdict;
use storage::layout::Layout;
use wire::printable;

use crate::args::VerifyArgs;
use crate::failure::{Exit, Failure, shown};
use crate::hashing::{Hashing, Why};
use crate::interrupt::Interrupt;
use crate::out::Out;
use crate::{load, node_setup, select, state_dir, units};

/// Ranges of pieces listed per file; more are counted.
const RANGES_SHOWN_MAX: usize = 8;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Complete,
    /// Some of its pieces are wrong or can't be checked.
    Damaged,
    Short {
        bytes: u64,
    },
    Missing,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Damaged => "damaged",
            Self::Short { .. } => "short",
            Self::Missing => "missing",
        }
    }
}

#[derive(Debug)]
struct FileReport {
    /// As `shoal show` has it.
    number: usize,
    path: String,
    length_bytes: u64,
    state: State,
    bad_pieces: Vec<u32>,
    pieces: u32,
}

/// Runs `shoal verify`.
pub(crate) fn verify(args: &VerifyArgs, out: &Out) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let metainfo = node_setup::load_one(&load::source(&args.torrent)?, &interrupt)?;
    let mut spec = TorrentSpec::new(&metainfo, args.data.clone());
    drop(metainfo);
    let matched = select::choose(&mut spec.files, &args.select);
    if let Some((expression, _)) = args.select.iter().zip(matched).find(|(_, matched)| !matched) {
        return Err(select::nothing_for(expression, &spec.files));
    }
    state_dir::judge_data(&args.data)?;
    let mut layout = spec.layout();
    let lengths = layout.lengths();
    let present = |file: FileIndex| {
        let look = args.data.join(&spec.files[file.0 as usize].path).metadata();
        look.is_ok_and(|look| look.len() >= lengths[file.0 as usize])
    };
    layout.put_aside(false, present);
    let wanted = layout.wanted_pieces();
    let name = printable(spec.name.as_bytes(), 200);
    let label = format!("verifying {name}");
    let mut bad = BTreeSet::new();
    let mut contradiction = None;
    let hashing = Hashing {
        layout: &layout,
        kinds: spec.digests.kinds(),
        only: Some(&wanted),
        root: &args.data,
        label: &label,
        out,
        interrupt: &interrupt,
    };
    let checked = hashing.run(|piece, digest| {
        match digest {
            Ok(digest) => match spec.digests.judge(piece, &digest) {
                Verdict::Right => {}
                Verdict::Wrong => drop(bad.insert(piece)),
                Verdict::Contradiction => {
                    bad.insert(piece);
                    contradiction.get_or_insert(piece);
                }
            },
            Err(broken) => {
                if let Why::Unreadable(_) | Why::NotAFile = &broken.why {
                    let path = args.data.join(&layout.file(broken.file).path);
                    return Err(broken.why.failure(&path));
                }
                bad.insert(piece);
            }
        }
        Ok(())
    });
    if matches!(checked, Err(Failure::Interrupted)) {
        out.note("stopped; not everything was compared");
    }
    checked?;
    if let Some(PieceIndex(piece)) = contradiction {
        out.warn(&format!(
            "the torrent contradicts itself: piece {piece} is right by one of its two versions and \
             wrong by the other; whoever made it made a mistake"
        ));
    }
    let numbers: Vec<FileIndex> = select::choosable(&spec.files).collect();
    let files = judge_files(&layout, &args.data, &bad, &numbers);
    let report = Report { name, info_hashes: spec.info_hashes, layout, wanted, bad, files };
    report.say(args, out)
}

/// `numbered` are the files that have numbers, in their order.
fn judge_files(
    layout: &Layout,
    data: &Path,
    bad: &BTreeSet<PieceIndex>,
    numbered: &[FileIndex],
) -> Vec<FileReport> {
    let judge = |spec: storage::job::FileSpec| {
        let pieces = layout.pieces_of(spec.file);
        let range = PieceIndex(pieces.start)..PieceIndex(pieces.end);
        let bad_pieces: Vec<u32> = bad.range(range).map(|piece| piece.0).collect();
        let state = match data.join(&spec.path).metadata() {
            Err(_) => State::Missing,
            Ok(look) if look.len() < spec.length_bytes => State::Short { bytes: look.len() },
            Ok(_) if bad_pieces.is_empty() => State::Complete,
            Ok(_) => State::Damaged,
        };
        FileReport {
            number: numbered.partition_point(|&file| file < spec.file) + 1,
            path: printable(spec.path.to_string_lossy().as_bytes(), 2000),
            length_bytes: spec.length_bytes,
            state,
            bad_pieces,
            pieces: pieces.end - pieces.start,
        }
    };
    // Skipped files, links and the part file are nobody's matter here.
    let wanted = layout
        .specs()
        .into_iter()
        .filter(|spec| Some(spec.file) != layout.part_file() && spec.make && spec.link.is_none());
    wanted.map(judge).collect()
}

struct Report {
    name: String,
    info_hashes: InfoHashes,
    layout: Layout,
    /// The pieces that were to be judged.
    wanted: Bitfield,
    bad: BTreeSet<PieceIndex>,
    files: Vec<FileReport>,
}

impl Report {
    fn say(&self, args: &VerifyArgs, out: &Out) -> Result<Exit, Failure> {
        // An empty file that is missing lacks no byte, but is said.
        let complete = self.bad.is_empty();
        if out.json() {
            out.event(&self.json(complete))?;
        } else {
            for file in self.files.iter().filter(|file| file.state != State::Complete) {
                out.entry(&file.line(), 20)?;
            }
            out.result(&self.summary(complete))?;
            if self.files.iter().all(|file| file.state == State::Missing) {
                out.always(&format!(
                    "hint: nothing of it is in {}; name the folder that holds {}: --data DIR",
                    shown(&args.data),
                    self.name
                ));
            }
        }
        Ok(if complete { Exit::Done } else { Exit::Failed })
    }

    fn summary(&self, complete: bool) -> String {
        let (name, pieces) = (&self.name, self.wanted.count());
        let size = units::size(self.layout.wanted_bytes());
        if complete {
            return format!("{name}: complete, {size}, {}", units::count(pieces.into(), "piece"));
        }
        let good = pieces.saturating_sub(u32::try_from(self.bad.len()).unwrap_or(u32::MAX));
        let whole = self.files.iter().filter(|file| file.state == State::Complete).count();
        let percent = units::percent(self.good_bytes(), self.layout.wanted_bytes());
        format!(
            "{name}: incomplete, {percent} of {size}, {good} of {pieces} pieces, {whole} of {} files",
            self.files.len()
        )
    }

    fn good_bytes(&self) -> u64 {
        let bad: u64 = self.bad.iter().map(|&piece| self.layout.wanted_bytes_of(piece)).sum();
        self.layout.wanted_bytes() - bad
    }

    fn json(&self, complete: bool) -> Value {
        let files = self.files.iter().map(|file| {
            json!({
                "number": file.number,
                "path": file.path,
                "length_bytes": file.length_bytes,
                "state": file.state.name(),
                "bad_pieces": file.bad_pieces,
            })
        });
        json!({
            "event": if complete { "complete" } else { "incomplete" },
            "info_hash": self.info_hashes.first().to_string(),
            "info_hash_v2": self.info_hashes.of_v2().map(|hash| hash.to_string()),
            "name": self.name,
            "have_bytes": self.good_bytes(),
            "total_bytes": self.layout.total_bytes(),
            "wanted_bytes": self.layout.wanted_bytes(),
            "pieces": self.wanted.count(),
            "bad_pieces": self.bad.iter().map(|piece| piece.0).collect::<Vec<_>>(),
            "files": files.collect::<Vec<_>>(),
        })
    }
}

impl FileReport {
    fn line(&self) -> String {
        let (state, size, path) = (self.state.name(), units::size(self.length_bytes), &self.path);
        let more = match self.state {
            State::Missing | State::Complete => String::new(),
            State::Short { bytes } => format!("  has {}", units::size(bytes)),
            State::Damaged => format!(
                "  {} of {}: {}",
                self.bad_pieces.len(),
                units::count(self.pieces.into(), "piece"),
                ranges(&self.bad_pieces)
            ),
        };
        format!("{state:<8} {size:>9}  {path}{more}")
    }
}

/// `3, 7-9, 12`.
fn ranges(ascending: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &piece in ascending {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == piece => *last = piece,
            _ => ranges.push((piece, piece)),
        }
    }
    let more = ranges.len().saturating_sub(RANGES_SHOWN_MAX);
    let mut words: Vec<String> = ranges
        .iter()
        .take(RANGES_SHOWN_MAX)
        .map(
            |(first, last)| {
                if first == last { first.to_string() } else { format!("{first}-{last}") }
            },
        )
        .collect();
    if more > 0 {
        words.push("…".into());
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_listed_as_ranges() {
        for (pieces, expected) in [
            (&[3][..], "3"),
            (&[3, 7, 8, 9, 12], "3, 7-9, 12"),
            (&[0, 2, 4, 6, 8, 10, 12, 14, 16], "0, 2, 4, 6, 8, 10, 12, 14, …"),
        ] {
            assert_eq!(ranges(pieces), expected);
        }
    }
}
