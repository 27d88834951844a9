//! What happens by the clock: dialling, choking, measuring, dropping the silent.
//!
//! Source: BEP 3 (rechoke every 10 s, optimistic unchoke every 30 s, keep-alive every 2 min).
//! A swarm without connections and without addresses to dial has no deadline at all.

use core::time::Duration;

use base::{BlockId, BufPool, ConnId, Instant};
use wire::peer::Message;

use super::{CloseReason, Output, Swarm};

/// Part taken in so many corrupt pieces in a row gets an address banned.
pub(super) const STRIKES_MAX: u32 = 3;

const TICK: Duration = Duration::from_secs(1);
const RECHOKE_TICKS: u64 = 10;
const OPTIMISTIC_TICKS: u64 = 30;
/// A peer that owes us blocks and sends none for so long is snubbed.
const SNUB_AFTER: Duration = Duration::from_secs(20);
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
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for conn in conns {
            self.tick_session(conn, now);
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
        if !self.sessions.is_empty() || self.down.per_second() + self.up.per_second() > 0 {
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
        !self.stopped
            && self.ready
            && self.shape.wants
            && !self.have.is_full()
            && self.sessions.len() < 4
    }

    fn may_dial(&self) -> bool {
        // A complete torrent dials too: leechers that cannot be reached from outside wait for it.
        !self.stopped
            && self.ready
            && self.dialing.len() < self.config.dials_max
            && self.sessions.len() + self.dialing.len() < self.config.connections_max
    }

    pub(super) fn dial_more(&mut self, now: Instant) {
        while self.may_dial() {
            let Some(addr) = self.peers.next(now) else { return };
            self.dialing.insert(addr);
            self.outputs.push_back(Output::Dial(addr));
        }
    }

    fn tick_session(&mut self, conn: ConnId, now: Instant) {
        let session = self.sessions.get_mut(&conn).expect("just listed");
        session.down.tick();
        session.up.tick();
        let silence = now.saturating_since(session.heard_at);
        let patience = if session.peer_id.is_some() { SILENCE_MAX } else { HANDSHAKE_MAX };
        if silence > patience {
            return self.close(conn, CloseReason::Silent);
        }
        if now.saturating_since(session.said_at) > KEEP_ALIVE_AFTER {
            session.said_at = now;
            session.say(Message::KeepAlive);
            self.touch(conn);
        }
        let session = self.sessions.get_mut(&conn).expect("still there");
        session.refused = false;
        let waited = now.saturating_since(session.block_at);
        if !session.requests.is_empty() && waited > SNUB_AFTER {
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
            self.touch(conn);
        }
        // Also the first second of a peer that others left something for.
        self.fill(conn, now);
    }
}
