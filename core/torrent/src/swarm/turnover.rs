//! Connections are few: who makes room for whom.
//!
//! Source: BEP 40 (the lower priority leaves first), our own design for the rest. A swarm that is
//! full and knows of others tries one of them now and then, in place of the connection that it would
//! miss least. Nobody who moves payload is dropped, and no neighbour.

use core::cmp::Reverse;
use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use base::{ConnId, Instant};

use super::{CloseReason, Swarm};
use crate::peers::priority::{Subnet, is_local};
use crate::session::Session;

/// How often one connection makes room for an address that waits to be dialled.
pub(super) const TURNOVER_TICKS: u64 = 15;

/// At most one connection in so long makes room for somebody who dials us.
const NEWCOMER_EVERY: Duration = Duration::from_secs(5);

/// A connection gets so much time to become useful.
const GRACE: Duration = Duration::from_secs(60);

/// One that moved no payload for so long may go though somebody is interested.
const IDLE_MAX: Duration = Duration::from_secs(3 * 60);

/// Connections of a subnet with banned addresses.
const BAD_SUBNET_MAX: usize = 2;

/// How little a connection would be missed, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// Neither side wants anything.
    None,
    /// It owes us blocks and does not send them.
    Snubbed,
    /// Somebody waits, and nothing moved for long.
    Idle,
}

impl Swarm {
    /// Whether no more connections are to be had with the subnet of `ip`: it has a quarter of all
    /// and they run short, or several of it sent corrupt data. Neighbours are always welcome.
    pub(super) fn is_crowd(&self, ip: IpAddr) -> bool {
        if is_local(ip) {
            return false;
        }
        let most = self.config.connections_max;
        let short = (self.sessions.len() + self.dialing.len()) * 4 >= most * 3;
        let bound = match (self.blame.is_bad_subnet(ip), short) {
            (true, _) => BAD_SUBNET_MAX,
            (false, true) => (most / 4).max(BAD_SUBNET_MAX),
            (false, false) => return false,
        };
        let subnet = Subnet::of(ip);
        let connected = self.sessions.values().map(|session| session.addr.ip());
        let dialled = self.dialing.iter().map(SocketAddr::ip);
        connected.chain(dialled).filter(|&other| Subnet::of(other) == subnet).count() >= bound
    }

    /// Somebody dials us and we are full.
    pub(super) fn make_room_for_newcomer(&mut self, now: Instant) -> bool {
        let early = self.room_made_at.is_some_and(|at| now.saturating_since(at) < NEWCOMER_EVERY);
        if early || !self.make_room(now) {
            return false;
        }
        self.room_made_at = Some(now);
        true
    }

    /// Once in [`TURNOVER_TICKS`]: one connection goes if others wait to be dialled.
    pub(super) fn turn_over(&mut self, now: Instant) {
        let full = self.sessions.len() + self.dialing.len() >= self.config.connections_max;
        let open = self.ready || self.is_seeking();
        if full && open && !self.stopped && self.peers.is_anybody_due(now) {
            self.make_room(now);
        }
    }

    /// Closes the connection that is missed least, if there is one to spare.
    fn make_room(&mut self, now: Instant) -> bool {
        let spare = self.sessions.iter().filter_map(|(&conn, session)| {
            let class = usefulness(session, now)?;
            Some((class, self.peers.priority(session.addr), Reverse(session.since), conn))
        });
        let Some((.., conn)) = spare.min() else { return false };
        self.replace(conn, now);
        true
    }

    fn replace(&mut self, conn: ConnId, now: Instant) {
        let addr = self.session(conn).addr;
        self.close(conn, CloseReason::Replaced);
        self.peers.on_replaced(addr, now);
    }
}

/// `None`: it stays.
fn usefulness(session: &Session, now: Instant) -> Option<Use> {
    if is_local(session.addr.ip()) || now.saturating_since(session.since) < GRACE {
        return None;
    }
    if !session.am_interested && !session.peer_interested {
        return Some(Use::None);
    }
    let moved = now.saturating_since(session.moved_at);
    if session.snubbed && moved >= GRACE {
        return Some(Use::Snubbed);
    }
    (moved >= IDLE_MAX).then_some(Use::Idle)
}
