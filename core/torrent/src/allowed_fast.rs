//! Which pieces a peer may have while we choke it.
//!
//! Source: BEP 6 ("Allowed Fast Set Generation"). The set depends on the peer's /24, so that a
//! peer cannot widen it by reconnecting.

use std::net::Ipv4Addr;

use base::{InfoHash, PieceIndex};

/// How many pieces: what BEP 6 suggests.
pub const SET_PIECES: usize = 10;

/// The first `count` pieces of the set of the peer at `ip`.
pub fn allowed_fast(
    ip: Ipv4Addr,
    info_hash: InfoHash,
    piece_count: u32,
    count: usize,
) -> Vec<PieceIndex> {
    let [a, b, c, _] = ip.octets();
    let mut seed = [0; 24];
    seed[..4].copy_from_slice(&[a, b, c, 0]);
    seed[4..].copy_from_slice(&info_hash.0);
    let mut digest = keys::sha1(&seed);
    let mut set: Vec<PieceIndex> = Vec::with_capacity(count);
    let count = count.min(piece_count as usize);
    while set.len() < count {
        for chunk in digest.as_chunks::<4>().0 {
            let piece = PieceIndex(u32::from_be_bytes(*chunk) % piece_count);
            if set.len() < count && !set.contains(&piece) {
                set.push(piece);
            }
        }
        digest = keys::sha1(&digest);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_bep_6() {
        let set = allowed_fast(Ipv4Addr::new(80, 4, 4, 200), InfoHash([0xaa; 20]), 1313, 9);
        let expected = [1059, 431, 808, 1217, 287, 376, 1188, 353, 508];
        assert_eq!(set, expected.map(PieceIndex));
    }

    #[test]
    fn a_torrent_of_few_pieces_allows_them_all_and_ends() {
        let set = allowed_fast(Ipv4Addr::LOCALHOST, InfoHash([1; 20]), 3, 10);
        assert_eq!(set.len(), 3);
    }
}
