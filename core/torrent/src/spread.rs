//! Super seeding: the only seed of a swarm sends every piece once before it sends one twice.
//!
//! Source: BEP 16. Instead of telling a newcomer everything we have, we tell it one piece after
//! another, each somebody else's lack, and the next one when it has come. Whoever passes nothing
//! on gets nothing more while others wait: pieces that nobody else got from it count against it.
//! It ends by itself as soon as every piece is somewhere else.
//!
//! Invariants: `claims` counts, for each piece that nobody else has, the peers it was shown to; a
//! piece that nobody else has is in `fresh` or claimed.

use std::collections::{BTreeMap, BTreeSet};

use base::{Bitfield, ConnId, PieceIndex, Rng};

/// Pieces that a peer got from us and nobody from it; with more, others come first.
const UNSPREAD_MAX: usize = 6;

/// What was shown to one peer.
#[derive(Debug, Default)]
struct Shown {
    /// It was told everything, before there was anybody else.
    all: bool,
    /// Shown to it, and nowhere else yet.
    pending: BTreeSet<PieceIndex>,
    /// It has them from us, and nobody else has.
    unspread: BTreeSet<PieceIndex>,
    /// When something of this changed last, in ticks.
    moved_at: u64,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Spread {
    shown: BTreeMap<ConnId, Shown>,
    claims: BTreeMap<PieceIndex, u32>,
    /// Pieces that may be nowhere else, in random order, each once.
    fresh: Vec<PieceIndex>,
    listed: Bitfield,
}

impl Spread {
    /// Nothing was shown to anybody yet.
    pub fn new(pieces: u32, rng: &mut Rng) -> Self {
        let mut fresh: Vec<PieceIndex> = (0..pieces).map(PieceIndex).collect();
        for i in (1..fresh.len()).rev() {
            fresh.swap(i, rng.below(u32::try_from(i + 1).expect("piece count fits u32")) as usize);
        }
        Self {
            shown: BTreeMap::new(),
            claims: BTreeMap::new(),
            fresh,
            listed: Bitfield::full(pieces),
        }
    }

    /// A peer that is to be shown pieces, or was told `all`.
    pub fn add(&mut self, conn: ConnId, all: bool) {
        self.shown.insert(conn, Shown { all, ..Shown::default() });
    }

    /// A peer is gone; `holders` are how many of the others have a piece.
    pub fn remove(&mut self, conn: ConnId, had: &Bitfield, holders: impl Fn(PieceIndex) -> u32) {
        if let Some(shown) = self.shown.remove(&conn) {
            for piece in shown.pending {
                self.unclaim(piece);
                self.on_gone(piece);
            }
        }
        had.ones().filter(|&piece| holders(piece) == 0).for_each(|piece| self.on_gone(piece));
    }

    /// Nobody else has a piece any more.
    pub fn on_gone(&mut self, piece: PieceIndex) {
        if self.listed.set(piece) {
            self.fresh.push(piece);
        }
    }

    /// A peer that for `patience` ticks has wanted nothing of what it was shown: it may want some
    /// files only, or tells nobody what it gets. Others are shown those pieces.
    pub fn release_unwanted(&mut self, conn: ConnId, now: u64, patience: u64) -> bool {
        let Some(shown) = self.shown.get_mut(&conn) else { return false };
        if shown.pending.is_empty() || now - shown.moved_at < patience {
            return false;
        }
        for piece in core::mem::take(&mut shown.pending) {
            self.unclaim(piece);
            self.on_gone(piece);
        }
        true
    }

    fn unclaim(&mut self, piece: PieceIndex) {
        if let Some(claims) = self.claims.get_mut(&piece) {
            *claims -= 1;
            if *claims == 0 {
                self.claims.remove(&piece);
            }
        }
    }

    /// A peer has a piece now, one of `holders`. Nobody is waited for any more to fetch it.
    pub fn on_have(&mut self, conn: ConnId, piece: PieceIndex, holders: u32, now: u64) {
        let claimed = self.claims.remove(&piece).is_some();
        if holders == 1 && !claimed {
            if let Some(shown) = self.shown.get_mut(&conn).filter(|shown| shown.all) {
                shown.unspread.insert(piece);
            }
        } else if holders <= 2 || claimed {
            for (&other, shown) in &mut self.shown {
                if claimed && shown.pending.remove(&piece) {
                    shown.moved_at = now;
                }
                if holders > 1 {
                    shown.unspread.remove(&piece);
                } else if other == conn {
                    shown.unspread.insert(piece);
                }
            }
        }
    }

    /// Whether `conn` kept so much to itself that others are served first: those that kept less,
    /// if any of them is `served` and has something to fetch.
    pub fn keeps_to_itself(&self, conn: ConnId, served: impl Fn(ConnId) -> bool) -> bool {
        let kept = self.shown.get(&conn).map_or(0, |shown| shown.unspread.len());
        let better = |(&other, shown): (&ConnId, &Shown)| {
            shown.unspread.len() < kept && shown.pending.len() > 1 && served(other)
        };
        kept >= UNSPREAD_MAX && self.shown.iter().any(better)
    }

    /// The peers in the order in which they are served: who passed on most of what it got is first.
    pub fn order(&self) -> Vec<ConnId> {
        let mut order: Vec<ConnId> = self.shown.keys().copied().collect();
        order.sort_by_key(|conn| self.shown[conn].unspread.len());
        order
    }

    /// The next piece to be shown to `conn`, which has `theirs`, so that it has `pending_max` to
    /// fetch. `holders`: how many peers have a piece. The caller saw that it keeps nothing to itself.
    pub fn next_piece(
        &mut self,
        conn: ConnId,
        theirs: &Bitfield,
        pending_max: usize,
        holders: impl Fn(PieceIndex) -> u32,
        now: u64,
    ) -> Option<PieceIndex> {
        let shown = self.shown.get(&conn)?;
        if shown.all || shown.pending.len() >= pending_max {
            return None;
        }
        while let Some(piece) = self.fresh.pop() {
            self.listed.clear(piece);
            if holders(piece) == 0 && !self.claims.contains_key(&piece) {
                return Some(self.show(conn, piece, now));
            }
        }
        // All are on their way, some of them to peers that cannot fetch them now: others may.
        let open = |piece: &PieceIndex| !theirs.has(*piece) && !shown.pending.contains(piece);
        let claimed = self.claims.iter().filter(|(piece, _)| open(piece));
        let piece = claimed.min_by_key(|&(_, claims)| *claims).map(|(&piece, _)| piece)?;
        Some(self.show(conn, piece, now))
    }

    fn show(&mut self, conn: ConnId, piece: PieceIndex, now: u64) -> PieceIndex {
        *self.claims.entry(piece).or_insert(0) += 1;
        let shown = self.shown.entry(conn).or_default();
        shown.pending.insert(piece);
        shown.moved_at = now;
        piece
    }

    /// Whether every piece is somewhere else.
    pub fn is_done(&mut self, holders: impl Fn(PieceIndex) -> u32) -> bool {
        while let Some(&piece) = self.fresh.last() {
            if holders(piece) == 0 && !self.claims.contains_key(&piece) {
                return false;
            }
            self.fresh.pop();
            self.listed.clear(piece);
        }
        self.claims.is_empty()
    }
}

#[cfg(test)]
mod tests;
