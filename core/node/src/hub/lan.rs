//! The hub and its surroundings: neighbours (BEP 14) and the router.
//!
//! Which torrents neighbours hear of, and whom of them shards are told, is decided here: never of private
//! ones (BEP 27). What the router says of our address counts as long as nobody outside has said more.

use std::net::SocketAddr;

use base::{ExchangeId, HttpError, HttpReply, InfoHash, Instant, Rng, TorrentId};
use discovery::lsd::{self, Lsd};
use discovery::port_mapping::{self, Gateway, Mapped, PortMapper, is_behind_nat};
use torrent::peers::Source;

use super::{Config, Event, Hub, Output};
use crate::message::ToShard;
use crate::peer_source::may_name_peers;

/// From which of the sockets a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// From a group of local discovery.
    Neighbour,
    /// From the one for the router.
    Router,
}

/// The machines, as far as they are switched on.
#[derive(Debug)]
pub(super) struct Lan {
    lsd: Option<Lsd>,
    port_mapper: Option<PortMapper>,
    /// The port that the router gave us, if it is another than ours.
    other_port: Option<u16>,
    /// It changed, and the DHT has not been told.
    port_changed: bool,
    /// Neighbours, which may have nodes of the DHT.
    hints: Vec<SocketAddr>,
}

impl Lan {
    pub(super) fn new(config: &Config, rng: &mut Rng) -> Self {
        let (port, families) = (config.listen_port, config.families);
        let lsd = lsd::Config { port, families };
        let mapping = config.port_mapping.filter(|_| families.v4 && port != 0);
        Self {
            lsd: (config.lsd && port != 0).then(|| Lsd::new(lsd, rng.fork())),
            port_mapper: mapping.map(|lifetime| {
                PortMapper::new(port_mapping::Config { port, lifetime }, rng.fork())
            }),
            other_port: None,
            port_changed: false,
            hints: Vec::new(),
        }
    }

    /// Where peers of the internet find us, if that is not where we listen.
    pub(super) fn other_port(&self) -> Option<u16> {
        self.other_port
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let lsd = self.lsd.as_ref().and_then(Lsd::deadline);
        let mapper = self.port_mapper.as_ref().and_then(PortMapper::deadline);
        lsd.into_iter().chain(mapper).min()
    }
}

impl Hub {
    /// A datagram came to one of the sockets for the local network.
    pub fn on_lan_datagram(
        &mut self,
        speaker: Speaker,
        from: SocketAddr,
        bytes: &[u8],
        now: Instant,
    ) {
        match (speaker, &mut self.lan.lsd, &mut self.lan.port_mapper) {
            (Speaker::Neighbour, Some(lsd), _) => lsd.on_datagram(from, bytes, now),
            (Speaker::Router, _, Some(mapper)) => mapper.on_datagram(from, bytes, now),
            (Speaker::Neighbour, None, _) | (Speaker::Router, _, None) => {}
        }
        self.forward_lan();
        self.tell_dht(now);
    }

    /// This is the default router, and our address on the way to it.
    pub fn on_gateway(&mut self, gateway: Option<Gateway>, now: Instant) {
        if let Some(mapper) = &mut self.lan.port_mapper {
            mapper.on_gateway(gateway, now);
        }
        self.forward_lan();
    }

    /// Leaves the router as it was: [`Output::Stopped`] comes within two seconds. Torrents are to be
    /// removed before.
    pub fn stop(&mut self, now: Instant) {
        match &mut self.lan.port_mapper {
            Some(mapper) => mapper.release(now),
            None => self.outputs.push_back(Output::Stopped),
        }
        self.forward_lan();
    }

    pub(super) fn on_router_http(
        &mut self,
        id: ExchangeId,
        result: Result<HttpReply, HttpError>,
        now: Instant,
    ) {
        if let Some(mapper) = &mut self.lan.port_mapper {
            mapper.on_http(id, result, now);
        }
        self.forward_lan();
        self.tell_dht(now);
    }

