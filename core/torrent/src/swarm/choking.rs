//! Who may ask: the choker's questions about this swarm, and what follows from its answers.
//!
//! Source: BEP 3 (rechoke every 10 s, optimistic unchoke every 30 s).

use base::{BLOCK_BYTES, ConnId};

use super::Swarm;
use crate::choker::{self, Candidate, Situation};
use crate::session::Session;

/// Slots before anything is known of our uplink.
const SLOTS_START: usize = 8;

/// What a peer may owe us before it has to give, in bytes: a piece, within these bounds. A newcomer
/// needs something to give.
const ALLOWANCE_MIN: u64 = 256 << 10;
const ALLOWANCE_MAX: u64 = 4 << 20;

/// A peer that had what we want for so many seconds could have given us some of it.
const COULD_GIVE_TICKS: u32 = 2;

/// So many allowances has who had nothing to give yet, as long as nobody else waits for our uplink.
const PATIENCE: u64 = 2;

/// With fewer peers it cannot be said what is usual.
const DEPENDENTS_KNOWN_MIN: usize = 4;

/// A seed's slot goes round when its holder has had so many pieces, or so much.
const TURN_PIECES: u64 = 8;
const TURN_BYTES_MIN: u64 = 4 << 20;

/// What is known of our uplink.
#[derive(Debug)]
pub(super) struct Uplink {
    /// How many may be unchoked.
    slots: usize,
    /// Ticks since the last rechoke in which requests waited for it, and all of them.
    busy_ticks: u32,
    ticks: u32,
    was_busy: bool,
}

impl Default for Uplink {
    fn default() -> Self {
        Self { slots: SLOTS_START, busy_ticks: 0, ticks: 0, was_busy: false }
    }
}

impl Uplink {
    fn is_busy(&self) -> bool {
        if self.ticks == 0 { self.was_busy } else { self.busy_ticks * 2 > self.ticks }
    }
}

