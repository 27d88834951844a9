//! `shoal` and aria2 1.36, both ways. `shoal` dials: aria2 cannot be told a peer.

use interop::{Aria2, Dials, Outcome, Shape, subject, transfer};

#[test]
fn downloads_a_file() -> Outcome {
    transfer(&Aria2, subject().as_ref(), Shape::SingleFile, Dials::Leech)
}

#[test]
fn downloads_many_files() -> Outcome {
    transfer(&Aria2, subject().as_ref(), Shape::ManyFiles, Dials::Leech)
}

#[test]
fn seeds_a_file() -> Outcome {
    transfer(subject().as_ref(), &Aria2, Shape::SingleFile, Dials::Seed)
}

#[test]
fn seeds_many_files() -> Outcome {
    transfer(subject().as_ref(), &Aria2, Shape::ManyFiles, Dials::Seed)
}
