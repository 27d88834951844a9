//! Whom to upload to.
//!
//! Source: BEP 3 ("choking and optimistic unchoking"). While we download, the peers that give us
//! most get our slots; as a seed, those that take fastest, so that pieces spread. One slot goes
//! round as the optimistic unchoke.

use base::{ConnId, Rng};

/// A peer as the choker sees it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its connection.
    pub conn: ConnId,
    /// It wants something from us.
    pub interested: bool,
    /// Bytes per second that count: received while we download, sent while we seed.
    pub rate: u64,
    /// It owes us blocks and is silent.
    pub snubbed: bool,
}

/// Which peers to unchoke: the `slots - 1` best and one optimistic.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// All to be unchoked, in no particular order; all others are to be choked.
    pub unchoked: Vec<ConnId>,
    /// The one among them that is there on trust.
    pub optimistic: Option<ConnId>,
}

/// Chooses. `optimistic` is who holds that slot now; `rotate` asks for somebody new.
pub fn choose(
    candidates: &[Candidate],
    slots: usize,
    optimistic: Option<ConnId>,
    rotate: bool,
    rng: &mut Rng,
) -> Choice {
    let mut ranked: Vec<Candidate> = candidates.iter().copied().filter(|c| c.interested).collect();
    if ranked.len() <= slots {
        let unchoked: Vec<ConnId> = ranked.iter().map(|candidate| candidate.conn).collect();
        return Choice { optimistic: optimistic.filter(|conn| unchoked.contains(conn)), unchoked };
    }
    ranked.sort_by_key(|c| (c.snubbed, core::cmp::Reverse(c.rate), c.conn));
    let regular = slots.saturating_sub(1);
    let rest = &ranked[regular..];
    let kept = rest.iter().map(|c| c.conn).find(|&conn| !rotate && Some(conn) == optimistic);
    let optimistic = kept.unwrap_or_else(|| {
        let others: Vec<ConnId> =
            rest.iter().map(|c| c.conn).filter(|&conn| Some(conn) != optimistic).collect();
        let pool = if others.is_empty() { rest.iter().map(|c| c.conn).collect() } else { others };
        pool[rng.below(u32::try_from(pool.len()).expect("bounded by connections")) as usize]
    });
    let mut unchoked: Vec<ConnId> = ranked[..regular].iter().map(|c| c.conn).collect();
    unchoked.push(optimistic);
    Choice { unchoked, optimistic: Some(optimistic) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `"9 5 -7 3s"`: rates; `-` not interested, `s` snubbed. Connections are numbered from 0.
    fn candidates(notation: &str) -> Vec<Candidate> {
        let parse = |(index, word): (usize, &str)| Candidate {
            conn: ConnId(index as u64),
            interested: !word.starts_with('-'),
            rate: word.trim_matches(['-', 's']).parse().unwrap(),
            snubbed: word.ends_with('s'),
        };
        notation.split_whitespace().enumerate().map(parse).collect()
    }

    #[test]
    fn the_fastest_that_want_something_keep_their_slots() {
        for (peers, slots, certain) in [
            ("1 9 5 7", 3, vec![1, 3]),
            ("1 -9 5 7", 2, vec![3]),
            ("1 9s 5 7", 3, vec![3, 2]),
            ("1 9", 3, vec![0, 1]),
            ("-1 -9", 3, vec![]),
        ] {
            let choice = choose(&candidates(peers), slots, None, true, &mut Rng::from_seed(1));
            for conn in certain {
                assert!(choice.unchoked.contains(&ConnId(conn)), "{peers}: {choice:?}");
            }
            assert!(choice.unchoked.len() <= slots);
        }
    }

    #[test]
    fn everybody_gets_the_optimistic_slot_in_time() {
        let peers = candidates("9 8 0 0 0 0");
        let (mut seen, mut optimistic, mut rng) =
            (std::collections::BTreeSet::new(), None, Rng::from_seed(3));
        for _ in 0..60 {
            optimistic = choose(&peers, 3, optimistic, true, &mut rng).optimistic;
            seen.extend(optimistic);
        }
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn without_rotation_the_optimistic_peer_stays() {
        let peers = candidates("9 8 0 0");
        let choice = choose(&peers, 3, Some(ConnId(3)), false, &mut Rng::from_seed(0));
        assert_eq!(choice.optimistic, Some(ConnId(3)));
    }
}
