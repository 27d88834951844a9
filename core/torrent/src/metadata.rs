//! The `info` dictionary of a torrent of which only the name is known, from several peers at once.
//!
//! Source: BEP 9; our own design for what it leaves open. Peers say how long `info` is, and some lie. All
//! that say the same length work together on one *draft*; drafts of different lengths do not disturb each other.
//! A draft that does not have the torrent's name when it is whole has a liar among its senders. If it
//! had one sender, that is him; otherwise the next draft of this length is fetched from one peer alone,
//! until one is right: each try costs one liar.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use base::{ConnId, InfoHashes, Instant};
use wire::metadata::{INFO_BYTES_MAX, PIECE_BYTES, piece_count, piece_range};

/// Lengths tried at the same time. One of which nothing comes makes room for another.
const DRAFTS_MAX: usize = 4;

/// Pieces asked of a peer at once: a round trip of 200 ms then allows 320 KiB a second of each.
const OPEN_MAX: usize = 4;

/// Peers asked for the same piece when nothing else is left to ask for: most torrents have one piece or two, and
/// the first peer may be the slow one.
const COPIES_MAX: usize = 3;

/// A piece that has not come after this is asked of others.
const ANSWER_MAX: Duration = Duration::from_secs(8);

/// Who has rejected a request is asked again after this: it may have been without `info` itself.
const REJECTED_FOR: Duration = Duration::from_secs(15);

/// What came of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody asked for it, or not any more.
    Unasked,
    /// Nothing yet.
    More,
    /// The whole was wrong, and had several senders: it is asked for anew.
    Again,
    /// The whole, with the right name.
    Done(Vec<u8>),
    /// The whole was wrong, and this peer alone had sent it.
    Liar(ConnId),
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Drafts {
    names: InfoHashes,
    drafts: BTreeMap<u32, Draft>,
}

#[derive(Debug)]
struct Draft {
    total_bytes: u32,
    pieces: Vec<Option<(ConnId, Vec<u8>)>>,
    /// Of whom which piece was asked, and when.
    open: BTreeMap<(ConnId, u32), Instant>,
    peers: BTreeMap<ConnId, Offer>,
    /// A draft of this length was wrong: only this one peer sends, if one has been chosen.
    alone: Option<Option<ConnId>>,
}

#[derive(Debug, Default)]
struct Offer {
    /// It has rejected a request.
    not_before: Option<Instant>,
}

impl Drafts {
    /// Nothing yet of the torrent with these names; all of them must be right.
    pub fn new(names: InfoHashes) -> Self {
        Self { names, drafts: BTreeMap::new() }
    }

    /// A peer says that `info` has this length. False if that can't be, or too many lengths were said.
    pub fn on_offer(&mut self, conn: ConnId, total_bytes: u32, now: Instant) -> bool {
        if total_bytes == 0 || total_bytes > INFO_BYTES_MAX {
            return false;
        }
        if self.drafts.get(&total_bytes).is_some_and(|draft| draft.peers.contains_key(&conn)) {
            return true;
        }
        self.on_gone(conn);
        if !self.drafts.contains_key(&total_bytes) && self.drafts.len() >= DRAFTS_MAX {
            let idle =
                self.drafts.iter().find(|(_, draft)| draft.is_idle(now)).map(|(&size, _)| size);
            let Some(idle) = idle else { return false };
            self.drafts.remove(&idle);
        }
        let draft = self.drafts.entry(total_bytes).or_insert_with(|| Draft::new(total_bytes));
        draft.peers.insert(conn, Offer::default());
        true
    }

    /// Pieces to ask of a peer now.
    pub fn ask(&mut self, conn: ConnId, now: Instant) -> Vec<u32> {
        let draft = self.drafts.values_mut().find(|draft| draft.peers.contains_key(&conn));
        draft.map(|draft| draft.ask(conn, now)).unwrap_or_default()
    }

    /// Peers that may be asked for something, for when the answers of others don't come.
    pub fn peers(&self) -> Vec<ConnId> {
        self.drafts.values().flat_map(|draft| draft.peers.keys().copied()).collect()
    }

