//! What follows from bad data: suspicion, proof, bans.
//!
//! Source: see [`crate::blame`], which judges; this carries out.

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use base::{ConnId, Instant, PieceIndex};
use keys::Digest32;

use super::{CloseReason, Output, Swarm};
use crate::picker::Asker;
use crate::session::Session;

/// How long one peer may keep a piece of so many blocks to itself. 16 KiB/s are enough.
fn patience(blocks: usize) -> Duration {
    Duration::from_secs(30 + blocks as u64)
}

/// What speaks against a peer, the worst first.
///
/// Found by `test/sim`, seeds 3 and 418 of its adversaries: eight peers that never answer took turns
/// at a piece that had failed, each as fresh as a daisy after it had connected again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Doubts {
    /// It does not deliver.
    snubbed: bool,
    /// It had part in a bad piece.
    suspect: bool,
    /// It never delivered anything.
    unproven: bool,
}

impl Swarm {
    /// Storage found a piece wrong; its blocks look like `digests`, in order. None at all: the disk
    /// may be to blame.
    pub fn on_piece_failed(
        &mut self,
        piece: PieceIndex,
        digests: &[Option<Digest32>],
        now: Instant,
    ) {
        let provenance = self.picker.on_piece_failed(piece);
        self.wasted_bytes += u64::from(self.picker.piece_bytes(piece));
        let is_banned = |ip| self.peers.is_banned(ip);
        let guilty = self.blame.on_piece_failed(piece, &provenance, digests, is_banned, now);
        if let Some(addr) = guilty {
            self.condemn(addr);
        } else if !digests.is_empty() {
            self.ask_for_leaves(piece, now);
        }
        self.fill_all(now);
    }

    /// A piece that had failed and was verified looks like `digests`.
    pub fn on_piece_examined(
        &mut self,
        piece: PieceIndex,
        digests: &[Option<Digest32>],
        now: Instant,
    ) {
        self.leaf_asks.remove(&piece);
        for addr in self.blame.on_piece_examined(piece, digests, now) {
            if !self.peers.is_banned(addr.ip()) {
                self.condemn(addr);
            }
        }
        self.fill_all(now);
    }

    /// Storage lost a piece before it was verified: wanted again, and nobody is to blame.
    pub fn on_piece_lost(&mut self, piece: PieceIndex, now: Instant) {
        self.picker.on_piece_lost(piece);
        self.fill_all(now);
    }

    /// It sent corrupt data for certain.
    fn condemn(&mut self, addr: SocketAddr) {
        self.drop_all_of(addr.ip(), CloseReason::Corrupt);
        self.outputs.push_back(Output::Banned(addr));
    }

    /// Somebody else found out that this address sends corrupt data.
    pub fn ban(&mut self, ip: IpAddr) {
        self.drop_all_of(ip, CloseReason::Banned);
    }

    /// Closes who has no manners, and does not take it back for a while.
    pub(super) fn shun(&mut self, conn: ConnId, reason: CloseReason, now: Instant) {
        if let Some(session) = self.sessions.get(&conn) {
            self.shunned.add(session.addr.ip(), now);
            self.close(conn, reason);
        }
    }

    /// Others find us at this address: whom to prefer follows from it (BEP 40).
    pub fn set_external(&mut self, ours: SocketAddr) {
        self.peers.set_ours(ours);
    }

    fn drop_all_of(&mut self, ip: IpAddr, reason: CloseReason) {
        if self.peers.ban(ip) {
            self.blame.on_banned(ip);
        }
        let ip = ip.to_canonical();
        let same = |session: &Session| session.addr.ip().to_canonical() == ip;
        let of_ip = self.sessions.iter().filter(|(_, session)| same(session));
        let conns: Vec<ConnId> = of_ip.map(|(&conn, _)| conn).collect();
        conns.into_iter().for_each(|conn| self.close(conn, reason));
    }

    /// How far `conn` is trusted. A suspect shares no piece, and what is in doubt is left to those
    /// who are better off, as long as one of them could take it.
    pub(super) fn asker(&self, conn: ConnId, session: &Session, now: Instant) -> Asker {
        let trusted = Asker { last: session.last_piece, ..Asker::trusted(conn, now) };
        if self.blame.is_quiet() {
            return trusted;
        }
        let doubts = self.doubts(session, now);
        if doubts == Doubts::default() {
            return trusted;
        }
        let better = |other: &&Session| {
            !other.peer_choking && !other.refused && self.doubts(other, now) < doubts
        };
        let others: Vec<&Session> = self.sessions.values().filter(better).collect();
        let left_to_others = |piece: &PieceIndex| others.iter().any(|other| other.have.has(*piece));
        let barred: BTreeSet<PieceIndex> = self.picker.delicate().filter(left_to_others).collect();
        Asker { alone: doubts.suspect, barred, ..trusted }
    }

    fn doubts(&self, session: &Session, now: Instant) -> Doubts {
        Doubts {
            snubbed: session.snubbed,
            suspect: self.blame.is_suspect(session.addr.ip(), now),
            unproven: session.down.total() == 0,
        }
    }

    /// Who owns a piece and is slow with it loses it: somebody else may be asked.
    pub(super) fn relieve_slow_owners(&mut self, now: Instant) {
        if self.blame.is_quiet() {
            return;
        }
        for conn in self.picker.slow_owners(now, patience) {
            self.give_up_on(conn, now);
        }
    }
}
