//! A download that is killed again and again neither lies about what it has nor starts over.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base::Rng;
use interop::{
    Client as _, Content, Job, Libtorrent, Outcome, Shoal, WirePeek, assert_identical,
    create_torrent, scene, shoal_command, skip,
};

const KILLS: u32 = 50;
const PIECE_BYTES: u32 = 1 << 18;
const PIECES: u32 = 512;
/// New pieces in a run before it is killed: 1 to this, on average 220 of the 512 in all.
const NEW_PIECES_MAX: u32 = 8;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn fifty_kills_leave_a_consistent_state() -> Outcome {
    let libtorrent = Libtorrent::default();
    if let Some(reason) = libtorrent.missing() {
        skip(&reason);
        return Ok(());
    }
    scene(LIMIT, |scene| {
        let bytes = u64::from(PIECES) * u64::from(PIECE_BYTES) - 4_321;
        let content = Content::of_size(&scene.folder("content")?, bytes)?;
        let torrent = create_torrent(scene, &content, PIECE_BYTES, &[])?;
        let download = scene.folder("download")?;
        let job = Job { torrent: &torrent.path, folder: &download, peers: &[], trackers: false };
        let seed = libtorrent.seed(scene, &Job { folder: content.parent()?, ..job })?;
        let peers = [seed.address];
        let slow = Shoal { get_arguments: ["--down", "8M"].map(String::from).to_vec() };
        let mut rng = Rng::from_seed(50);
        let mut recorded = BTreeSet::new();
        for kill in 0..KILLS {
            // With a peer: some progress, then the end without warning.
            let running = slow.leech(scene, &Job { peers: &peers, ..job })?;
            let mut peek = WirePeek::connect(running.address, &torrent.info_hash, LIMIT)?;
            let wanted = 1 + rng.below(NEW_PIECES_MAX);
            peek.wait_haves(usize::try_from(wanted)?, LIMIT)?;
            running.process.kill()?;
            drop(peek);

            // Without peers: what it claims now comes from its record and its own look at the disk.
            let running = slow.leech(scene, &job)?;
            let mut peek = WirePeek::connect(running.address, &torrent.info_hash, LIMIT)?;
            let claims = peek.first_claims(PIECES, LIMIT)?;
            running.process.kill()?;
            check_claims(&claims, &content, &download)
                .with_context(|| format!("after kill {kill}"))?;
            let lost: Vec<_> = recorded.difference(&claims).collect();
            ensure!(lost.is_empty(), "pieces recorded before kill {kill} are forgotten: {lost:?}");
            recorded = claims;
        }
        // Each run lives too briefly to sync much, but 50 of them must have kept something.
        ensure!(!recorded.is_empty(), "after {KILLS} kills nothing was kept");

        let mut last = Shoal::default().leech(scene, &Job { peers: &peers, ..job })?;
        last.wait_complete()?;
        assert_identical(&content, &download, false)?;
        let mut verify = shoal_command()?;
        verify.arg("verify").arg(&torrent.path).arg("--data").arg(&download);
        let exit = scene.spawn("shoal verify", &mut verify)?.wait_exit()?;
        ensure!(exit.success(), "shoal verify: {exit}");
        Ok(())
    })
}

/// Fails unless every claimed piece is on disk as it should be.
fn check_claims(claims: &BTreeSet<u32>, content: &Content, download: &Path) -> anyhow::Result<()> {
    if claims.is_empty() {
        return Ok(());
    }
    let wanted = File::open(&content.path)?;
    let got = File::open(download.join(content.name()?))?;
    let bytes = content.bytes()?;
    for piece in claims {
        let start = u64::from(*piece) * u64::from(PIECE_BYTES);
        let size = usize::try_from(bytes.saturating_sub(start).min(PIECE_BYTES.into()))?;
        let (mut left, mut right) = (vec![0; size], vec![0; size]);
        wanted.read_exact_at(&mut left, start)?;
        got.read_exact_at(&mut right, start).with_context(|| format!("piece {piece} claimed"))?;
        ensure!(left == right, "piece {piece} is claimed and wrong");
    }
    Ok(())
}
