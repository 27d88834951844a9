//! `shoal` and libtorrent 2.1.1, both ways; either side opens the connection.

use interop::{Dials, Libtorrent, Outcome, Shape, subject, transfer};

#[test]
fn downloads_a_file() -> Outcome {
    transfer(&Libtorrent::default(), subject().as_ref(), Shape::SingleFile, Dials::Leech)
}

#[test]
fn downloads_many_files() -> Outcome {
    transfer(&Libtorrent::default(), subject().as_ref(), Shape::ManyFiles, Dials::Leech)
}

#[test]
fn seeds_a_file() -> Outcome {
    transfer(subject().as_ref(), &Libtorrent::default(), Shape::SingleFile, Dials::Leech)
}

#[test]
fn seeds_many_files() -> Outcome {
    transfer(subject().as_ref(), &Libtorrent::default(), Shape::ManyFiles, Dials::Leech)
}

#[test]
fn downloads_padded_files() -> Outcome {
    transfer(&Libtorrent::default(), subject().as_ref(), Shape::Padded, Dials::Leech)
}

#[test]
fn seeds_padded_files() -> Outcome {
    transfer(subject().as_ref(), &Libtorrent::default(), Shape::Padded, Dials::Leech)
}

#[test]
fn downloads_when_dialled() -> Outcome {
    transfer(&Libtorrent::default(), subject().as_ref(), Shape::ManyFiles, Dials::Seed)
}

#[test]
fn seeds_by_dialling() -> Outcome {
    transfer(subject().as_ref(), &Libtorrent::default(), Shape::ManyFiles, Dials::Seed)
}
