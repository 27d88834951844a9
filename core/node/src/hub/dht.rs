//! The hub and the DHT: which torrents are announced there, and whom shards are told of.
//!
//! Source: BEP 5, 27 (nothing of private torrents), 52 (a hybrid is announced by both of its names).

use core::time::Duration;
use std::net::SocketAddr;

use base::{InfoHash, Instant, Rng, SwarmId, TorrentId};
use discovery::dht::{self, Announce, Dht, Query, QueryId};
use torrent::peers::Source;

use super::{Config, Event, Hub, Output};
use crate::message::{Phase, ToShard};
use crate::peer_source::may_name_peers;

/// A node of the DHT, as the program wants it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to begin when no node is known: names or address literals, with their ports.
    pub routers: Vec<(String, u16)>,
    /// It asks and answers nobody (BEP 43).
    pub read_only: bool,
    /// What [`Hub::save_dht`] gave in an earlier run, and how long ago.
    pub saved: Option<(Vec<u8>, Duration)>,
}

impl Hub {
    pub(super) fn new_dht(config: &Config, rng: &mut Rng, now: Instant) -> Option<Dht> {
        let settings = config.dht.clone()?;
        let machine = dht::Config {
            families: config.families,
            read_only: settings.read_only,
            routers: settings.routers,
            ..dht::Config::default()
        };
        let mut dht = Dht::new(machine, rng.fork(), now);
        if let Some((saved, age)) = settings.saved {
            dht.restore(&saved, age, now);
        }
        Some(dht)
    }

    /// Asks the DHT; [`Event::Dht`] answers. `None`: there is none.
    pub fn ask_dht(&mut self, query: Query, now: Instant) -> Option<QueryId> {
        let id = self.dht.as_mut()?.ask(query, now);
        self.forward_dht();
        Some(id)
    }

    /// How the DHT does, if there is one.
    pub fn dht_stats(&self, now: Instant) -> Option<dht::Stats> {
        Some(self.dht.as_ref()?.stats(now))
    }

    /// What the DHT would like to know again in the next run.
    pub fn save_dht(&self, now: Instant) -> Option<Vec<u8>> {
        Some(self.dht.as_ref()?.save(now))
    }

    /// Announces a torrent that is public and here, or tells that it is complete now.
    pub(super) fn announce_in_dht(&mut self, torrent: TorrentId, now: Instant) {
        let (Some(dht), Some(item)) = (&mut self.dht, self.catalogue.get(torrent)) else { return };
        if item.private || item.removal.is_some() || self.config.listen_port == 0 {
            return;
        }
        let seed = item.status.phase == Phase::Seeding;
        // The other family has no router that translates; but then it has the same port in most cases.
        let port = self.lan.other_port().unwrap_or(self.config.listen_port);
        let announce = Announce { port, implied_port: false, seed };
        for name in item.info_hashes.in_swarms() {
            dht.announce(name, announce, now);
        }
        self.forward_dht();
    }

    /// It is not here any more, or must not be known.
    pub(super) fn withdraw_from_dht(&mut self, torrent: TorrentId) {
        let (Some(dht), Some(item)) = (&mut self.dht, self.catalogue.get(torrent)) else { return };
        item.info_hashes.in_swarms().for_each(|name| dht.withdraw(name));
    }

    /// A swarm is short of addresses.
    pub(super) fn want_dht_peers(&mut self, torrent: TorrentId, now: Instant) {
        let (Some(dht), Some(item)) = (&mut self.dht, self.catalogue.get(torrent)) else { return };
        if item.private || item.removal.is_some() {
            return;
        }
        item.info_hashes.in_swarms().for_each(|name| dht.want_peers(name, now));
        self.forward_dht();
    }

    /// Somebody whom we talk to, or whom the user names, has a node there, or may have one.
    pub fn add_dht_node(&mut self, addr: SocketAddr, now: Instant) {
        if let Some(dht) = &mut self.dht {
            dht.add_node(addr, now);
        }
        self.forward_dht();
    }

    /// Passes on what the DHT wants.
    pub(super) fn forward_dht(&mut self) {
        while let Some(output) = self.dht.as_mut().and_then(Dht::poll_output) {
            let output = match output {
                dht::Output::Datagram(to, bytes) => Output::Datagram(to, bytes),
                dht::Output::Resolve(request) => Output::Resolve(request),
                dht::Output::Peers(name, addrs) => {
                    let Some((shard, swarm)) = self.swarm_named(name) else { continue };
                    Output::ToShard(shard, ToShard::Peers(swarm, addrs, Source::Dht))
                }
                dht::Output::Answer(id, answer) => Output::Event(Event::Dht(id, answer)),
                dht::Output::ExternalAddr(addr) => {
                    self.on_external_addr(addr);
                    continue;
                }
            };
            self.outputs.push_back(output);
        }
    }

    /// The swarm of this name, if the DHT may name its peers.
    fn swarm_named(&self, name: InfoHash) -> Option<(usize, SwarmId)> {
        let torrent = self.catalogue.by_hash(name)?;
        let item = self.catalogue.get(torrent)?;
        let v2 = item.info_hashes.in_v2_swarm() == Some(name);
        may_name_peers(Source::Dht, item.private, self.config.announce)
            .then_some((item.shard, SwarmId { torrent, v2 }))
    }
}
