use ::sha1::Digest as _;
use proptest::prelude::{Strategy, any, prop, prop_assert_eq, proptest};

use super::*;
use crate::merkle::LEAF_BYTES;
use crate::piece_hash::feed_by;
use crate::{Digest20, Digest32, Feed, Kinds, PieceHash};

fn engines() -> impl Iterator<Item = Engine> {
    Engine::ALL.into_iter().filter(|engine| engine.available())
}

/// Bytes that differ from stream to stream and from place to place.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn sha1_reference(bytes: &[u8]) -> Digest20 {
    ::sha1::Sha1::digest(bytes).into()
}

fn leaves_reference(bytes: &[u8]) -> Vec<Digest32> {
    bytes.chunks(LEAF_BYTES as usize).map(|leaf| ::sha2::Sha256::digest(leaf).into()).collect()
}

/// Cuts `bytes` at `cuts`, which are taken modulo its length.
fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

#[test]
fn as_many_streams_as_come_are_hashed_by_every_engine_as_by_the_reference() {
    for engine in engines() {
        for count in 1..=40 {
            let contents: Vec<Vec<u8>> = (0..count).map(|i| content(i, 640 + 64 * 3)).collect();
            let mut pass = Pass::<5>::new(0);
            let mut pass256 = Pass::<8>::new(0);
            for bytes in &contents {
                pass.begin(Stream::new());
                pass.add(bytes);
                pass.end();
                pass256.begin(Stream::new());
                pass256.add(bytes);
                pass256.end();
            }
            for (stream, bytes) in pass.run(engine).zip(&contents) {
                let digest: Digest20 = crate::stream::digest(stream.state);
                assert_eq!(digest, sha1_reference(bytes), "{engine}, {count} streams");
            }
            for (stream, bytes) in pass256.run(engine).zip(&contents) {
                let digest: Digest32 = crate::stream::digest(stream.state);
                assert_eq!(vec![digest], leaves_reference(bytes), "{engine}, {count} streams");
            }
        }
    }
}

/// For each stream its length, where it is cut into parts, and after how many parts a first call of two ends.
fn streams(length_max: usize) -> impl Strategy<Value = Vec<(usize, Vec<usize>, usize)>> {
    let stream = (0..length_max, prop::collection::vec(any::<usize>(), 0..8), 0_usize..8);
    prop::collection::vec(stream, 1..40)
}

fn check_feeds(streams: &[(usize, Vec<usize>, usize)], v1: bool, v2: bool) {
    let contents: Vec<Vec<u8>> =
        streams.iter().zip(0..).map(|((length, ..), seed)| content(seed, *length)).collect();
    for engine in engines() {
        let mut hashes = vec![PieceHash::new(Kinds { v1, v2 }); streams.len()];
        for second in [false, true] {
            let mut feeds = Vec::new();
            for ((hash, bytes), (_, cuts, first)) in hashes.iter_mut().zip(&contents).zip(streams) {
                let mut parts = split(bytes, cuts);
                let later = parts.split_off((*first).min(parts.len()));
                feeds.push(Feed { hash, parts: if second { later } else { parts } });
            }
            feed_by(engine, &mut feeds);
        }
        for (hash, bytes) in hashes.into_iter().zip(&contents) {
            let digest = hash.finish();
            assert_eq!(digest.sha1, v1.then(|| sha1_reference(bytes)), "{engine}");
            assert_eq!(
                digest.leaves,
                if v2 { leaves_reference(bytes) } else { Vec::new() },
                "{engine}"
            );
        }
    }
}

proptest! {
    #[test]
    fn pieces_of_any_length_in_any_parts_agree_with_the_reference(streams in streams(3000), v2: bool) {
        check_feeds(&streams, true, v2);
    }

    #[test]
    fn leaves_of_any_pieces_in_any_parts_agree_with_the_reference(streams in streams(70_000), v1: bool) {
        check_feeds(&streams, v1, true);
    }

    #[test]
    fn padding_counts_for_sha1_alone(length in 0_usize..40_000, zeros in 0_u64..20_000) {
        let mut bytes = content(1, length);
        let mut hash = PieceHash::new(Kinds { v1: true, v2: true });
        hash.update(&bytes);
        hash.pad(zeros);
        let digest = hash.finish();
        prop_assert_eq!(digest.leaves, leaves_reference(&bytes));
        bytes.resize(length + usize::try_from(zeros).unwrap(), 0);
        prop_assert_eq!(digest.sha1, Some(sha1_reference(&bytes)));
    }
}
