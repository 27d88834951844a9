//! Jobs that are hashed with others are done and answered as if they were alone.

use super::*;

const PIECE_BYTES: u64 = 200_000;

fn rig(workers: usize) -> Rig {
    Rig::with(DiskConfig { workers, queue_jobs_max: 256, ..config() }, Guard::detect())
}

fn write(rig: &mut Rig, bytes: &[u8], piece: u64, kinds: Kinds) -> JobKind {
    let block = |bytes: &[u8]| {
        let mut buf = rig.buffers.take();
        buf[..bytes.len()].copy_from_slice(bytes);
        (buf, u32::try_from(bytes.len()).unwrap())
    };
    let blocks = bytes.chunks(16384).map(block).collect();
    let extents = vec![extent(0, piece * PIECE_BYTES, bytes.len() as u64)];
    let hash = Some(PieceHash::new(kinds));
    JobKind::Write { extents, blocks, hash, skip: Vec::new(), pad_bytes: 3 }
}

fn expected(bytes: &[u8], kinds: Kinds, pad_bytes: u64) -> keys::PieceDigest {
    let mut hash = PieceHash::new(kinds);
    hash.update(bytes);
    hash.pad(pad_bytes);
    hash.finish()
}

#[test]
fn many_writes_and_many_hashes_at_once_are_each_right() {
    let dir = TempDir::new();
    for (workers, kinds) in [(1, V1), (2, V1), (2, Kinds { v1: true, v2: true })] {
        let mut rig = rig(workers);
        let pieces = 37;
        rig.open(&dir.0, &[("a", pieces * PIECE_BYTES)]).unwrap();
        // Of several lengths; all but one in the file, and all different.
        let bytes = content(usize::try_from(pieces + PIECE_BYTES).unwrap());
        let of = |piece: u64| {
            let start = usize::try_from(piece).unwrap();
            let length = usize::try_from(PIECE_BYTES - 1000 * (piece % 7)).unwrap();
            &bytes[start..start + length]
        };
        for piece in 0..pieces {
            let kind = write(&mut rig, of(piece), piece, kinds);
            let torrent = if piece == 5 { TorrentId(99) } else { TORRENT };
            rig.handle.submit(DiskJob { torrent, id: JobId(piece), kind }).unwrap();
        }
        for _ in 0..pieces {
            let done = rig.answers.recv_timeout(PATIENCE).unwrap();
            let DoneKind::Written { blocks, hash, result } = done.kind else {
                panic!("another answer")
            };
            assert_eq!(result.is_ok(), done.id != JobId(5));
            let digest = hash.unwrap().finish();
            assert_eq!(digest, expected(of(done.id.0), kinds, 3), "{:?}", done.id);
            blocks.into_iter().for_each(|(buf, _)| rig.buffers.give_back(buf));
        }
        assert_eq!(rig.buffers.outstanding(), 0);
        for piece in 0..pieces {
            let parts =
                vec![HashPart::File(extent(0, piece * PIECE_BYTES, of(piece).len() as u64))];
            let kind = JobKind::Hash { parts, hash: PieceHash::new(kinds) };
            rig.handle.submit(DiskJob { torrent: TORRENT, id: JobId(piece), kind }).unwrap();
        }
        for _ in 0..pieces {
            let done = rig.answers.recv_timeout(PATIENCE).unwrap();
            let DoneKind::Hashed { result } = done.kind else { panic!("another answer") };
            let digest = result.unwrap().finish();
            if done.id != JobId(5) {
                assert_eq!(digest, expected(of(done.id.0), kinds, 0), "{:?}", done.id);
            }
        }
    }
}

#[test]
fn what_waits_for_others_is_answered_before_the_pool_ends() {
    let dir = TempDir::new();
    let mut rig = rig(2);
    rig.open(&dir.0, &[("a", 5 * PIECE_BYTES)]).unwrap();
    for piece in 0..5 {
        let kind = write(&mut rig, &content(1000), piece, V1);
        rig.handle.submit(DiskJob { torrent: TORRENT, id: JobId(piece), kind }).unwrap();
    }
    rig.pool.shutdown();
    let mut done: Vec<u64> = rig.answers.try_iter().map(|done| done.id.0).collect();
    done.sort_unstable();
    assert_eq!(done, [0, 1, 2, 3, 4]);
}
