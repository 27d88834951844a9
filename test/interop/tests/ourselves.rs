//! `shoal` and `shoal`, either side opening the connection.

use interop::{Dials, Outcome, Shape, subject, transfer};

#[test]
fn a_file_when_the_leech_dials() -> Outcome {
    transfer(subject().as_ref(), subject().as_ref(), Shape::SingleFile, Dials::Leech)
}

#[test]
fn many_files_when_the_seed_dials() -> Outcome {
    transfer(subject().as_ref(), subject().as_ref(), Shape::ManyFiles, Dials::Seed)
}

#[test]
fn padded_files() -> Outcome {
    transfer(subject().as_ref(), subject().as_ref(), Shape::Padded, Dials::Leech)
}
