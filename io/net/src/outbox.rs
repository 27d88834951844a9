//! Letters of a shard that wait until the hub's queue has room.
//!
//! Invariant: of each kind there is at most one letter per torrent, and one per lease. A newer one
//! takes the place of an older one that still waits: news are told early rather than late, and a
//! hub that is behind is not told what is no longer true.
//!
//! So the bound is eleven letters for each torrent of the shard, one for each address that it
//! banned and for each connection that has a node of the DHT, and four. Entries of a diary are all different: [`DIARY_MAX`] wait, more are lost.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use base::TorrentId;
use node::limit::{Class, Direction};
use node::message::{PeerNews, ToHub};

/// Entries of diaries that wait: what a burst of peers that come and go makes in a second.
const DIARY_MAX: usize = 512;

/// See the [module documentation](self).
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    letters: VecDeque<ToHub>,
    /// Letters that were ever taken out: the number of the first one waiting.
    gone: u64,
    /// Numbers of the letters waiting.
    places: BTreeMap<Key, u64>,
    /// Entries of diaries among them.
    diary: usize,
}

/// What a letter is about.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Torrent(TorrentId, Kind),
    Lease(Direction, Class),
    Banned(TorrentId, IpAddr),
    DhtNode(SocketAddr),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Status,
    WantPeers,
    Metadata,
    Settled,
    Failed,
    Trouble,
    Removed,
    PeerLeft,
    Doubted,
    Lost,
    View,
}

/// `None`: nothing takes its place.
fn key(letter: &ToHub) -> Option<Key> {
    Some(match *letter {
        ToHub::Status(torrent, _) => Key::Torrent(torrent, Kind::Status),
        ToHub::WantPeers(torrent) => Key::Torrent(torrent, Kind::WantPeers),
        ToHub::Metadata(torrent, _) => Key::Torrent(torrent, Kind::Metadata),
        ToHub::DhtNode(addr) => Key::DhtNode(addr),
        ToHub::Settled(torrent) => Key::Torrent(torrent, Kind::Settled),
        ToHub::Failed(torrent, _) => Key::Torrent(torrent, Kind::Failed),
        ToHub::Trouble(torrent, _) => Key::Torrent(torrent, Kind::Trouble),
        ToHub::Removed(torrent) => Key::Torrent(torrent, Kind::Removed),
        ToHub::Doubted(torrent, ..) => Key::Torrent(torrent, Kind::Doubted),
        ToHub::Lost(torrent, _) => Key::Torrent(torrent, Kind::Lost),
        ToHub::LeaseWanted { direction, class, .. } => Key::Lease(direction, class),
        ToHub::Peer(torrent, _, PeerNews::Left(_)) => Key::Torrent(torrent, Kind::PeerLeft),
        ToHub::Peer(torrent, addr, PeerNews::Banned) => Key::Banned(torrent, addr.ip()),
        ToHub::View(torrent, _) => Key::Torrent(torrent, Kind::View),
        ToHub::Diary(..) => return None,
    })
}

impl Outbox {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// Adds a letter, or replaces the one that says the same of an earlier time.
    pub(crate) fn push(&mut self, letter: ToHub) {
        let next = self.gone + self.letters.len() as u64;
        let Some(key) = key(&letter) else {
            if self.diary < DIARY_MAX {
                self.diary += 1;
                self.letters.push_back(letter);
            }
            return;
        };
        let place = *self.places.entry(key).or_insert(next);
        match self.letters.get_mut(usize::try_from(place - self.gone).unwrap_or(usize::MAX)) {
            Some(older) => match (older, letter) {
                (ToHub::Lost(_, before), ToHub::Lost(_, more)) => *before += more,
                (older, letter) => *older = letter,
            },
            None => self.letters.push_back(letter),
        }
    }

