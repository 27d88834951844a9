//! `shoal` and rtorrent 0.9.8, both ways. `shoal` dials.

use interop::{Dials, Outcome, Rtorrent, Shape, subject, transfer};

#[test]
fn downloads_a_file() -> Outcome {
    transfer(&Rtorrent, subject().as_ref(), Shape::SingleFile, Dials::Leech)
}

#[test]
fn downloads_many_files() -> Outcome {
    transfer(&Rtorrent, subject().as_ref(), Shape::ManyFiles, Dials::Leech)
}

#[test]
fn seeds_a_file() -> Outcome {
    transfer(subject().as_ref(), &Rtorrent, Shape::SingleFile, Dials::Seed)
}

#[test]
fn seeds_many_files() -> Outcome {
    transfer(subject().as_ref(), &Rtorrent, Shape::ManyFiles, Dials::Seed)
}
