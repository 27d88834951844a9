//! Who sent the bad bytes.
//!
//! Source: our own design, after what others learned ("parole" and "smart ban" of libtorrent).
//! Nobody is banned on a guess:
//!
//! - A piece that one peer sent alone and that fails names that peer.
//!   Unless part of it was read back from the disk, where others may have changed it: then only the
//!   third time in a row.
//! - Of a piece that several sent, storage gives the digest of each block. The piece is fetched
//!   once more; when it is right, the blocks whose digests differ name their senders, and the
//!   others are cleared.
//! - In between, all of them are suspects: they get pieces of their own, so that their next bad
//!   piece names them at once. A good one clears them.
//!
//! Suspicion belongs to the IP address and outlives the connection. Who comes from a subnet with
//! banned addresses is a suspect from the start: a Sybil costs one piece.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use base::{Instant, PieceIndex};
use keys::Digest32;

use crate::peers::priority::Subnet;
use crate::picker::Provenance;

/// Blocks of failed pieces remembered, 80 bytes each: a hundred pieces of common size. With more,
/// the oldest pieces are forgotten, and their senders stay suspects.
const EVIDENCE_MAX: usize = 8_192;

/// Suspects remembered.
const SUSPECTS_MAX: usize = 1_000;

/// How long somebody is suspected, or believed after a good piece, without news.
const STANDING_LASTS: Duration = Duration::from_secs(30 * 60);

/// So often in a row it is not the disk.
const DOUBTFUL_MAX: u32 = 3;

/// Newcomers of a subnet with so many banned addresses are suspects: one could be bad luck.
const SUBNET_BANS: u32 = 2;

/// A block of a failed piece.
#[derive(Clone, Copy, Debug)]
struct Evidence {
    block: u32,
    sender: SocketAddr,
    digest: Digest32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    suspect: bool,
    until: Instant,
    /// Pieces that it sent alone and that failed, though the disk may be to blame.
    doubtful: u32,
}

/// See the [module documentation](self).
#[derive(Debug, Default)]
pub struct Blame {
    cases: BTreeMap<PieceIndex, Vec<Evidence>>,
    /// The keys of `cases`, oldest first.
    age: VecDeque<PieceIndex>,
    standings: BTreeMap<IpAddr, Standing>,
    subnets: BTreeMap<Subnet, u32>,
}

impl Blame {
    /// Whether nobody was ever in doubt: the common case, and then every question is cheap.
    pub fn is_quiet(&self) -> bool {
        self.standings.is_empty() && self.subnets.is_empty()
    }

    /// Whether this address shares no piece with others.
    pub fn is_suspect(&self, ip: IpAddr, now: Instant) -> bool {
        match self.standings.get(&ip.to_canonical()).filter(|standing| standing.until > now) {
            Some(standing) => standing.suspect,
            None => self.is_bad_subnet(ip),
        }
    }

    /// Whether several addresses of its subnet are banned.
    pub fn is_bad_subnet(&self, ip: IpAddr) -> bool {
        self.subnets.get(&Subnet::of(ip)).is_some_and(|&banned| banned >= SUBNET_BANS)
    }

    /// An address was banned, by whomever.
    pub fn on_banned(&mut self, ip: IpAddr) {
        self.standings.remove(&ip.to_canonical());
        *self.subnets.entry(Subnet::of(ip)).or_insert(0) += 1;
    }

    /// A piece failed that looked like `digests`. Gives back who is guilty for certain.
    /// `is_banned` tells whose part is known already.
    pub fn on_piece_failed(
        &mut self,
        piece: PieceIndex,
        provenance: &Provenance,
        digests: &[Option<Digest32>],
        is_banned: impl Fn(IpAddr) -> bool,
        now: Instant,
    ) -> Option<SocketAddr> {
        if let &[only] = provenance.senders() {
            let certain = !digests.is_empty() || self.is_once_too_often(only.ip(), now);
            return (certain && !is_banned(only.ip())).then_some(only);
        }
        let senders = provenance.senders();
        // With a known culprit among them the others are not in doubt; their blocks are kept.
        if !senders.iter().any(|sender| is_banned(sender.ip())) {
            for sender in senders {
                self.set_standing(sender.ip(), true, now);
            }
        }
        let evidence = provenance.blocks().filter(|(_, sender)| !is_banned(sender.ip()));
        let evidence = evidence.filter_map(|(block, sender)| {
            let digest = digests.get(block as usize).copied().flatten()?;
            Some(Evidence { block, sender, digest })
        });
        if !self.cases.contains_key(&piece) {
            self.age.push_back(piece);
        }
        self.cases.entry(piece).or_default().extend(evidence);
        self.forget_old();
        None
    }