    /// Gives letters to `send` in order, until it gives one back.
    pub(crate) fn send(&mut self, mut send: impl FnMut(ToHub) -> Result<(), ToHub>) {
        while let Some(letter) = self.letters.pop_front() {
            let key = key(&letter);
            if let Err(letter) = send(letter) {
                return self.letters.push_front(letter);
            }
            match key {
                Some(key) => drop(self.places.remove(&key)),
                None => self.diary -= 1,
            }
            self.gone += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use node::message::{DiaryEntry, TorrentStatus};

    use super::*;

    /// `s` is a status, `S` settled, `R` removed, `d` an entry of a diary, `l` wants a lease, with the torrent's number;
    /// a status shows which one it is.
    fn letter(word: &str, number: u32) -> ToHub {
        let (kind, torrent) = word.split_at(1);
        let torrent = TorrentId(torrent.parse().unwrap());
        match kind {
            "s" => {
                let pieces_have = number;
                ToHub::Status(
                    torrent,
                    Box::new(TorrentStatus { pieces_have, ..Default::default() }),
                )
            }
            "S" => ToHub::Settled(torrent),
            "R" => ToHub::Removed(torrent),
            "d" => {
                let addr = SocketAddr::from(([192, 0, 2, 1], 1));
                ToHub::Diary(torrent, DiaryEntry::Unreachable(addr))
            }
            _ => {
                let (direction, class) = (Direction::Up, Class::Internet);
                ToHub::LeaseWanted { direction, class, torrents: number }
            }
        }
    }

    fn word(letter: &ToHub) -> String {
        match letter {
            ToHub::Status(torrent, status) => format!("s{}#{}", torrent.0, status.pieces_have),
            ToHub::Metadata(torrent, _) => format!("m{}", torrent.0),
            ToHub::DhtNode(addr) => format!("n{addr}"),
            ToHub::Settled(torrent) => format!("S{}", torrent.0),
            ToHub::Removed(torrent) => format!("R{}", torrent.0),
            ToHub::LeaseWanted { torrents, .. } => format!("l#{torrents}"),
            ToHub::Diary(..) => "d".into(),
            ToHub::WantPeers(_)
            | ToHub::Failed(..)
            | ToHub::Trouble(..)
            | ToHub::Peer(..)
            | ToHub::Doubted(..)
            | ToHub::Lost(..)
            | ToHub::View(..) => "?".into(),
        }
    }

    #[test]
    fn a_newer_letter_takes_the_place_of_an_older_one_of_its_kind() {
        // At each bar there is room for so many letters.
        for (room, written, expected) in [
            (9, "s0 s1 S0", "s0#1 s1#2 S0"),
            (0, "s0 s1 s0 S0 s0 s1 l0 l0", "s0#5 s1#6 S0 l#8"),
            (1, "s0 s0 s1 s1 R0 s1", "s0#2 s1#6 R0"),
            (0, "d0 s0 d0 s0", "d s0#4 d"),
            (1, "d0 s0 | s0", "d s0#3"),
            (2, "s0 S0 | s0 s1 s0 | s1", "s0#1 S0 s0#5 s1#4 s1#6"),
        ] {
            let (mut outbox, mut read) = (Outbox::default(), Vec::new());
            let mut number = 0;
            for part in written.split('|') {
                for word in part.split_whitespace() {
                    number += 1;
                    outbox.push(letter(word, number));
                }
                let mut left = room;
                outbox.send(|letter| {
                    if left == 0 {
                        return Err(letter);
                    }
                    left -= 1;
                    read.push(word(&letter));
                    Ok(())
                });
            }
            outbox.send(|letter| {
                read.push(word(&letter));
                Ok(())
            });
            assert!(outbox.is_empty() && outbox.places.is_empty());
            assert_eq!(read.join(" "), expected, "{written}");
        }
    }

    #[test]
    fn a_hub_that_never_reads_costs_a_bounded_number_of_letters() {
        let mut outbox = Outbox::default();
        for number in 0..10_000 {
            for torrent in 0..10 {
                outbox.push(letter(&format!("s{torrent}"), number));
                outbox.push(letter("l0", number));
                outbox.push(letter("d0", number));
            }
            outbox.send(Err);
        }
        assert_eq!(outbox.letters.len(), 11 + DIARY_MAX);
    }
}
