//! One download from one client to another.

use std::time::Duration;

use crate::client::{Client, Job};
use crate::content::{Shape, assert_identical};
use crate::libtorrent::create_torrent;
use crate::scene::{Outcome, scene, skip};

/// Far more than any of these transfers needs.
const LIMIT: Duration = Duration::from_secs(90);

/// Pieces so small that many files share one, and that there are many.
const PIECE_BYTES: u32 = 32_768;

/// Who opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dials {
    /// The client that has the data.
    Seed,
    /// The client that wants it.
    Leech,
}

/// Lets `to` download `shape` from `from` over one connection that `dials` opens, and compares.
pub fn transfer(from: &dyn Client, to: &dyn Client, shape: Shape, dials: Dials) -> Outcome {
    if let Some(reason) = from.missing().or_else(|| to.missing()) {
        skip(&reason);
        return Ok(());
    }
    scene(LIMIT, |scene| {
        let content = shape.write(&scene.folder("content")?)?;
        let torrent = create_torrent(scene, &content, PIECE_BYTES, &[])?;
        let download = scene.folder("download")?;
        let job = Job { torrent: &torrent.path, folder: &download, peers: &[], trackers: false };
        let seed_job = Job { folder: content.parent()?, ..job };
        let (_seed, mut leech) = match dials {
            Dials::Leech => {
                let seed = from.seed(scene, &seed_job)?;
                let leech = to.leech(scene, &Job { peers: &[seed.address], ..job })?;
                (seed, leech)
            }
            Dials::Seed => {
                let leech = to.leech(scene, &job)?;
                let seed = from.seed(scene, &Job { peers: &[leech.address], ..seed_job })?;
                (seed, leech)
            }
        };
        leech.wait_complete()?;
        assert_identical(&content, &download, to.forgets_empty_files())
    })
}