    /// A piece came.
    pub fn on_data(&mut self, conn: ConnId, piece: u32, bytes: &[u8]) -> Step {
        let Some(draft) = self.drafts.values_mut().find(|draft| draft.peers.contains_key(&conn))
        else {
            return Step::Unasked;
        };
        if draft.open.remove(&(conn, piece)).is_none() {
            return Step::Unasked;
        }
        let length = piece_range(piece, draft.total_bytes as usize).map(|range| range.len());
        if length != Some(bytes.len()) {
            return Step::Liar(conn);
        }
        let place = &mut draft.pieces[piece as usize];
        if place.is_none() {
            *place = Some((conn, bytes.to_vec()));
        }
        match draft.whole() {
            None => Step::More,
            Some(info) if is_named(&info, &self.names) => Step::Done(info),
            Some(_) => draft.start_again(),
        }
    }

    /// A peer rejected a request. False if it had not been asked.
    pub fn on_reject(&mut self, conn: ConnId, piece: u32, now: Instant) -> bool {
        let mut asked = false;
        for draft in self.drafts.values_mut() {
            if draft.open.remove(&(conn, piece)).is_some()
                && let Some(offer) = draft.peers.get_mut(&conn)
            {
                offer.not_before = Some(now.after(REJECTED_FOR));
                asked = true;
                if draft.alone == Some(Some(conn)) {
                    draft.alone = Some(None);
                    draft.clear();
                }
            }
        }
        asked
    }

    /// A peer is gone.
    pub fn on_gone(&mut self, conn: ConnId) {
        for draft in self.drafts.values_mut() {
            draft.peers.remove(&conn);
            draft.open.retain(|&(other, _), _| other != conn);
            if draft.alone == Some(Some(conn)) {
                draft.alone = Some(None);
                draft.clear();
            }
        }
        self.drafts.retain(|_, draft| !draft.peers.is_empty());
    }

    /// Once a second: who does not answer is not waited for.
    pub fn tick(&mut self, now: Instant) {
        for draft in self.drafts.values_mut() {
            let late = |at: &Instant| now.saturating_since(*at) > ANSWER_MAX;
            let silent: BTreeSet<ConnId> =
                draft.open.iter().filter(|(_, at)| late(at)).map(|(&(conn, _), _)| conn).collect();
            draft.open.retain(|(conn, _), _| !silent.contains(conn));
            for conn in silent {
                if let Some(offer) = draft.peers.get_mut(&conn) {
                    offer.not_before = Some(now.after(REJECTED_FOR));
                }
                if draft.alone == Some(Some(conn)) {
                    draft.alone = Some(None);
                    draft.clear();
                }
            }
        }
    }
}

impl Draft {
    fn new(total_bytes: u32) -> Self {
        let pieces = vec![None; piece_count(total_bytes) as usize];
        Self { total_bytes, pieces, open: BTreeMap::new(), peers: BTreeMap::new(), alone: None }
    }

    /// Nobody sends anything of it.
    fn is_idle(&self, now: Instant) -> bool {
        self.peers.values().all(|offer| offer.not_before.is_some_and(|at| at > now))
    }

    fn clear(&mut self) {
        self.pieces.fill(None);
        self.open.clear();
    }

    fn ask(&mut self, conn: ConnId, now: Instant) -> Vec<u32> {
        let offer = self.peers.get(&conn).and_then(|offer| offer.not_before);
        if offer.is_some_and(|at| at > now) {
            return Vec::new();
        }
        match &mut self.alone {
            Some(sender @ None) => *sender = Some(conn),
            Some(Some(sender)) if *sender != conn => return Vec::new(),
            Some(Some(_)) | None => {}
        }
        let open = self.open.keys().filter(|(other, _)| *other == conn).count();
        if open >= OPEN_MAX {
            return Vec::new();
        }
        let mut copies: BTreeMap<u32, usize> = BTreeMap::new();
        self.open.keys().for_each(|&(_, piece)| *copies.entry(piece).or_default() += 1);
        let lacking = (0..).zip(&self.pieces).filter(|(_, place)| place.is_none());
        let could = lacking.map(|(piece, _)| piece).filter(|&piece| {
            copies.get(&piece).is_none_or(|&count| count < COPIES_MAX)
                && !self.open.contains_key(&(conn, piece))
        });
        let mut could: Vec<u32> = could.collect();
        // What nobody was asked for comes first.
        could.sort_by_key(|piece| copies.get(piece).copied().unwrap_or(0));
        could.truncate(OPEN_MAX - open);
        self.open.extend(could.iter().map(|&piece| ((conn, piece), now)));
        could
    }

