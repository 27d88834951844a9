//! Pieces that are not there any more: ours, and those of peers.
//!
//! Source: BEP 54 (`lt_donthave`), BEP 6 (reject).

use base::{BlockId, ConnId, Instant, PieceIndex};
use wire::extended;
use wire::peer::Message;

use super::uploads::Run;
use super::{CloseReason, Swarm};

impl Swarm {
    /// Storage lost a piece that we had. It is wanted again, if anything is.
    pub fn on_piece_gone(&mut self, piece: PieceIndex, now: Instant) {
        let complete = self.is_complete();
        if !self.have.clear(piece) {
            return;
        }
        // Who super seeds has everything.
        self.stop_spreading();
        self.picker.on_piece_gone(piece);
        let wanted = self.picker.lacks(piece);
        self.peers.welcome_seeds(now);
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for conn in conns {
            let session = self.session(conn);
            session.useful += u32::from(wanted && session.have.has(piece));
            session.allows.retain(|&allowed| allowed != piece);
            if let Some(id) = session.dont_have_id {
                let payload = &extended::encode_dont_have(piece);
                session.say(Message::Extended { id, payload });
                self.touch(conn);
            }
            self.update_interest(conn);
            self.fill(conn, now);
        }
        if complete && wanted {
            self.say_hello_again();
        }
        self.dial_more(now);
    }

    /// What was asked for cannot be read: says so by name, or, to who would wait for ever, by
    /// hanging up.
    pub(super) fn refuse(&mut self, run: &Run) {
        let Some(session) = self.sessions.get_mut(&run.conn) else { return };
        if !session.fast {
            return self.close(run.conn, CloseReason::Unreadable);
        }
        for &block in &run.blocks {
            session.unsent_bytes -= u64::from(block.length_bytes);
            session.say(Message::Reject(block));
        }
        self.touch(run.conn);
        self.pump_uploads(run.conn);
    }

    /// A peer takes back a HAVE.
    pub(super) fn on_dont_have(&mut self, conn: ConnId, payload: &[u8]) {
        let piece = extended::decode_dont_have(payload);
        let Some(piece) = piece.filter(|piece| piece.0 < self.shape.sizes.count()) else {
            return self.close(conn, CloseReason::OutOfRange);
        };
        if !self.session(conn).have.clear(piece) || !self.ready {
            return;
        }
        self.picker.on_peer_lost(piece);
        if let Some(spread) = &mut self.spread
            && self.picker.availability(piece) == 0
        {
            spread.on_gone(piece);
            self.show_more();
        }
        let lacking = self.picker.lacks(piece);
        let session = self.session(conn);
        session.useful -= u32::from(lacking);
        let (gone, open): (Vec<BlockId>, Vec<BlockId>) =
            session.requests.drain(..).partition(|block| block.piece == piece);
        session.requests.extend(open);
        // What was on its way still comes.
        session.expect_late(&gone);
        if session.probe.is_some_and(|(probe, _)| probe.piece == piece) {
            session.probe = None;
        }
        gone.into_iter().for_each(|block| self.picker.give_back(block));
        self.update_interest(conn);
    }
}