    pub(super) fn on_lan_deadline(&mut self, now: Instant) {
        if let Some(lsd) = &mut self.lan.lsd {
            lsd.on_deadline(now);
        }
        if let Some(mapper) = self.lan.port_mapper.as_mut()
            && mapper.deadline().is_some_and(|at| at <= now)
        {
            mapper.on_deadline(now);
        }
        self.forward_lan();
        self.tell_dht(now);
    }

    /// Neighbours hear of it from now on, unless it is private or leaving.
    pub(super) fn tell_neighbours(&mut self, torrent: TorrentId, now: Instant) {
        let Some(item) = self.catalogue.get(torrent) else { return };
        if item.private || item.removal.is_some() {
            return;
        }
        if let Some(lsd) = &mut self.lan.lsd {
            item.info_hashes.in_swarms().for_each(|name| lsd.add(name, now));
        }
    }

    pub(super) fn leave_neighbours(&mut self, torrent: TorrentId) {
        let Some(item) = self.catalogue.get(torrent) else { return };
        if let Some(lsd) = &mut self.lan.lsd {
            item.info_hashes.in_swarms().for_each(|name| lsd.remove(name));
        }
    }

    fn forward_lan(&mut self) {
        while let Some(output) = self.lan.lsd.as_mut().and_then(Lsd::poll_output) {
            match output {
                lsd::Output::Announce { v6, bytes } => {
                    self.outputs.push_back(Output::Announce { v6, bytes });
                }
                lsd::Output::Peer(name, addr) => self.on_neighbour(name, addr),
            }
        }
        while let Some(output) = self.lan.port_mapper.as_mut().and_then(PortMapper::poll_output) {
            let output = match output {
                port_mapping::Output::FindGateway => Output::FindGateway,
                port_mapping::Output::Datagram { ours, to, bytes } => {
                    Output::ToRouter { ours, to, bytes }
                }
                port_mapping::Output::Http(request) => Output::Http(request),
                port_mapping::Output::CancelHttp(id) => Output::CancelHttp(id),
                port_mapping::Output::Mapped(mapped) => {
                    self.on_port_mapped(mapped);
                    Output::Event(Event::PortMapped(mapped))
                }
                port_mapping::Output::Failed(why) => {
                    self.trackers.set_mapped_port(None);
                    self.lan.port_changed |= self.lan.other_port.take().is_some();
                    Output::Event(Event::PortMapFailed(why))
                }
                port_mapping::Output::Released => Output::Stopped,
            };
            self.outputs.push_back(output);
        }
    }

    /// A neighbour has one of our torrents.
    fn on_neighbour(&mut self, name: InfoHash, addr: SocketAddr) {
        self.lan.hints.push(addr);
        let Some(torrent) = self.catalogue.by_hash(name) else { return };
        let Some(item) = self.catalogue.get(torrent) else { return };
        if !may_name_peers(Source::Lan, item.private, self.config.announce) {
            return;
        }
        let mut swarms = item.swarms(torrent).into_iter().zip(item.info_hashes.in_swarms());
        if let Some((swarm, _)) = swarms.find(|(_, of)| *of == name) {
            let peers = ToShard::Peers(swarm, vec![addr], Source::Lan);
            self.outputs.push_back(Output::ToShard(item.shard, peers));
        }
    }

    /// Tells the DHT what it should know of that.
    fn tell_dht(&mut self, now: Instant) {
        for addr in core::mem::take(&mut self.lan.hints) {
            self.add_dht_node(addr, now);
        }
        if core::mem::take(&mut self.lan.port_changed) {
            for torrent in self.catalogue.ids() {
                self.announce_in_dht(torrent, now);
            }
        }
    }

    fn on_port_mapped(&mut self, mapped: Mapped) {
        let other = Some(mapped.tcp).filter(|port| *port != self.config.listen_port);
        self.lan.port_changed |= self.lan.other_port != other;
        self.lan.other_port = other;
        // Trackers are told the port on which the router lets peers in.
        self.trackers.set_mapped_port(Some(mapped.tcp));
        let outside = mapped.address.filter(|ip| match ip {
            std::net::IpAddr::V4(ip) => !is_behind_nat(*ip),
            std::net::IpAddr::V6(_) => true,
        });
        if let Some(addr) = outside.filter(|_| self.external_addr.is_none()) {
            self.on_external_addr(addr);
        }
    }
}
