//! Whom to upload to.
//!
//! Source: BEP 3 ("choking and optimistic unchoking"). While we download, the peers that give us
//! most get our slots; as a seed, all that want something take turns, so that new pieces spread.
//! Some slots go round as optimistic unchokes. Who took much and gave nothing though it could
//! competes for those only, at bad odds, and loses one as soon as it has had a piece.

use core::cmp::Reverse;

use base::{ConnId, Rng};

/// Slots that are open whatever the rate: three to reciprocate and one to find out.
pub const SLOTS_MIN: usize = 4;

/// Most slots.
pub const SLOTS_MAX: usize = 100;

/// Each further slot must carry so much more, in bytes per second, than the one before.
const RATE_PER_SLOT: u64 = 4 * 1024;

/// Who was given so many times what it gave, and an allowance, is a debtor.
const DEBT_RATIO: u64 = 8;

/// One slot in so many is optimistic.
const OPTIMISTIC_SHARE: usize = 5;

/// Odds in the draw of an optimistic slot: of a debtor, and of everybody else.
const ODDS_DEBTOR: u32 = 1;
const ODDS_OTHERS: u32 = 20;

/// A peer as the choker sees it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its connection.
    pub conn: ConnId,
    /// It wants something from us.
    pub interested: bool,
    /// Bytes per second that it gives us.
    pub gives: u64,
    /// Bytes per second that it takes.
    pub takes: u64,
    /// It owes us blocks and is silent.
    pub snubbed: bool,
    /// It has a slot.
    pub unchoked: bool,
    /// As a seed: it has had its turn.
    pub turn_over: bool,
    /// For how many ticks it has had no slot; 0 if it has one.
    pub waited: u64,
    /// It took much and gave nothing, or passed nothing on.
    pub debtor: bool,
}

/// What the choker needs to know besides.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// We want nothing any more.
    pub seeding: bool,
    /// How many slots there are.
    pub slots: usize,
    /// Nobody gives us anything though we want it: trust more (BEP 3, "anti-snubbing").
    pub starved: bool,
    /// Somebody else may have the optimistic slots.
    pub rotate: bool,
}

/// Which peers to unchoke; all others are to be choked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// In no particular order.
    pub unchoked: Vec<ConnId>,
    /// Those among them that are there on trust.
    pub optimistic: Vec<ConnId>,
}

/// Whether a peer took so much more than it gave that it must be asked to give first.
pub fn is_debtor(given: u64, got: u64, allowance: u64) -> bool {
    given > allowance.saturating_add(got.saturating_mul(DEBT_RATIO))
}

/// How many slots there are from now on, if there were `before`: as many as our uplink can fill.
pub fn slots(candidates: &[Candidate], before: usize, busy: bool) -> usize {
    let interested = candidates.iter().filter(|peer| peer.interested).count();
    if !busy {
        // Nobody waits for our uplink; more may.
        return (before + 2).min(interested).clamp(SLOTS_MIN, SLOTS_MAX);
    }
    let mut rates: Vec<u64> =
        candidates.iter().filter(|peer| peer.unchoked).map(|peer| peer.takes).collect();
    rates.sort_unstable_by_key(|&rate| Reverse(rate));
    let filled = (1..).zip(rates).take_while(|&(n, rate)| rate >= n * RATE_PER_SLOT).count();
    (filled + 2).min(interested).clamp(SLOTS_MIN, SLOTS_MAX)
}

/// Chooses. `optimistic`: who holds those slots now.
pub fn choose(
    candidates: &[Candidate],
    situation: Situation,
    optimistic: &[ConnId],
    rng: &mut Rng,
) -> Choice {
    if situation.slots == 0 {
        return Choice::default();
    }
    let mut ranked: Vec<Candidate> =
        candidates.iter().copied().filter(|peer| peer.interested).collect();
    if ranked.len() <= situation.slots && !ranked.iter().any(|peer| peer.debtor) {
        let unchoked: Vec<ConnId> = ranked.iter().map(|peer| peer.conn).collect();
        let optimistic =
            optimistic.iter().copied().filter(|conn| unchoked.contains(conn)).collect();
        return Choice { unchoked, optimistic };
    }
    if situation.seeding {
        ranked.sort_by_key(|peer| {
            let stays = peer.unchoked && !peer.turn_over;
            (peer.debtor, !stays, Reverse(peer.waited), Reverse(peer.takes), peer.conn)
        });
    } else {
        ranked.sort_by_key(|peer| (peer.debtor, peer.snubbed, Reverse(peer.gives), peer.conn));
    }
    let trusted = (situation.slots / OPTIMISTIC_SHARE).max(1) + usize::from(situation.starved);
    let trusted = trusted.min(situation.slots);
    let solvent = ranked.iter().filter(|peer| !peer.debtor).count();
    let regular = solvent.min(situation.slots - trusted);
    let mut rest: Vec<Candidate> = ranked.split_off(regular);
    let mut choice =
        Choice { unchoked: ranked.iter().map(|peer| peer.conn).collect(), optimistic: Vec::new() };
    if !situation.rotate {
        // A debtor had its piece; the next one comes with the next turn.
        rest.retain(|peer| !peer.debtor);
        let stay = |peer: &Candidate| optimistic.contains(&peer.conn);
        choice.optimistic = rest.iter().filter(|p| stay(p)).take(trusted).map(|p| p.conn).collect();
        rest.retain(|peer| !choice.optimistic.contains(&peer.conn));
    }
    for _ in choice.optimistic.len()..trusted {
        let Some(conn) = draw(&rest, optimistic, rng) else { break };
        rest.retain(|peer| peer.conn != conn);
        choice.optimistic.push(conn);
    }
    choice.unchoked.extend(&choice.optimistic);
    choice
}

/// One of `rest`. Who had the slot before comes last.
fn draw(rest: &[Candidate], before: &[ConnId], rng: &mut Rng) -> Option<ConnId> {
    let anew = rest.iter().any(|peer| !before.contains(&peer.conn));
    let odds = |peer: &Candidate| match (anew && before.contains(&peer.conn), peer.debtor) {
        (true, _) => 0,
        (false, true) => ODDS_DEBTOR,
        (false, false) => ODDS_OTHERS,
    };
    let all: u32 = rest.iter().map(odds).sum();
    if all == 0 {
        return None;
    }
    let mut ball = rng.below(all);
    for peer in rest {
        let odds = odds(peer);
        if ball < odds {
            return Some(peer.conn);
        }
        ball -= odds;
    }
    None
}

#[cfg(test)]
mod tests;
