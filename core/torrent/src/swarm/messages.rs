//! What a peer says, and what follows from it.
//!
//! Source: BEP 3 ("peer messages"), BEP 6, BEP 10, BEP 21.

use base::{BLOCK_BYTES, Bitfield, BlockId, ConnId, Instant, PieceIndex};
use wire::extended::{self, ExtendedHandshake};
use wire::metadata::{METADATA, METADATA_ID};
use wire::peer::Message;
use wire::pex::{PEX, PEX_ID};

use super::{CloseReason, Swarm};
use crate::diary::Entry;
use crate::manners;
use crate::session::{ALLOWED_FAST_MAX, INVENTORIES_MAX, REQUESTS_QUEUED_MAX};

impl Swarm {
    pub(super) fn on_message(&mut self, conn: ConnId, message: Message<'_>, now: Instant) {
        if !self.session(conn).budget.spend(manners::cost(&message)) {
            return self.shun(conn, CloseReason::Flood, now);
        }
        if self.is_for_later(conn, &message) {
            return;
        }
        match message {
            Message::Choke => self.on_choke(conn),
            Message::Unchoke => {
                self.session(conn).peer_choking = false;
            }
            Message::Interested | Message::NotInterested => {
                self.session(conn).peer_interested = matches!(message, Message::Interested);
                self.on_interest_changed(conn);
            }
            Message::Have(piece) => self.on_have(conn, piece),
            Message::Bitfield(bytes) => match Bitfield::from_bytes(bytes, self.shape.sizes.count())
            {
                Some(bits) => self.set_have(conn, bits),
                None => self.close(conn, CloseReason::OutOfRange),
            },
            Message::HaveAll => self.on_inventory(conn, Bitfield::full(self.shape.sizes.count())),
            Message::HaveNone => self.on_inventory(conn, Bitfield::empty(self.shape.sizes.count())),
            Message::Request(block) => self.on_request(conn, block, now),
            Message::Cancel(block) => self.on_cancel(conn, block),
            Message::Reject(block) => self.on_reject(conn, block, now),
            Message::AllowedFast(piece) => {
                let session = self.session(conn);
                if piece.0 < session.have.len() && session.allowed.len() < ALLOWED_FAST_MAX {
                    session.allowed.push(piece);
                }
            }
            Message::Extended { id: extended::HANDSHAKE_ID, payload } => {
                self.on_hello(conn, payload, now);
            }
            Message::Extended { id: METADATA_ID, payload } => self.on_metadata(conn, payload, now),
            Message::Extended { id: PEX_ID, payload } => self.on_pex(conn, payload, now),
            Message::Extended { id: extended::DONT_HAVE_ID, payload } => {
                self.on_dont_have(conn, payload);
            }
            Message::HashRequest(request) => self.on_hash_request(conn, request, now),
            Message::Hashes { request, hashes } => self.on_hashes(conn, &request, hashes, now),
            Message::HashReject(request) => self.on_hash_reject(conn, &request, now),
            Message::Port(port) => self.on_port(conn, port),
            Message::KeepAlive
            | Message::Suggest(_)
            | Message::Unknown(_)
            | Message::Extended { .. } => {}
            // The receiver hands blocks over before they become messages.
            Message::Piece { .. } => unreachable!("blocks are no messages"),
        }
    }

    pub(super) fn session(&mut self, conn: ConnId) -> &mut crate::session::Session {
        self.sessions.get_mut(&conn).expect("the caller saw it alive")
    }

    /// Without BEP 6 a choke discards all requests; with it, each is rejected by name.
    fn on_choke(&mut self, conn: ConnId) {
        let session = self.session(conn);
        session.peer_choking = true;
        session.pipeline.on_choked();
        session.probe = None;
        self.picker.release(conn);
        let session = self.session(conn);
        if !session.fast {
            let given_up: Vec<BlockId> = session.requests.drain(..).collect();
            // What was on its way when the choke was sent still comes.
            session.expect_late(&given_up);
            given_up.into_iter().for_each(|block| self.picker.give_back(block));
        }
    }

    fn on_have(&mut self, conn: ConnId, piece: PieceIndex) {
        if piece.0 >= self.shape.sizes.count() {
            return self.close(conn, CloseReason::OutOfRange);
        }
        if self.session(conn).have.set(piece) && self.ready {
            self.picker.on_peer_has(piece);
            if let Some(spread) = &mut self.spread {
                spread.on_have(conn, piece, self.picker.availability(piece), self.ticks);
                self.show_more();
            }
            let lacking = self.picker.lacks(piece);
            let session = self.session(conn);
            session.useful += u32::from(lacking);
            self.update_interest(conn);
            self.close_if_useless(conn);
        }
    }

    /// BEP 6: said once, as the first message. Each costs us a look at every piece for one byte.
    fn on_inventory(&mut self, conn: ConnId, bits: Bitfield) {
        let session = self.session(conn);
        session.inventories += 1;
        if session.inventories > INVENTORIES_MAX {
            return self.close(conn, CloseReason::OutOfRange);
        }
        self.set_have(conn, bits);
    }

