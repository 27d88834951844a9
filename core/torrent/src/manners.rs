//! How much talk, and how slow a message, we put up with.
//!
//! Source: our own design. Every message costs us a little, and some of them much more than the
//! sender: an UNCHOKE makes us write requests, a CANCEL searches a queue. So each connection has a
//! budget of them, which a busy and honest peer never uses up: aria2 sends whole bitfields in place
//! of HAVEs, a peer on a fast line finishes hundreds of pieces a second.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use base::Instant;
use wire::peer::Message;

use crate::peers::priority::is_local;

/// What a peer may spend at once.
const BUDGET_MAX: u32 = 50_000;
/// What comes back each second.
const BUDGET_PER_SECOND: u32 = 10_000;

/// A message, block or not, that has begun must be whole after this: 16 KiB at 364 B/s. A peer that
/// sends half a block for ever would hold a buffer for ever.
pub const FRAME_MAX: Duration = Duration::from_secs(45);

/// How long who was closed for its manners is not taken back: reconnecting must not pay.
const SHUNNED_FOR: Duration = Duration::from_secs(5 * 60);

/// Addresses shunned at once.
const SHUNNED_MAX: usize = 1_000;

/// What a message costs; a HAVE is 1. Requests that are served cost nothing: they are bounded by
/// the queue and by what they bring.
pub fn cost(message: &Message<'_>) -> u32 {
    match message {
        // Of hash requests, each has its own price.
        Message::Request(_) | Message::Piece { .. } | Message::HashRequest(_) => 0,
        Message::Have(_) => 1,
        Message::Cancel(_) | Message::Reject(_) => 4,
        Message::KeepAlive
        | Message::Suggest(_)
        | Message::AllowedFast(_)
        | Message::Port(_)
        | Message::Unknown(_) => 10,
        Message::Interested | Message::NotInterested => 50,
        Message::Extended { .. }
        | Message::Bitfield(_)
        | Message::HaveAll
        | Message::HaveNone
        | Message::Hashes { .. }
        | Message::HashReject(_) => 100,
        Message::Choke | Message::Unchoke => 200,
    }
}

/// A request that is rejected: the answer is as long as the question.
pub const REJECTED_COST: u32 = 8;

/// What a peer has left to spend.
#[derive(Clone, Copy, Debug)]
pub struct Budget(u32);

impl Default for Budget {
    fn default() -> Self {
        Self(BUDGET_MAX)
    }
}

impl Budget {
    /// Spends `cost`; false if there is not so much left.
    #[must_use]
    pub fn spend(&mut self, cost: u32) -> bool {
        let left = self.0.checked_sub(cost);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }

    /// Spends `cost` if there is so much left, and otherwise nothing.
    #[must_use]
    pub fn afford(&mut self, cost: u32) -> bool {
        let affordable = cost <= self.0;
        self.0 -= if affordable { cost } else { 0 };
        affordable
    }

    /// Once a second.
    pub fn tick(&mut self) {
        self.0 = (self.0 + BUDGET_PER_SECOND).min(BUDGET_MAX);
    }
}

/// Addresses that are not taken back for a while. Those of the neighbourhood are: many programs
/// may share one, and their owner can be asked.
#[derive(Debug, Default)]
pub struct Shunned {
    until: BTreeMap<IpAddr, Instant>,
}

impl Shunned {
    /// It was closed for its manners.
    pub fn add(&mut self, ip: IpAddr, now: Instant) {
        self.until.retain(|_, until| *until > now);
        if self.until.len() < SHUNNED_MAX && !is_local(ip) {
            self.until.insert(ip.to_canonical(), now.after(SHUNNED_FOR));
        }
    }

    /// Whether it is still too early.
    pub fn contains(&self, ip: IpAddr, now: Instant) -> bool {
        self.until.get(&ip.to_canonical()).is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_peers_stay_within_their_budget_and_floods_do_not() {
        for (messages, each, per_second, honest) in [
            ("HAVEs of a fast line", Message::Have(base::PieceIndex(0)), 8_000, true),
            ("bitfields of aria2", Message::Bitfield(&[0]), 50, true),
            ("keep-alives", Message::KeepAlive, 100, true),
            ("interest on and off", Message::Interested, 2_000, false),
            ("unchokes", Message::Unchoke, 200, false),
            ("unknown messages", Message::Unknown(77), 5_000, false),
        ] {
            let mut budget = Budget::default();
            let mut kept = true;
            for _ in 0..60 {
                for _ in 0..per_second {
                    kept &= budget.spend(cost(&each));
                }
                budget.tick();
            }
            assert_eq!(kept, honest, "{messages}");
        }
    }

    #[test]
    fn strangers_are_shunned_for_a_while_and_neighbours_are_not() {
        let mut shunned = Shunned::default();
        let now = Instant::START;
        for (ip, expected) in [([80, 1, 2, 3], true), ([127, 0, 0, 1], false)] {
            shunned.add(ip.into(), now);
            assert_eq!(shunned.contains(ip.into(), now), expected);
            assert!(!shunned.contains(ip.into(), now.after(SHUNNED_FOR)));
        }
        for n in 0..2 * u32::try_from(SHUNNED_MAX).unwrap() {
            shunned.add((n + 0x0b00_0000).to_be_bytes().into(), now);
        }
        assert_eq!(shunned.until.len(), SHUNNED_MAX);
    }
}
