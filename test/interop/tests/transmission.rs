//! `shoal` and Transmission 3.00, both ways. `shoal` dials: Transmission refuses to dial loopback.

use interop::{Dials, Outcome, Shape, Transmission, subject, transfer};

#[test]
fn downloads_a_file() -> Outcome {
    transfer(&Transmission, subject().as_ref(), Shape::SingleFile, Dials::Leech)
}

#[test]
fn downloads_many_files() -> Outcome {
    transfer(&Transmission, subject().as_ref(), Shape::ManyFiles, Dials::Leech)
}

#[test]
fn seeds_a_file() -> Outcome {
    transfer(subject().as_ref(), &Transmission, Shape::SingleFile, Dials::Seed)
}

#[test]
fn seeds_many_files() -> Outcome {
    transfer(subject().as_ref(), &Transmission, Shape::ManyFiles, Dials::Seed)
}

#[test]
fn seeds_padded_files() -> Outcome {
    transfer(subject().as_ref(), &Transmission, Shape::Padded, Dials::Seed)
}
