//! Staying in the network: the first nodes, our neighbours, buckets, and who has gone.
//!
//! Source: BEP 5. A walk to ourselves tells our neighbours of us. Buckets are refreshed after 15 minutes, one
//! at a time; nodes silent for 15 minutes are asked whether they are there, one at a time.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use base::{ExchangeId, Instant, Purpose as SocketPurpose, ResolveRequest};
use wire::krpc;

use super::id::random_beside;
use super::network::{Hint, Side};
use super::table::{FRESH, K};
use super::{Dht, EXCHANGE_TAG, Goal, Output, Owner, Purpose, Timer, canonical, is_endpoint};

/// Between steps while there is something to do: gentle, a table is refreshed within a few minutes.
const STEP: Duration = Duration::from_secs(5);

/// Between steps while nothing is to be done.
const REST: Duration = Duration::from_secs(60);

/// Between walks to ourselves.
const SETTLE_AGAIN: Duration = Duration::from_secs(30 * 60);

/// Wait before the second walk to ourselves that found nobody; it doubles up to [`LONELY_MAX`] times.
const LONELY: Duration = Duration::from_secs(5);
const LONELY_MAX: u32 = 6;

/// Time for a router's name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Between looks for what nobody has repeated.
const EXPIRE_AGAIN: Duration = Duration::from_secs(5 * 60);

impl Dht {
    pub(super) fn resolve_routers(&mut self) {
        for (host, port) in self.config.routers.clone() {
            let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            if let Ok(ip) = literal {
                let addr = canonical(SocketAddr::new(ip, port));
                if is_endpoint(addr)
                    && let Some(network) = self.networks[Side::of(addr) as usize].as_mut()
                {
                    // Who names an address means that node, and may as well be its neighbour.
                    network.hint(Hint { id: None, addr, router: false });
                }
                continue;
            }
            self.names_count += 1;
            let id = ExchangeId(u64::from(EXCHANGE_TAG) << 56 | self.names_count);
            self.names.insert(id, port);
            let (purpose, timeout) = (SocketPurpose::Dns, RESOLVE_TIMEOUT);
            self.outputs.push_back(Output::Resolve(ResolveRequest { id, purpose, host, timeout }));
        }
    }

    pub(super) fn is_router(&self, side: Side, addr: SocketAddr) -> bool {
        let hints = self.networks[side as usize].iter().flat_map(|network| &network.hints);
        hints.into_iter().any(|hint| hint.router && hint.addr == addr)
    }

    /// A step of upkeep, and when the next one is.
    pub(super) fn keep_up(&mut self, side: Side, now: Instant) {
        let network = self.network(side);
        let settled = network.settled.is_some_and(|at| now.saturating_since(at) < SETTLE_AGAIN);
        let mut next = STEP;
        if network.settling {
            next = REST;
        } else if !settled || network.table.len() == 0 {
            self.settle(side, now);
            next = REST;
        } else if let Some(bits) = network.table.refresh(FRESH, now) {
            let own = network.table.own();
            let target = random_beside(own, bits, &mut self.rng);
            self.start_walk(side, target, (Goal::Nodes, Owner::Refresh), K, now);
        } else if let Some(oldest) = network.table.oldest() {
            let silent = now.saturating_since(oldest.seen);
            if silent >= FRESH && self.contacts.allow(oldest.addr, false, now) {
                let to = (oldest.addr, Some(oldest.id));
                self.send(to, &krpc::Query::Ping, Purpose::Ping, now);
            } else {
                next = FRESH.saturating_sub(silent).clamp(STEP, REST);
            }
        }
        // Spread, so that nodes that were started together don't stay in step.
        let jitter_ms = self.rng.below(1000);
        let next = now.after(next + Duration::from_millis(jitter_ms.into()));
        if self.timers.get(Timer::Upkeep(side)).is_none() {
            self.timers.set(Timer::Upkeep(side), Some(next));
        }
    }

    /// Our neighbours shall know us.
    fn settle(&mut self, side: Side, now: Instant) {
        let network = self.network(side);
        network.settling = true;
        let own = network.table.own();
        if network.lonely > 0 && network.hints.is_empty() {
            self.resolve_routers();
        }
        self.start_walk(side, own, (Goal::Nodes, Owner::Neighbours), K, now);
    }

    /// An address has come while we know few.
    pub(super) fn settle_soon(&mut self, side: Side, now: Instant) {
        let network = self.network(side);
        if network.table.len() == 0 && !network.settling {
            network.lonely = 0;
            self.timers.set(Timer::Upkeep(side), Some(now));
        }
    }

    pub(super) fn on_settled(&mut self, side: Side, found: bool, now: Instant) {
        let network = self.network(side);
        network.settling = false;
        if found {
            network.lonely = 0;
            network.settled = Some(now);
            self.timers.set(Timer::Upkeep(side), Some(now.after(STEP)));
        } else {
            let wait = LONELY * (1 << network.lonely.min(LONELY_MAX));
            network.lonely += 1;
            network.settled = None;
            self.timers.set(Timer::Upkeep(side), Some(now.after(wait)));
        }
    }

    /// Drops what others stored here and have not repeated.
    pub(super) fn expire(&mut self, now: Instant) {
        let mut left = false;
        for side in self.sides() {
            let network = self.network(side);
            network.peers.expire(now);
            network.items.expire(now);
            left |= network.peers.torrents() + network.items.len() > 0;
        }
        if left {
            self.expire_later(now);
        }
    }

    pub(super) fn expire_later(&mut self, now: Instant) {
        if self.timers.get(Timer::Expire).is_none() {
            self.timers.set(Timer::Expire, Some(now.after(EXPIRE_AGAIN)));
        }
    }
}