    /// Takes the pieces that a peer says it has in place of what it said before. aria2 sends a
    /// new bitfield in place of many HAVEs; only the differences cost us anything.
    fn set_have(&mut self, conn: ConnId, bits: Bitfield) {
        let session = self.sessions.get_mut(&conn).expect("the caller saw it alive");
        let before = core::mem::replace(&mut session.have, bits);
        if !self.ready {
            return;
        }
        for piece in before.differences(&session.have) {
            let lacking = u32::from(self.picker.lacks(piece));
            if session.have.has(piece) {
                session.useful += lacking;
                self.picker.on_peer_has(piece);
                if let Some(spread) = &mut self.spread {
                    spread.on_have(conn, piece, self.picker.availability(piece), self.ticks);
                }
            } else {
                self.picker.on_peer_lost(piece);
                session.useful -= lacking;
                if let Some(spread) = &mut self.spread
                    && self.picker.availability(piece) == 0
                {
                    spread.on_gone(piece);
                }
            }
        }
        self.show_more();
        self.update_interest(conn);
        self.close_if_useless(conn);
    }

    /// Tells the peer whether we want something, when that changed.
    pub(super) fn update_interest(&mut self, conn: ConnId) {
        let session = self.sessions.get_mut(&conn).expect("the caller saw it alive");
        let wants = session.useful > 0;
        if wants != session.am_interested && session.peer_id.is_some() && self.ready {
            session.am_interested = wants;
            session.say(if wants { Message::Interested } else { Message::NotInterested });
            self.touch(conn);
        }
    }

    /// Two that want nothing only cost each other a connection.
    pub(super) fn close_if_useless(&mut self, conn: ConnId) {
        let complete = self.is_complete();
        if let Some(session) = self.sessions.get(&conn)
            && complete
            && (session.have.is_full() || session.upload_only)
            && session.unsent_bytes == 0
        {
            // We are not the only seed.
            if session.have.is_full() && self.config.super_seed == super::SuperSeed::Auto {
                self.stop_spreading();
            }
            self.close(conn, CloseReason::NothingToGive);
        }
    }

    pub(super) fn close_other_seeds(&mut self) {
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.close_if_useless(conn));
    }

    fn on_request(&mut self, conn: ConnId, block: BlockId, now: Instant) {
        let in_range = block.piece.0 < self.shape.sizes.count()
            && block.length_bytes > 0
            && block
                .offset_bytes
                .checked_add(block.length_bytes)
                .is_some_and(|end| end <= self.shape.sizes.of(block.piece));
        if !in_range {
            return self.close(conn, CloseReason::OutOfRange);
        }
        let has = self.have.has(block.piece);
        let session = self.session(conn);
        // BEP 6: what a choked peer is allowed is a start, and no way around the choke.
        let free = session.allowance > 0 && session.allows.contains(&block.piece);
        let allowed = !session.am_choking || free;
        // Longer blocks than everybody's are allowed by BEP 3 and refused by everybody.
        let served = allowed
            && has
            && block.length_bytes <= BLOCK_BYTES
            && session.asked.len() < REQUESTS_QUEUED_MAX;
        if served {
            // Read from the disk when all that came in one go is known, so that runs are long.
            session.allowance -= u32::from(session.am_choking);
            session.asked.push_back(block);
            return;
        }
        if !session.budget.spend(manners::REJECTED_COST) {
            return self.shun(conn, CloseReason::Flood, now);
        }
        if session.fast {
            session.say(Message::Reject(block));
            self.touch(conn);
        }
    }

    fn on_cancel(&mut self, conn: ConnId, block: BlockId) {
        let session = self.session(conn);
        let before = session.asked.len();
        session.asked.retain(|&asked| asked != block);
        if session.asked.len() < before && session.fast {
            session.say(Message::Reject(block));
            self.touch(conn);
        }
    }

    fn on_reject(&mut self, conn: ConnId, block: BlockId, now: Instant) {
        let session = self.session(conn);
        if session.probe.is_some_and(|(probe, _)| probe == block) {
            session.probe = None;
        }
        if session.requests.contains(&block) {
            session.forget_request(block);
            session.refused = !session.peer_choking;
            session.refusals += u32::from(session.refused);
            // A peer that refuses in the middle of a transfer would be asked again at once.
            session.allowed.retain(|&piece| piece != block.piece);
            self.picker.give_back(block);
            self.session(conn).block_at = now;
        } else {
            session.late.retain(|&late| late != block);
        }
    }

    fn on_hello(&mut self, conn: ConnId, payload: &[u8], now: Instant) {
        // A hello we can't read is no reason to hang up: the peer still speaks BEP 3.
        let Ok(hello) = ExtendedHandshake::decode(payload) else { return };
        let session = self.session(conn);
        if let Some(reqq) = hello.reqq {
            session.pipeline.on_reqq(reqq);
        }
        // It may come again when something changed (BEP 10), without what did not.
        if hello.m.iter().any(|(name, _)| name == extended::DONT_HAVE) {
            session.dont_have_id = hello.id_of(extended::DONT_HAVE);
        }
        if hello.m.iter().any(|(name, _)| name == METADATA) {
            session.metadata_id = hello.id_of(METADATA);
        }
        if hello.m.iter().any(|(name, _)| name == PEX) {
            session.pex_id = hello.id_of(PEX);
        }
        session.listen_port = hello.port.or(session.listen_port);
        session.client = hello.version.or(session.client.take());
        session.upload_only = hello.upload_only;
        if let (Some(ip), Some(port)) = (hello.your_ip, self.config.listen_port) {
            let from = self.session(conn).addr.ip();
            self.peers.on_our_ip(from, ip, port);
        }
        self.note(|swarm| {
            let session = &swarm.sessions[&conn];
            let client = session.client.clone()?;
            Some(Entry::Named { addr: session.addr, client })
        });
        self.on_metadata_size(conn, hello.metadata_size, now);
        self.close_if_useless(conn);
    }
}
