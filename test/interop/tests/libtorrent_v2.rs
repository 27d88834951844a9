//! `shoal` and libtorrent 2.1.1 with torrents of version 2 and of both (BEP 52), both ways.

use std::time::Duration;

use anyhow::ensure;
use interop::{
    Client as _, Content, Dials, Job, Libtorrent, Outcome, Shape, assert_identical, corrupter,
    create_torrent, scene, skip, subject, transfer,
};

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

/// Without the piece layers of its torrent file, libtorrent has to ask us for them.
#[test]
fn libtorrent_gets_the_hashes_of_pieces_from_us() -> Outcome {
    let asks = Libtorrent { without_layers: true, ..Libtorrent::default() };
    transfer(subject().as_ref(), &asks, Shape::V2, Dials::Leech)
}

/// The corrupter and libtorrent make a piece of one hybrid together: libtorrent is asked for its leaves,
/// and who sent the bad one is banned before the piece is complete.
#[test]
fn who_sends_one_bad_block_is_banned_alone_by_the_leaves_that_libtorrent_tells() -> Outcome {
    let libtorrent = Libtorrent { peer_log: true, ..Libtorrent::default() };
    if let Some(reason) = libtorrent.missing() {
        skip(&reason);
        return Ok(());
    }
    scene(Duration::from_secs(60), |scene| {
        let parent = scene.folder("content")?;
        let content = Content { shape: Shape::Hybrid, ..Content::of_size(&parent, 4 << 20)? };
        let torrent = create_torrent(scene, &content, 4 << 20, &[])?;
        let job =
            Job { torrent: &torrent.path, folder: content.parent()?, peers: &[], trackers: false };
        let honest = subject().seed(scene, &job)?;
        let corrupter = corrupter(honest.address, 16)?;
        let download = scene.folder("download")?;
        let peers = [corrupter];
        let mut leech = subject().leech(scene, &Job { folder: &download, peers: &peers, ..job })?;
        let peers = [leech.address];
        let libtorrent = libtorrent.seed(scene, &Job { peers: &peers, ..job })?;
        leech.process.wait_line("a ban", |line| {
            line.contains("127.0.0.2 sent corrupt data").then_some(())
        })?;
        leech.wait_complete()?;
        ensure!(leech.process.count_lines("sent corrupt data") == 1, "only one is banned");
        ensure!(libtorrent.process.count_lines("hash_request") > 0, "libtorrent was asked");
        assert_identical(&content, &download, false)
    })
}