    /// Counts a bad piece for which the disk may be to blame as well.
    fn is_once_too_often(&mut self, ip: IpAddr, now: Instant) -> bool {
        self.set_standing(ip, true, now);
        let Some(standing) = self.standings.get_mut(&ip.to_canonical()) else { return false };
        standing.doubtful += 1;
        standing.doubtful >= DOUBTFUL_MAX
    }

    fn forget_old(&mut self) {
        let mut total: usize = self.cases.values().map(Vec::len).sum();
        while total > EVIDENCE_MAX
            && let Some(oldest) = self.age.pop_front()
        {
            total -= self.cases.remove(&oldest).map_or(0, |case| case.len());
        }
    }

    /// A piece is verified. Who sent all of it alone is cleared.
    pub fn on_piece_done(&mut self, provenance: &Provenance, now: Instant) {
        if let &[only] = provenance.senders()
            && self.is_suspect(only.ip(), now)
        {
            self.set_standing(only.ip(), false, now);
        }
    }

    /// A piece that had failed is right and looks like `digests`. Gives back who is guilty.
    pub fn on_piece_examined(
        &mut self,
        piece: PieceIndex,
        digests: &[Option<Digest32>],
        now: Instant,
    ) -> BTreeSet<SocketAddr> {
        self.age.retain(|&open| open != piece);
        let Some(case) = self.cases.remove(&piece) else { return BTreeSet::new() };
        let right = |block: u32| digests.get(block as usize).copied().flatten();
        let is_wrong = |evidence: &Evidence| {
            right(evidence.block).is_some_and(|right| right != evidence.digest)
        };
        let guilty: BTreeSet<SocketAddr> =
            case.iter().filter(|evidence| is_wrong(evidence)).map(|one| one.sender).collect();
        let accused = |ip: IpAddr| {
            guilty.iter().any(|sender| sender.ip() == ip)
                || self.cases.values().flatten().any(|other| other.sender.ip() == ip)
        };
        let cleared: BTreeSet<IpAddr> =
            case.iter().map(|one| one.sender.ip()).filter(|&ip| !accused(ip)).collect();
        for ip in cleared {
            if self.standings.contains_key(&ip.to_canonical()) {
                self.set_standing(ip, false, now);
            }
        }
        guilty
    }