    fn whole(&self) -> Option<Vec<u8>> {
        if self.pieces.iter().any(Option::is_none) {
            return None;
        }
        let mut info = Vec::with_capacity(self.pieces.len() * PIECE_BYTES);
        self.pieces.iter().flatten().for_each(|(_, bytes)| info.extend_from_slice(bytes));
        Some(info)
    }

    /// It was wrong.
    fn start_again(&mut self) -> Step {
        let senders: BTreeSet<ConnId> =
            self.pieces.iter().flatten().map(|&(conn, _)| conn).collect();
        self.clear();
        self.alone = Some(None);
        match senders.first() {
            Some(&liar) if senders.len() == 1 => Step::Liar(liar),
            Some(_) | None => Step::Again,
        }
    }
}

/// Whether `info` has all of these names.
fn is_named(info: &[u8], names: &InfoHashes) -> bool {
    names.of_v1().is_none_or(|name| keys::sha1(info) == name.0)
        && names.of_v2().is_none_or(|name| keys::sha256(info) == name.0)
}

#[cfg(test)]
mod tests {
    use base::{InfoHash, InfoHashV2};

    use super::*;

    const NOW: Instant = Instant::START;

    fn info(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect()
    }

    fn conn(n: u64) -> ConnId {
        ConnId(n)
    }

    fn drafts(info: &[u8]) -> Drafts {
        Drafts::new(InfoHashes::v1(InfoHash(keys::sha1(info))))
    }

    fn piece(info: &[u8], piece: u32) -> &[u8] {
        &info[piece_range(piece, info.len()).unwrap()]
    }

    #[test]
    fn several_peers_send_different_pieces() {
        let info = info(5 * PIECE_BYTES + 7);
        let mut drafts = drafts(&info);
        let size = u32::try_from(info.len()).unwrap();
        assert!(drafts.on_offer(conn(1), size, NOW) && drafts.on_offer(conn(2), size, NOW));
        assert_eq!(drafts.ask(conn(1), NOW), [0, 1, 2, 3]);
        assert_eq!(drafts.ask(conn(2), NOW), [4, 5, 0, 1], "the rest first, then copies");
        for (from, number) in [(1, 0), (2, 4), (1, 2), (2, 1), (1, 3)] {
            assert_eq!(drafts.on_data(conn(from), number, piece(&info, number)), Step::More);
        }
        assert_eq!(drafts.on_data(conn(2), 5, piece(&info, 5)), Step::Done(info.clone()));
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let mut drafts = drafts(b"x");
        for (bytes, taken) in [(0, false), (1, true), (INFO_BYTES_MAX, true)] {
            assert_eq!(drafts.on_offer(conn(u64::from(bytes)), bytes, NOW), taken, "{bytes}");
        }
        assert!(!drafts.on_offer(conn(9), INFO_BYTES_MAX + 1, NOW));
        assert!(drafts.on_offer(conn(2), 2, NOW) && drafts.on_offer(conn(3), 3, NOW));
        assert!(!drafts.on_offer(conn(4), 4, NOW), "a fifth length");
        drafts.on_gone(conn(3));
        assert!(drafts.on_offer(conn(4), 4, NOW), "nobody says the third any more");
    }

    #[test]
    fn a_length_of_which_nothing_comes_makes_room() {
        let mut drafts = drafts(&info(10));
        for n in 1..=4 {
            let bytes = 20 + u32::try_from(n).unwrap();
            assert!(drafts.on_offer(conn(n), bytes, NOW));
            assert_eq!(drafts.ask(conn(n), NOW).len(), 1);
        }
        assert!(!drafts.on_offer(conn(5), 10, NOW), "the others have been asked");
        let later = NOW.after(ANSWER_MAX + Duration::from_secs(1));
        drafts.tick(later);
        assert!(drafts.on_offer(conn(5), 10, later));
        drafts.ask(conn(5), later);
        assert_eq!(drafts.on_data(conn(5), 0, &info(10)), Step::Done(info(10)));
    }

