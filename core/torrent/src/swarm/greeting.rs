//! The first words with a peer: handshakes.
//!
//! Source: BEP 3 (handshake), 20 (peer ids), 52 (a hybrid has two names: who dials by that of version 1
//! tells that it speaks version 2, and who answers may do so by the other name).

use std::net::SocketAddr;

use base::{ConnId, PeerId};
use wire::peer::{Extensions, Handshake, Message};

use super::{CloseReason, Swarm};
use crate::diary::Entry;
use crate::session::Session;

impl Swarm {
    /// What we say first, by the name of version 2 or not.
    pub(super) fn handshake(&self, v2: bool) -> Handshake {
        let names = &self.shape.info_hashes;
        let in_v2 = names.in_v2_swarm().filter(|_| v2);
        let upgrade = names.is_hybrid() && in_v2.is_none();
        let extensions =
            Extensions { fast: true, extended: true, dht: self.config.dht, v2: upgrade };
        Handshake::new(extensions, in_v2.unwrap_or(names.first()), self.config.peer_id)
    }

    /// Whether this address is dialled by the name of version 2.
    pub(super) fn dials_v2(&self, addr: SocketAddr) -> bool {
        let names = &self.shape.info_hashes;
        names.of_v1().is_none() || (names.is_hybrid() && self.peers.is_v2(addr))
    }

    /// Whether who dialled us gets to speak version 2.
    pub(super) fn answers_v2(&self, handshake: &Handshake) -> bool {
        let names = &self.shape.info_hashes;
        names.in_v2_swarm() == Some(handshake.info_hash)
            || (names.is_hybrid() && handshake.extensions().v2)
    }

    /// The other side's handshake: judge it, then introduce ourselves.
    pub(super) fn on_handshake(&mut self, conn: ConnId, handshake: &Handshake) {
        let names = &self.shape.info_hashes;
        let said_v2 = names.in_v2_swarm() == Some(handshake.info_hash);
        let session = self.sessions.get_mut(&conn).expect("the caller saw it alive");
        let named = said_v2 || (names.of_v1() == Some(handshake.info_hash));
        // Who was dialled by the name of version 2 must know it.
        if !named || (session.outgoing && session.v2 && !said_v2) {
            return self.close(conn, CloseReason::WrongTorrent);
        }
        session.v2 |= said_v2;
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
        let dht_port = self.config.listen_port.filter(|_| self.config.dht);
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        session.peer_id = Some(handshake.peer_id);
        session.fast = theirs.fast;
        session.extended = theirs.extended;
        if let Some(port) = dht_port.filter(|_| theirs.dht) {
            session.say(Message::Port(port));
        }
        let (addr, outgoing) = (session.addr, session.outgoing);
        self.note(|_| Some(Entry::Joined { addr, outgoing }));
        // A bitfield must come first (BEP 3), and until storage has looked there is none: who
        // comes earlier has our handshake and waits.
        self.touch(conn);
        if self.ready {
            self.introduce(conn);
        } else if self.is_seeking() {
            self.introduce_early(conn);
        }
    }

    fn twin(&self, conn: ConnId, peer_id: PeerId) -> Option<ConnId> {
        let same = |(other, session): (&ConnId, &Session)| {
            (*other != conn && session.peer_id == Some(peer_id)).then_some(*other)
        };
        self.sessions.iter().find_map(same)
    }
}