    fn set_standing(&mut self, ip: IpAddr, suspect: bool, now: Instant) {
        let ip = ip.to_canonical();
        if self.standings.len() >= SUSPECTS_MAX && !self.standings.contains_key(&ip) {
            let first = self.standings.iter().min_by_key(|(_, standing)| standing.until);
            if let Some((&first, _)) = first {
                self.standings.remove(&first);
            }
        }
        let before = self.standings.get(&ip).filter(|_| suspect);
        let doubtful = before.map_or(0, |standing| standing.doubtful);
        let until = now.after(STANDING_LASTS);
        self.standings.insert(ip, Standing { suspect, until, doubtful });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::START;
    const PIECE: PieceIndex = PieceIndex(0);

    fn addr(name: char) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, u8::try_from(name).unwrap()], 6881))
    }

    /// What a piece looks like: one letter a block, a capital one is wrong.
    fn digests(blocks: &str) -> Vec<Option<Digest32>> {
        let digest = |symbol: char| match symbol {
            '?' => None,
            wrong if wrong.is_uppercase() => Some([u8::try_from(wrong).unwrap(); 32]),
            _ => Some([0; 32]),
        };
        blocks.chars().map(digest).collect()
    }

    fn provenance(blocks: &str) -> Provenance {
        let senders = blocks.chars().map(|symbol| addr(symbol.to_ascii_lowercase()));
        Provenance::of(senders)
    }

    /// Tries of one piece, the last of which is right: `"aBc Abb bbb"`: whose blocks they were, a
    /// capital letter for a wrong one. Gives back who was named after each try, `.` for nobody.
    fn named(tries: &str) -> String {
        let mut blame = Blame::default();
        let mut banned: BTreeSet<IpAddr> = BTreeSet::new();
        let show = |guilty: &[SocketAddr]| match guilty {
            [] => ".".to_owned(),
            _ => guilty.iter().map(letter).collect(),
        };
        let mut out = Vec::new();
        for blocks in tries.split(' ') {
            let (provenance, digests) = (provenance(blocks), digests(blocks));
            let is_banned = |ip| banned.contains(&ip);
            let guilty: Vec<SocketAddr> = if blocks.contains(char::is_uppercase) {
                let only = blame.on_piece_failed(PIECE, &provenance, &digests, is_banned, NOW);
                only.into_iter().collect()
            } else {
                blame.on_piece_done(&provenance, NOW);
                blame.on_piece_examined(PIECE, &digests, NOW).into_iter().collect()
            };
            for sender in &guilty {
                banned.insert(sender.ip());
                blame.on_banned(sender.ip());
            }
            out.push(show(&guilty));
        }
        assert!(blame.cases.is_empty() && blame.age.is_empty(), "the case is closed");
        out.join(" ")
    }

    fn letter(addr: &SocketAddr) -> char {
        let IpAddr::V4(ip) = addr.ip() else { panic!("IPv4 only") };
        char::from(ip.octets()[3])
    }

    #[test]
    fn the_culprits_are_named_and_nobody_else() {
        for (tries, expected) in [
            ("aaa", "."),
            ("AAA bbb", "a ."),
            ("aBa aaa", ". b"),
            ("aBc ccc", ". b"),
            ("aBC aaa", ". bc"),
            // The second try is as bad: its sender is certain, the first one's stay in doubt.
            ("aBc Ddd aaa", ". d b"),
            ("aBc aDc aaa", ". . bd"),
            // An unreadable block proves nothing.
            ("aBc c?c", ". ."),
            // What is known already is not said again.
            ("BBB aBc aaa", "b . ."),
        ] {
            assert_eq!(named(tries), expected, "{tries}");
        }
    }

    #[test]
    fn those_who_shared_a_bad_piece_are_suspects_until_it_is_known_who_it_was() {
        let mut blame = Blame::default();
        let suspects = |blame: &Blame, now| {
            "abcd"
                .chars()
                .filter(|&name| blame.is_suspect(addr(name).ip(), now))
                .collect::<String>()
        };
        let shared = "aBc";
        blame.on_piece_failed(PIECE, &provenance(shared), &digests(shared), |_| false, NOW);
        assert_eq!(suspects(&blame, NOW), "abc");
        blame.on_piece_done(&provenance("cc"), NOW);
        assert_eq!(suspects(&blame, NOW), "ab", "a good piece of its own clears");
        assert_eq!(suspects(&blame, NOW.after(STANDING_LASTS)), "");
        let guilty = blame.on_piece_examined(PIECE, &digests("ddd"), NOW);
        assert_eq!(guilty.iter().map(letter).collect::<String>(), "b");
        assert_eq!(suspects(&blame, NOW), "b", "whom the caller bans");
    }

    #[test]
    fn where_the_disk_may_be_to_blame_it_takes_three_times() {
        let mut blame = Blame::default();
        let fails = |blame: &mut Blame| {
            blame.on_piece_failed(PIECE, &provenance("AAA"), &[], |_| false, NOW).is_some()
        };
        assert!(!fails(&mut blame) && blame.is_suspect(addr('a').ip(), NOW));
        blame.on_piece_done(&provenance("aaa"), NOW);
        assert!(!fails(&mut blame) && !fails(&mut blame), "a good one in between wipes it out");
        assert!(fails(&mut blame));
    }

    #[test]
    fn next_to_a_banned_one_nobody_is_suspected_but_the_blocks_are_kept() {
        let mut blame = Blame::default();
        let is_banned = |ip| ip == addr('b').ip();
        let shared = "aBC";
        blame.on_piece_failed(PIECE, &provenance(shared), &digests(shared), is_banned, NOW);
        assert!(!blame.is_suspect(addr('a').ip(), NOW));
        let guilty = blame.on_piece_examined(PIECE, &digests("aaa"), NOW);
        assert_eq!(guilty.iter().map(letter).collect::<String>(), "c");
    }

    #[test]
    fn newcomers_of_a_subnet_with_bans_are_suspects_until_a_good_piece() {
        let mut blame = Blame::default();
        blame.on_banned(addr('a').ip());
        assert!(!blame.is_suspect(addr('c').ip(), NOW));
        blame.on_banned(addr('b').ip());
        assert!(blame.is_suspect(addr('c').ip(), NOW));
        assert!(!blame.is_suspect([10, 0, 1, 9].into(), NOW));
        blame.on_piece_done(&provenance("ccc"), NOW);
        assert!(!blame.is_suspect(addr('c').ip(), NOW));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut blame = Blame::default();
        let shared = "aB".repeat(100);
        for piece in (0..200).map(PieceIndex) {
            blame.on_piece_failed(piece, &provenance(&shared), &digests(&shared), |_| false, NOW);
        }
        let total: usize = blame.cases.values().map(Vec::len).sum();
        assert!(total <= EVIDENCE_MAX && blame.cases.len() == blame.age.len(), "{total}");
        for n in 0..3 * u32::try_from(SUSPECTS_MAX).unwrap() {
            blame.set_standing(IpAddr::from(n.to_be_bytes()), true, NOW);
        }
        assert_eq!(blame.standings.len(), SUSPECTS_MAX);
    }
}
