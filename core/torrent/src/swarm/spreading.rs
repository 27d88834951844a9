//! Super seeding in a swarm: what a peer is told of what we have.
//!
//! Source: BEP 16. See [`crate::spread`] for which piece is shown to whom.

use std::collections::BTreeSet;

use base::{Bitfield, ConnId, PieceIndex};
use wire::peer::Message;

use super::{SuperSeed, Swarm};
use crate::session::Session;
use crate::spread::Spread;

/// What a peer has to fetch at once, beyond a second of its rate.
const PENDING_BYTES: u64 = 1 << 20;

/// Who wants nothing of what it was shown for so many ticks never will.
const UNWANTED_TICKS: u64 = 10;

/// Most HAVEs to one peer a second when a swarm is told all that was held back: 36 KiB.
const HAVES_PER_TICK: usize = 4096;

impl Swarm {
    /// Begins, if we have everything and may.
    pub(super) fn start_spreading(&mut self) {
        if self.have.is_full() && self.config.super_seed != SuperSeed::Never {
            self.spread = Some(Spread::new(self.shape.sizes.count(), &mut self.rng));
        }
    }

    /// Whether a newcomer is shown piece after piece instead of everything. The first one is told
    /// the truth: alone it has nobody to pass anything on to.
    pub(super) fn is_shown_little(&self) -> bool {
        let known = || self.sessions.values().filter(|session| session.peer_id.is_some()).count();
        self.spread.is_some() && (self.config.super_seed == SuperSeed::Always || known() > 1)
    }

    /// A newcomer counts, whatever it was told.
    pub(super) fn spread_to(&mut self, conn: ConnId, all: bool) {
        if let Some(spread) = &mut self.spread {
            spread.add(conn, all);
        }
    }

    /// Tells a newcomer nothing yet.
    pub(super) fn show_little(&mut self, conn: ConnId) {
        let pieces = self.shape.sizes.count();
        let session = self.session(conn);
        session.shown = Some(Bitfield::empty(pieces));
        if session.fast {
            session.say(Message::HaveNone);
        }
    }

    /// Peers have more than before: shows each what it should fetch next, or all of them
    /// everything, if every piece is somewhere else by now.
    pub(super) fn show_more(&mut self) {
        let Some(spread) = &mut self.spread else { return };
        let picker = &self.picker;
        let holders = |piece| picker.availability(piece);
        if self.config.super_seed == SuperSeed::Auto && spread.is_done(holders) {
            return self.stop_spreading();
        }
        let (mut told, now) = (Vec::new(), self.ticks);
        let is_served = |session: &Session| session.peer_interested && !session.am_choking;
        let served: BTreeSet<ConnId> = self
            .sessions
            .iter()
            .filter(|(_, session)| is_served(session))
            .map(|(&conn, _)| conn)
            .collect();
        for conn in spread.order() {
            if spread.keeps_to_itself(conn, |other| served.contains(&other)) {
                continue;
            }
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            let bytes = PENDING_BYTES + session.up.per_second();
            let pieces = usize::try_from(bytes / u64::from(self.shape.sizes.usual())).unwrap_or(1);
            // One piece is enough to wake the interest of a peer that gets none of it yet.
            let pending_max = if session.am_choking { 1 } else { pieces.max(2) };
            while let Some(piece) =
                spread.next_piece(conn, &session.have, pending_max, holders, now)
            {
                if session.shown.as_mut().is_some_and(|shown| shown.set(piece)) {
                    session.say(Message::Have(piece));
                }
                told.push(conn);
            }
        }
        told.into_iter().for_each(|conn| self.touch(conn));
    }

    /// Somebody does not want what it is shown, and would wait for ever: it chose some files, or
    /// tells nobody what it gets.
    pub(super) fn show_others(&mut self) {
        let Some(spread) = &mut self.spread else { return };
        let mut stuck = false;
        for (&conn, session) in &self.sessions {
            let unwanted = !session.peer_interested;
            stuck |= unwanted && spread.release_unwanted(conn, self.ticks, UNWANTED_TICKS);
        }
        if stuck && self.config.super_seed == SuperSeed::Auto {
            self.stop_spreading();
        }
    }

    /// From now on everybody may know what we have.
    pub(super) fn stop_spreading(&mut self) {
        if self.spread.take().is_some() {
            self.show_rest();
        }
    }

    /// Tells those who were shown little the rest, some of it a second.
    pub(super) fn show_rest(&mut self) {
        if self.spread.is_some() {
            return;
        }
        let have = &self.have;
        let mut told = Vec::new();
        for (&conn, session) in &mut self.sessions {
            let Some(shown) = &mut session.shown else { continue };
            let hidden: Vec<PieceIndex> = (0..shown.len())
                .map(PieceIndex)
                .filter(|&piece| !shown.has(piece))
                .take(HAVES_PER_TICK)
                .collect();
            hidden.iter().for_each(|&piece| {
                shown.set(piece);
            });
            if hidden.len() < HAVES_PER_TICK {
                session.shown = None;
            }
            for piece in hidden {
                // What we lost meanwhile is told when it is there again.
                if have.has(piece) && !session.have.has(piece) {
                    session.say(Message::Have(piece));
                }
            }
            told.push(conn);
        }
        told.into_iter().for_each(|conn| self.touch(conn));
    }
}
