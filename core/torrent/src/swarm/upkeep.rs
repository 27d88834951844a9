//! What happens by the clock: dialling, choking, measuring, dropping the silent.
//!
//! Source: BEP 3 (rechoke every 10 s, optimistic unchoke every 30 s, keep-alive every 2 min).
//! A swarm without connections and without addresses to dial has no deadline at all.

use core::time::Duration;

use base::{BlockId, BufPool, ConnId, Instant};
use wire::peer::Message;

use super::turnover::TURNOVER_TICKS;
use super::{CloseReason, Output, Swarm};
use crate::manners::FRAME_MAX;

const TICK: Duration = Duration::from_secs(1);
const RECHOKE_TICKS: u64 = 10;
const OPTIMISTIC_TICKS: u64 = 30;
/// A peer that owes us blocks and sends none for so long is snubbed.
const SNUB_AFTER: Duration = Duration::from_secs(20);
/// The same if it sends other blocks, but not the one that it owes for longest.
const SKIP_AFTER: Duration = Duration::from_secs(45);
/// A peer that rejected so many requests and sent nothing is snubbed too.
const REFUSALS_MAX: u32 = 8;
/// A handshake that takes longer never comes.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
/// BEP 3: a peer that says nothing for two minutes is gone; half a minute of grace.
const SILENCE_MAX: Duration = Duration::from_secs(150);
/// We say something before the other side's two minutes are over.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(100);

impl Swarm {
    /// When to call [`Self::on_deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        let dial = if self.may_dial() { self.peers.deadline() } else { None };
        [self.tick_at, dial].into_iter().flatten().min()
    }

    /// The deadline passed.
    pub fn on_deadline(&mut self, now: Instant, pool: &mut BufPool) {
        self.dial_more(now);
        if self.tick_at.is_none_or(|at| at > now) {
            return;
        }
        self.ticks += 1;
        self.down.tick();
        self.up.tick();
        let mut conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        if let Ok(count @ 1..) = u32::try_from(conns.len()) {
            // What one gives up the next ones take: not always the same.
            conns.rotate_left(self.rng.below(count) as usize);
        }
        for conn in conns {
            if self.sessions.contains_key(&conn) {
                self.tick_session(conn, now);
            }
        }
        self.relieve_slow_owners(now);
        self.ask_others_for_leaves(now);
        self.tick_seeking(now);
        self.gossip();
        if self.ticks.is_multiple_of(TURNOVER_TICKS) {
            self.turn_over(now);
            self.dial_more(now);
        }
        if self.ready {
            self.tick_slots();
        }
        if self.ready && self.ticks.is_multiple_of(RECHOKE_TICKS) {
            self.rechoke(self.ticks.is_multiple_of(OPTIMISTIC_TICKS));
        }
        self.show_rest();
        self.bury(now, pool);
        self.tick_at = None;
        let busy = !self.sessions.is_empty() || self.is_seeking();
        if busy || self.down.per_second() + self.up.per_second() > 0 {
            self.start_ticking(now);
        }
        if self.is_short_of_peers() {
            self.outputs.push_back(Output::WantPeers);
        }
    }

    pub(super) fn start_ticking(&mut self, now: Instant) {
        self.tick_at.get_or_insert(now.after(TICK));
    }

    fn is_short_of_peers(&self) -> bool {
        let lacking = self.is_seeking() || (self.ready && !self.picker.is_complete());
        !self.stopped && lacking && self.sessions.len() < 4
    }

    fn may_dial(&self) -> bool {
        // A complete torrent dials too: leechers that cannot be reached from outside wait for it.
        !self.stopped
            && (self.ready || self.is_seeking())
            && self.dialing.len() < self.config.dials_max
            && self.sessions.len() + self.dialing.len() < self.config.connections_max
    }

    pub(super) fn dial_more(&mut self, now: Instant) {
        while self.may_dial() {
            let Some(addr) = self.peers.next(now) else { return };
            if self.is_crowd(addr.ip()) {
                self.peers.on_replaced(addr, now);
                continue;
            }
            self.dialing.insert(addr);
            self.outputs.push_back(Output::Dial(addr));
        }
    }

    fn tick_session(&mut self, conn: ConnId, now: Instant) {
        let session = self.sessions.get_mut(&conn).expect("just listed");
        session.tick(now);
        if session.unread {
            // Neither silent nor slow, as far as we can know: a full disk or a low limit lasts.
            session.heard_at = now;
            session.block_at = now;
            session.front = None;
            session.frame_at = session.frame_at.map(|_| now);
        }
        let silence = now.saturating_since(session.heard_at);
        let patience = if session.peer_id.is_some() { SILENCE_MAX } else { HANDSHAKE_MAX };
        if silence > patience {
            return self.close(conn, CloseReason::Silent);
        }
        if session.frame_at.is_some_and(|since| now.saturating_since(since) > FRAME_MAX) {
            return self.shun(conn, CloseReason::Stuck, now);
        }
        if now.saturating_since(session.said_at) > KEEP_ALIVE_AFTER {
            session.said_at = now;
            session.say(Message::KeepAlive);
            self.touch(conn);
        }
        let session = self.sessions.get_mut(&conn).expect("still there");
        session.refused = false;
        let waited = now.saturating_since(session.block_at);
        let skipped = now.saturating_since(session.watch_front(now)) > SKIP_AFTER;
        session.snubbed |= session.refusals > REFUSALS_MAX;
        if !session.requests.is_empty() && (waited > SNUB_AFTER || skipped) {
            self.give_up_on(conn, now);
        }
        // Also the first second of a peer that others left something for.
        self.fill(conn, now);
    }

    /// The peer owes us blocks and does not send them: others may be asked.
    pub(super) fn give_up_on(&mut self, conn: ConnId, now: Instant) {
        let session = self.session(conn);
        session.snubbed = true;
        session.pipeline.on_snubbed();
        session.probe = None;
        session.block_at = now;
        let given_up: Vec<BlockId> = session.requests.drain(..).collect();
        // Found by `test/sim`, seed 2011: without the cancels a slow peer went on to send
        // what it had been asked long ago, while its queue grew by what it was asked again.
        given_up.iter().for_each(|&block| session.say(Message::Cancel(block)));
        session.expect_late(&given_up);
        given_up.into_iter().for_each(|block| self.picker.give_back(block));
        self.picker.release(conn);
        self.touch(conn);
    }
}