    #[test]
    fn who_lies_about_the_length_is_in_nobodys_way() {
        let info = info(100);
        let mut drafts = drafts(&info);
        assert!(drafts.on_offer(conn(1), 99, NOW) && drafts.on_offer(conn(2), 100, NOW));
        assert_eq!((drafts.ask(conn(1), NOW), drafts.ask(conn(2), NOW)), (vec![0], vec![0]));
        assert_eq!(drafts.on_data(conn(1), 0, &info[..99]), Step::Liar(conn(1)));
        assert_eq!(drafts.on_data(conn(2), 0, &info), Step::Done(info.clone()));
    }

    #[test]
    fn a_liar_among_several_is_found_by_asking_one_at_a_time() {
        let info = info(2 * PIECE_BYTES);
        let bad = vec![0; PIECE_BYTES];
        let mut drafts = drafts(&info);
        let size = u32::try_from(info.len()).unwrap();
        assert!(drafts.on_offer(conn(1), size, NOW) && drafts.on_offer(conn(2), size, NOW));
        drafts.ask(conn(1), NOW);
        drafts.ask(conn(2), NOW);
        assert_eq!(drafts.on_data(conn(1), 0, &bad), Step::More);
        assert_eq!(drafts.on_data(conn(2), 1, piece(&info, 1)), Step::Again, "two senders");
        assert_eq!(drafts.ask(conn(1), NOW), [0, 1]);
        assert_eq!(drafts.ask(conn(2), NOW), [0; 0], "one alone");
        assert_eq!(drafts.on_data(conn(1), 0, &bad), Step::More);
        assert_eq!(drafts.on_data(conn(1), 1, piece(&info, 1)), Step::Liar(conn(1)));
        drafts.on_gone(conn(1));
        assert_eq!(drafts.ask(conn(2), NOW), [0, 1]);
        assert_eq!(drafts.on_data(conn(2), 0, piece(&info, 0)), Step::More);
        assert_eq!(drafts.on_data(conn(2), 1, piece(&info, 1)), Step::Done(info.clone()));
    }

    #[test]
    fn who_is_silent_or_rejects_is_asked_later_and_others_now() {
        let info = info(10);
        let mut drafts = drafts(&info);
        assert!((1..=5).all(|n| drafts.on_offer(conn(n), 10, NOW)));
        for n in 1..=3 {
            assert_eq!(drafts.ask(conn(n), NOW), [0]);
        }
        assert_eq!(drafts.ask(conn(4), NOW), [0; 0], "enough copies");
        assert!(drafts.on_reject(conn(3), 0, NOW));
        assert!(!drafts.on_reject(conn(3), 0, NOW));
        assert_eq!(drafts.ask(conn(3), NOW), [0; 0]);
        assert_eq!(drafts.ask(conn(4), NOW), [0]);
        let later = NOW.after(ANSWER_MAX + Duration::from_secs(1));
        drafts.tick(later);
        assert_eq!(drafts.ask(conn(1), later), [0; 0]);
        assert_eq!(drafts.ask(conn(5), later), [0]);
        assert_eq!(drafts.on_data(conn(1), 0, &info), Step::Unasked, "too late");
        assert_eq!(drafts.ask(conn(3), NOW.after(REJECTED_FOR)), [0]);
    }

    #[test]
    fn what_nobody_asked_for_is_not_taken() {
        let info = info(10);
        let mut drafts = drafts(&info);
        assert_eq!(drafts.on_data(conn(1), 0, &info), Step::Unasked);
        assert!(drafts.on_offer(conn(1), 10, NOW));
        assert_eq!(drafts.on_data(conn(1), 0, &info), Step::Unasked);
        assert_eq!(drafts.on_data(conn(1), u32::MAX, &info), Step::Unasked);
    }

    #[test]
    fn both_names_must_be_right() {
        let info = info(10);
        let (v1, v2) = (InfoHash(keys::sha1(&info)), InfoHashV2(keys::sha256(&info)));
        assert!(is_named(&info, &InfoHashes::v2(v2)));
        assert!(is_named(&info, &InfoHashes::hybrid(v1, v2)));
        assert!(!is_named(&info, &InfoHashes::hybrid(InfoHash([0; 20]), v2)));
        assert!(!is_named(&info, &InfoHashes::hybrid(v1, InfoHashV2([0; 32]))));
    }
}
