//! Peers tell each other of peers.
//!
//! Source: BEP 11 (peer exchange). What a stranger says costs us a dial at most, and he can say only so much.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use base::{ConnId, Instant};
use wire::peer::Message;
use wire::pex::{ADDED_MAX, PEX, PEX_ID, Pex, REACHABLE, SEED};

use super::{CloseReason, Swarm};
use crate::peers::Source;
use crate::peers::priority::is_local;
use crate::session::Session;

/// Seconds between two messages to a peer (BEP 11: at most one a minute).
const EVERY_TICKS: u64 = 60;

/// Messages of a peer that come faster than this, in seconds, are not read: some clients are a little early.
const HEARD_TICKS: u64 = 45;

/// Addresses taken of one peer in all.
const NAMED_MAX: u32 = 1000;

/// What a message costs of the budget of talk.
const MESSAGE_COST: u32 = 1000;

impl Swarm {
    /// The id under which we want messages of BEP 11, for our hello.
    pub(super) fn pex_extension(&self) -> Option<(Vec<u8>, u8)> {
        self.config.pex.then(|| (PEX.to_vec(), PEX_ID))
    }

    /// A peer names peers.
    pub(super) fn on_pex(&mut self, conn: ConnId, payload: &[u8], now: Instant) {
        let (ticks, pex) = (self.ticks, self.config.pex);
        let session = self.session(conn);
        if !session.budget.spend(MESSAGE_COST) {
            return self.shun(conn, CloseReason::Flood, now);
        }
        let early = session.pex_heard_at.is_some_and(|at| ticks < at + HEARD_TICKS);
        if !pex || early {
            return;
        }
        let Some(Pex { added, .. }) = Pex::decode(payload) else { return };
        session.pex_heard_at = Some(ticks);
        let (local, v2) = (is_local(session.addr.ip()), session.v2);
        // Nobody outside knows who is in our own network, or may send us there.
        let addrs = added.into_iter().map(|(addr, _)| addr);
        let addrs = addrs.filter(|addr| local || !is_local(addr.ip()));
        let addrs: Vec<SocketAddr> =
            addrs.take(NAMED_MAX.saturating_sub(session.pex_named) as usize).collect();
        session.pex_named += u32::try_from(addrs.len()).expect("bounded by the decoder");
        self.learn_peers(&addrs, Source::Pex, v2, now);
    }

    /// Once a second: tells who was not told for a minute.
    pub(super) fn gossip(&mut self) {
        if !self.config.pex {
            return;
        }
        let ticks = self.ticks;
        let due = |session: &Session| session.pex_id.is_some() && session.pex_say_at <= ticks;
        let due = self.sessions.iter().filter(|(_, session)| due(session));
        let due: Vec<ConnId> = due.map(|(&conn, _)| conn).collect();
        if due.is_empty() {
            return;
        }
        let here: Vec<(SocketAddr, u8)> = self.sessions.values().filter_map(flags).collect();
        for conn in due {
            let session = self.session(conn);
            session.pex_say_at = ticks + EVERY_TICKS;
            let (own, local) = (listening(session), is_local(session.addr.ip()));
            let may_know = |addr: SocketAddr| Some(addr) != own && (local || !is_local(addr.ip()));
            let here = here.iter().copied().filter(|&(addr, _)| may_know(addr));
            let here: Vec<(SocketAddr, u8)> = here.collect();
            let known: BTreeSet<SocketAddr> = here.iter().map(|&(addr, _)| addr).collect();
            let new = here.into_iter().filter(|(addr, _)| !session.pex_told.contains(addr));
            let added: Vec<(SocketAddr, u8)> = new.take(ADDED_MAX).collect();
            let gone = session.pex_told.difference(&known).copied().take(ADDED_MAX);
            let dropped: Vec<SocketAddr> = gone.collect();
            let Some(id) = session.pex_id.filter(|_| !added.is_empty() || !dropped.is_empty())
            else {
                continue;
            };
            session.pex_told.retain(|addr| !dropped.contains(addr));
            session.pex_told.extend(added.iter().map(|&(addr, _)| addr));
            let payload = Pex { added, dropped }.encode();
            session.say(Message::Extended { id, payload: &payload });
            self.touch(conn);
        }
    }
}

/// Where a peer can be dialled, as far as we know.
fn listening(session: &Session) -> Option<SocketAddr> {
    if session.outgoing {
        return Some(session.addr);
    }
    session.listen_port.map(|port| SocketAddr::new(session.addr.ip(), port))
}

fn flags(session: &Session) -> Option<(SocketAddr, u8)> {
    session.peer_id?;
    let seed = session.upload_only || session.have.is_full() && !session.have.is_empty();
    let flags = if seed { SEED } else { 0 } | if session.outgoing { REACHABLE } else { 0 };
    Some((listening(session)?, flags))
}