impl Swarm {
    /// Once a second: do those we serve wait for us? Then slots go to who should have them.
    pub(super) fn tick_slots(&mut self) {
        // Who owes makes no seed busy: as long as nobody else waits, it is welcome.
        let waiting: u64 = self
            .sessions
            .values()
            .filter(|session| !(session.left_debt || session.dependent))
            .map(|session| {
                session.unsent_bytes + session.asked.len() as u64 * u64::from(BLOCK_BYTES)
            })
            .sum();
        self.uplink.ticks += 1;
        // An eighth of a second's worth: more than what is always on its way.
        self.uplink.busy_ticks += u32::from(waiting > 0 && waiting * 8 >= self.up.per_second());
        for session in self.sessions.values_mut() {
            session.wanted_ticks += u32::from(session.am_interested);
        }
        if self.is_complete() {
            self.find_dependents();
        }
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.collect_debt(conn));
        self.give_free_slots();
    }

    fn slots(&self) -> usize {
        self.config.unchoke_slots.unwrap_or(self.uplink.slots)
    }

    fn allowance(&self) -> u64 {
        u64::from(self.shape.sizes.usual()).clamp(ALLOWANCE_MIN, ALLOWANCE_MAX)
    }

    /// Whether a peer took without giving, though it could: it had what we want, or hides what it
    /// has. As the only seed: whether it passes nothing on.
    fn is_debtor(&self, conn: ConnId) -> bool {
        if let Some(spread) = &self.spread {
            return spread.keeps_to_itself(conn, |other| {
                let other = self.sessions.get(&other);
                other.is_some_and(|other| other.peer_interested && !other.am_choking)
            });
        }
        let session = &self.sessions[&conn];
        if self.is_complete() {
            return (session.left_debt || session.dependent) && self.uplink.is_busy();
        }
        if self.down.per_second() == 0 {
            // Nobody gives us anything: there is nothing to be paid for.
            return false;
        }
        let (given, got) = (session.up.total(), session.down.total());
        let shown = u64::from(session.have.count()) * u64::from(self.shape.sizes.usual());
        let could_give =
            self.uplink.is_busy() || session.wanted_ticks >= COULD_GIVE_TICKS || shown * 2 < given;
        let patience = if could_give { 1 } else { PATIENCE };
        choker::is_debtor(given, got, patience * self.allowance())
    }

    /// We want nothing more: nobody can give us anything any more, and who did not is remembered for as
    /// long as others wait.
    pub(super) fn remember_debts(&mut self) {
        let allowance = self.allowance();
        for session in self.sessions.values_mut() {
            session.left_debt =
                choker::is_debtor(session.up.total(), session.down.total(), allowance);
        }
    }

    /// As a seed: who has twice as much of what it has from us as is usual here. Those who trade
    /// with others get most elsewhere, and pass on what they get.
    fn find_dependents(&mut self) {
        let piece_bytes = u64::from(self.shape.sizes.usual());
        let share = |session: &Session| {
            let has = u64::from(session.have.count()) * piece_bytes;
            session.up.total().saturating_mul(100) / has.max(1)
        };
        let trading = |session: &&Session| session.peer_interested && session.have.count() > 0;
        let mut shares: Vec<u64> = self.sessions.values().filter(trading).map(share).collect();
        shares.sort_unstable();
        let known = shares.len() >= DEPENDENTS_KNOWN_MIN;
        let usual = if known { shares[shares.len() / 2] } else { u64::MAX / 2 };
        let newcomer_bytes = 2 * self.allowance();
        for session in self.sessions.values_mut() {
            session.dependent =
                share(session) > usual.max(1) * 2 && session.up.total() > newcomer_bytes;
        }
    }

    /// A debtor loses its slot at once, an optimistic one with the next allowance.
    pub(super) fn collect_debt(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get(&conn) else { return };
        let turn_bytes = session.up.total() - session.sent_before_turn;
        let over = turn_bytes >= self.allowance() || !self.optimistic.contains(&conn);
        if !session.am_choking && over && self.is_debtor(conn) {
            self.choke(conn);
        }
    }

    /// Interest changed: a free slot is given at once, and one that is no longer wanted to who has
    /// waited longest.
    pub(super) fn on_interest_changed(&mut self, conn: ConnId) {
        if !self.ready {
            return;
        }
        let session = self.session(conn);
        if !session.peer_interested && !session.am_choking {
            self.choke(conn);
        }
        self.give_free_slots();
    }

    fn give_free_slots(&mut self) {
        let unchoked = self.sessions.values().filter(|session| !session.am_choking).count();
        for _ in unchoked..self.slots() {
            let waiting = self.sessions.iter().filter(|(conn, session)| {
                session.am_choking && session.peer_interested && !self.is_debtor(**conn)
            });
            let Some((&conn, _)) = waiting.min_by_key(|(_, session)| session.choked_at) else {
                return;
            };
            self.unchoke(conn);
        }
    }

    pub(super) fn rechoke(&mut self, rotate: bool) {
        let turn_bytes = (TURN_PIECES * u64::from(self.shape.sizes.usual())).max(TURN_BYTES_MIN);
        let candidates: Vec<Candidate> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.peer_id.is_some())
            .map(|(&conn, session)| Candidate {
                conn,
                interested: session.peer_interested,
                gives: session.down.per_second(),
                takes: session.up.per_second(),
                snubbed: session.snubbed,
                unchoked: !session.am_choking,
                turn_over: session.up.total() - session.sent_before_turn >= turn_bytes,
                waited: if session.am_choking { self.ticks - session.choked_at } else { 0 },
                debtor: self.is_debtor(conn),
            })
            .collect();
        let busy = self.uplink.is_busy();
        let slots = choker::slots(&candidates, self.uplink.slots, busy);
        self.uplink = Uplink { slots, was_busy: busy, ..Uplink::default() };
        let seeding = self.is_complete();
        let situation = Situation {
            seeding,
            slots: self.slots(),
            starved: !seeding && candidates.iter().all(|peer| peer.gives == 0),
            rotate,
        };
        let choice = choker::choose(&candidates, situation, &self.optimistic, &mut self.rng);
        self.optimistic = choice.optimistic;
        for candidate in candidates {
            match (choice.unchoked.contains(&candidate.conn), candidate.unchoked) {
                (true, false) => self.unchoke(candidate.conn),
                (false, true) => self.choke(candidate.conn),
                (true, true) | (false, false) => {}
            }
        }
        if self.spread.is_some() {
            self.show_others();
            self.show_more();
        }
        self.note(|swarm| Some(swarm.choice()));
    }
}
