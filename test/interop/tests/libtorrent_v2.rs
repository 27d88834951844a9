//! `shoal` and libtorrent 2.1.1 with torrents of version 2 and of both (BEP 52), both ways.

use interop::{Dials, Libtorrent, Outcome, Shape, subject, transfer};

/// Both ways, and either side opens the connection.
macro_rules! both_ways {
    ($name:ident, $shape:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn downloads() -> Outcome {
                transfer(&Libtorrent::default(), subject().as_ref(), $shape, Dials::Leech)
            }

            #[test]
            fn seeds() -> Outcome {
                transfer(subject().as_ref(), &Libtorrent::default(), $shape, Dials::Leech)
            }

            #[test]
            fn downloads_when_dialled() -> Outcome {
                transfer(&Libtorrent::default(), subject().as_ref(), $shape, Dials::Seed)
            }

            #[test]
            fn seeds_by_dialling() -> Outcome {
                transfer(subject().as_ref(), &Libtorrent::default(), $shape, Dials::Seed)
            }
        }
    };
}

both_ways!(a_file_of_version_2, Shape::SingleV2);
both_ways!(many_files_of_version_2, Shape::V2);
both_ways!(a_hybrid, Shape::Hybrid);
