//! Does a download survive every single failure of its disk?
//!
//! Method: a download from one node to another, over and over. In the first run the first
//! operation of a kind fails, once, in the second run the second, and so on until a run has no
//! such operation left. After the fault the node goes on, or is killed, or its power fails; a
//! torrent that failed is started again. In the end both nodes must have everything, durable, and
//! nothing that was claimed on the way may have been wrong (`sim::world` checks all of that).

use base::Rng;
use sim::fault::{Fault, Operation, Then};
use sim::scenario::Scenario;
use sim::world;
use storage::job::DiskErrorKind;

const SEEDER: usize = 0;
const LEECHER: usize = 1;

/// Contents of 4 to 6 pieces of 4 blocks in 4 to 7 files, one of them padding and one empty: of
/// version 1, of version 2, and of both.
const CONTENT_SEEDS: [u64; 3] = [1569, 306, 2801];

/// More operations of one kind than a download of this size can have.
const AT_MAX: u32 = 2_000;

/// Fails each one of a kind. Gives back how many there were at least in each content.
fn fail_each(node: usize, operation: Operation, kind: DiskErrorKind) -> u32 {
    let of = |seed| fail_each_of(seed, node, operation, kind);
    CONTENT_SEEDS.map(of).into_iter().min().expect("there are some")
}

fn fail_each_of(seed: u64, node: usize, operation: Operation, kind: DiskErrorKind) -> u32 {
    let mut most = 0;
    // A leecher reads little but what it finds at the start.
    let half_there = operation == Operation::Read;
    for then in [Then::GoesOn, Then::Kill, Then::PowerCut] {
        let mut at = 0;
        while world::run_scenario(
            seed,
            Scenario { half_there, ..Scenario::plain(Fault { node, operation, at, kind, then }) },
            Rng::from_seed(seed),
        )
        .fault_came
        {
            at += 1;
            assert!(at < AT_MAX, "{operation:?} never ends");
        }
        most = most.max(at);
    }
    most
}

#[test]
fn every_write_may_fail() {
    for kind in [DiskErrorKind::Full, DiskErrorKind::Other] {
        for (operation, least) in [
            (Operation::Create, 2),
            (Operation::Extend, 2),
            (Operation::Write, 8),
            (Operation::WriteHalf, 8),
        ] {
            let count = fail_each(LEECHER, operation, kind);
            assert!(count >= least, "only {count} of {operation:?} were tried");
        }
    }
}

#[test]
fn every_read_may_fail() {
    // What is not found once is not had any more: of a seed's files nobody could have it then.
    assert!(fail_each(SEEDER, Operation::Read, DiskErrorKind::Other) > 6);
    for kind in [DiskErrorKind::Other, DiskErrorKind::NotFound] {
        assert!(fail_each(LEECHER, Operation::Read, kind) > 3);
    }
}

#[test]
fn every_open_sync_and_commit_may_fail() {
    for (operation, kinds) in [
        (Operation::Open, [DiskErrorKind::Denied, DiskErrorKind::Other]),
        (Operation::Sync, [DiskErrorKind::Full, DiskErrorKind::Other]),
        (Operation::Commit, [DiskErrorKind::Full, DiskErrorKind::Other]),
    ] {
        for kind in kinds {
            for node in [SEEDER, LEECHER] {
                assert!(fail_each(node, operation, kind) > 0, "{operation:?} of {node}");
            }
        }
    }
}
