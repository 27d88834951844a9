//! The first words with a peer: handshakes.
//!
//! Source: BEP 3 (handshake), 20 (peer ids).

use base::{ConnId, PeerId};
use wire::peer::{Extensions, Handshake};

use super::{CloseReason, Swarm};
use crate::diary::Entry;
use crate::session::Session;

impl Swarm {
    /// What we say first.
    pub(super) fn handshake(&self) -> Handshake {
        let extensions = Extensions { fast: true, extended: true, dht: false, v2: false };
        Handshake::new(extensions, self.shape.info_hashes.first(), self.config.peer_id)
    }

    /// The other side's handshake: judge it, then introduce ourselves.
    pub(super) fn on_handshake(&mut self, conn: ConnId, handshake: &Handshake) {
        if handshake.info_hash != self.shape.info_hashes.first() {
            return self.close(conn, CloseReason::WrongTorrent);
        }
        if handshake.peer_id == self.config.peer_id {
            let addr = self.sessions[&conn].addr;
            self.close(conn, CloseReason::Ourselves);
            return self.peers.forget(addr);
        }
        if let Some(twin) = self.twin(conn, handshake.peer_id) {
            // Both sides keep the connection that the higher name dialled, so that two which
            // dial each other at once don't hang up on each other.
            let ours_wins = self.config.peer_id > handshake.peer_id;
            let keep_new = self.sessions[&conn].outgoing != self.sessions[&twin].outgoing
                && self.sessions[&conn].outgoing == ours_wins;
            self.close(if keep_new { twin } else { conn }, CloseReason::Twice);
            if !keep_new {
                return;
            }
        }
        let theirs = handshake.extensions();
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        session.peer_id = Some(handshake.peer_id);
        session.fast = theirs.fast;
        session.extended = theirs.extended;
        let (addr, outgoing) = (session.addr, session.outgoing);
        self.note(|_| Some(Entry::Joined { addr, outgoing }));
        // A bitfield must come first (BEP 3), and until storage has looked there is none: who
        // comes earlier has our handshake and waits.
        self.touch(conn);
        if self.ready {
            self.introduce(conn);
        }
    }

    fn twin(&self, conn: ConnId, peer_id: PeerId) -> Option<ConnId> {
        let same = |(other, session): (&ConnId, &Session)| {
            (*other != conn && session.peer_id == Some(peer_id)).then_some(*other)
        };
        self.sessions.iter().find_map(same)
    }
}
