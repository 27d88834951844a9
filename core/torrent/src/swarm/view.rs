//! What somebody who looks at a torrent sees: its pieces as a map, its peers as a list.
//!
//! Made on request only, since it costs a walk over the pieces and the peers.

use std::net::SocketAddr;

use base::{Bitfield, PieceIndex};

use super::{Output, Swarm};
use crate::diary::Entry;

/// Most buckets of a map: the columns of a wide terminal, on a few lines.
pub const BUCKETS_MAX: usize = 1024;

/// Neighbouring pieces, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// How many they are; never zero.
    pub pieces: u32,
    /// Verified.
    pub have: u32,
    /// Begun: something of them was asked for or is here.
    pub begun: u32,
    /// Wanted, and neither we nor any connected peer has them.
    pub nowhere: u32,
}

/// A peer with whom handshakes were exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// Where it is.
    pub addr: SocketAddr,
    /// What its program calls itself (BEP 10), fit to be shown.
    pub client: Option<String>,
    /// We dialled it.
    pub outgoing: bool,
    /// Thousandths that it has at least, rounded down: what it told, or what we sent it if that
    /// is more. A peer need not tell a seed which pieces it got.
    pub have_per_mille: u32,
    /// Payload bytes per second that it sends.
    pub down_rate: u64,
    /// Payload bytes per second that it is sent.
    pub up_rate: u64,
    /// Payload bytes that it sent.
    pub downloaded_bytes: u64,
    /// Payload bytes that it was sent.
    pub uploaded_bytes: u64,
    /// Blocks asked of it that are still to come.
    pub requests: u32,
    /// We want something of it.
    pub am_interested: bool,
    /// We answer no requests of it.
    pub am_choking: bool,
    /// It wants something of ours.
    pub peer_interested: bool,
    /// It answers no requests of ours.
    pub peer_choking: bool,
    /// It owes us blocks and is silent.
    pub snubbed: bool,
    /// It is served on trust (the optimistic unchoke of BEP 3).
    pub optimistic: bool,
}

impl Swarm {
    /// Its peers, at most `connections_max`, in the order of their connections.
    pub fn peers_view(&self) -> Vec<PeerView> {
        let per_mille = |part: u64, whole: u64| {
            let share = u128::from(part) * 1000 / u128::from(whole.max(1));
            u32::try_from(share.min(1000)).expect("at most 1000")
        };
        let (pieces, bytes) = (u64::from(self.shape.sizes.count()), self.shape.sizes.total());
        let live = self.sessions.iter().filter(|(_, session)| session.peer_id.is_some());
        live.map(|(&conn, session)| PeerView {
            addr: session.addr,
            client: session.client.clone(),
            outgoing: session.outgoing,
            have_per_mille: per_mille(session.have.count().into(), pieces)
                .max(per_mille(session.up.total(), bytes)),
            down_rate: session.down.per_second(),
            up_rate: session.up.per_second(),
            downloaded_bytes: session.down.total(),
            uploaded_bytes: session.up.total(),
            requests: u32::try_from(session.requests.len()).expect("bounded by the pipeline"),
            am_interested: session.am_interested,
            am_choking: session.am_choking,
            peer_interested: session.peer_interested,
            peer_choking: session.peer_choking,
            snubbed: session.snubbed,
            optimistic: self.optimistic.contains(&conn) && !session.am_choking,
        })
        .collect()
    }

    /// All pieces in at most `buckets` buckets of nearly the same size, and never more than
    /// [`BUCKETS_MAX`] or one a piece. `have` is storage's word: it comes earlier than ours.
    pub fn piece_map(&self, have: &Bitfield, buckets: usize) -> Vec<Bucket> {
        let pieces = self.shape.sizes.count();
        let most = u32::try_from(buckets.min(BUCKETS_MAX)).expect("a small number");
        let count = most.min(pieces);
        let start = |bucket: u32| {
            let at = u64::from(pieces) * u64::from(bucket) / u64::from(count.max(1));
            u32::try_from(at).expect("at most the pieces")
        };
        let look = |bucket: u32| {
            let mut seen = Bucket::default();
            for piece in (start(bucket)..start(bucket + 1)).map(PieceIndex) {
                seen.pieces += 1;
                if have.has(piece) {
                    seen.have += 1;
                    continue;
                }
                seen.begun += u32::from(self.picker.is_begun(piece));
                let wanted = self.wanted.has(piece);
                seen.nowhere += u32::from(wanted && self.picker.availability(piece) == 0);
            }
            seen
        };
        (0..count).map(look).collect()
    }

    /// Writes into the diary, if there is one.
    pub(super) fn note(&mut self, entry: impl FnOnce(&Self) -> Option<Entry>) {
        if self.config.diary {
            let entry = entry(self);
            self.outputs.extend(entry.map(Output::Diary));
        }
    }

    /// For the diary: whom the choker serves now.
    pub(super) fn choice(&self) -> Entry {
        let serves = || self.sessions.iter().filter(|(_, session)| !session.am_choking);
        let trusts = serves().filter(|(conn, _)| self.optimistic.contains(conn));
        let interested = self.sessions.values().filter(|session| session.peer_interested);
        Entry::Rechoked {
            unchoked: serves().map(|(_, session)| session.addr).collect(),
            optimistic: trusts.map(|(_, session)| session.addr).collect(),
            interested: interested.count(),
        }
    }
}
