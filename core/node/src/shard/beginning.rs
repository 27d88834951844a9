//! How torrents begin: at once, or by name alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use base::{Bitfield, Instant, TorrentId};
use storage::digests::Digests;
use storage::layout::Layout;
use storage::store::{self, Store};
use torrent::peers::Source;
use torrent::picker::Order;
use torrent::swarm::{self, CloseReason, Shape, SuperSeed, Swarm};

use super::{Entry, Output, Shard};
use crate::message::Phase;
use crate::spec::{MagnetSpec, TorrentSpec};

impl Shard {
    /// Takes a torrent.
    pub(super) fn add(&mut self, torrent: TorrentId, spec: TorrentSpec, now: Instant) {
        let config = self.swarm_config(spec.private, spec.super_seed);
        let mut swarm = Swarm::new(shape(&spec), config, self.rng.fork());
        self.tell_what_we_know(&mut swarm);
        self.place(torrent, swarm, spec, now);
    }

    /// Takes a torrent of which only the name is known.
    pub(super) fn seek(&mut self, torrent: TorrentId, spec: &MagnetSpec, now: Instant) {
        let config = self.swarm_config(false, SuperSeed::Auto);
        let mut swarm = Swarm::seeking(spec.info_hashes, config, self.rng.fork(), now);
        self.tell_what_we_know(&mut swarm);
        swarm.add_peers(&spec.peers, Source::User, now);
        swarm.add_peers(&spec.linked_peers, Source::Link, now);
        let nothing = store::Spec {
            torrent,
            info_hash: spec.info_hashes.first(),
            root: PathBuf::new(),
            layout: Layout::new(Vec::new(), 1),
            digests: Digests::default(),
            writable: false,
            recheck: false,
        };
        let store = Store::closed(nothing, self.config.store);
        self.insert(torrent, Entry::new(swarm, store, Phase::Seeking), now);
    }

    /// Goes on with what was sought: its connections stay, unless it is private.
    pub(super) fn begin(&mut self, torrent: TorrentId, spec: TorrentSpec, now: Instant) {
        let Some(entry) = self.torrents.get_mut(&torrent).filter(|entry| !entry.removing) else {
            return;
        };
        if spec.private {
            // They may have come from anywhere; of a private torrent only the tracker names peers.
            entry.swarm.stop(now, &mut self.pool);
            self.settle(torrent, now);
            self.torrents.remove(&torrent);
            self.give_up_dials(torrent);
            return self.add(torrent, spec, now);
        }
        let entry = self.torrents.remove(&torrent).expect("just seen");
        let mut swarm = entry.swarm;
        swarm.on_shape(shape(&spec));
        self.place(torrent, swarm, spec, now);
    }

    /// Ends the dials of a torrent, those that wait and those under way.
    fn give_up_dials(&mut self, torrent: TorrentId) {
        self.dials_waiting.retain(|&(other, _)| other != torrent);
        let of_torrent = self.conns.iter().filter(|(_, conn)| conn.torrent == torrent);
        let dialled = of_torrent.filter_map(|(&conn, of)| Some((of.dial_until?, conn)));
        for dial in dialled.collect::<Vec<_>>() {
            self.dials.remove(&dial);
            self.end(dial.1);
            self.outputs.push_back(Output::Close(dial.1, CloseReason::Stopped));
        }
    }

    fn swarm_config(&self, private: bool, super_seed: SuperSeed) -> swarm::Config {
        let mut config = swarm::Config::new(self.config.peer_id, self.config.client.clone());
        config.listen_port = self.config.listen_port;
        config.diary = self.diary;
        config.super_seed = super_seed;
        config.dht = self.config.dht && !private;
        config.pex = self.config.pex && !private;
        config
    }

    fn tell_what_we_know(&self, swarm: &mut Swarm) {
        swarm.set_ahead(self.config.limits.up.ahead_bytes());
        if let Some(ip) = self.external {
            let port = self.config.listen_port.unwrap_or_default();
            swarm.set_external(SocketAddr::new(ip, port));
        }
    }

    /// Gives a swarm that knows its torrent the files.
    fn place(&mut self, torrent: TorrentId, mut swarm: Swarm, spec: TorrentSpec, now: Instant) {
        let layout = spec.layout();
        let nothing = Bitfield::empty(layout.piece_count());
        let order = if spec.sequential { Order::Sequential } else { Order::Rarest };
        swarm.choose(if spec.writable { layout.wanted_pieces() } else { nothing }, order);
        swarm.add_peers(&spec.peers, Source::User, now);
        let files = store::Spec {
            torrent,
            info_hash: spec.info_hashes.first(),
            root: spec.root,
            layout,
            digests: spec.digests,
            writable: spec.writable,
            recheck: spec.recheck,
        };
        let mut entry = Entry::new(swarm, Store::new(files, self.config.store), Phase::Opening);
        entry.total_bytes = spec.total_bytes;
        entry.writable = spec.writable;
        self.insert(torrent, entry, now);
    }

    fn insert(&mut self, torrent: TorrentId, entry: Entry, now: Instant) {
        let before = self.torrents.insert(torrent, entry);
        assert!(before.is_none(), "the hub gives every torrent a name of its own");
        self.settle(torrent, now);
    }
}

fn shape(spec: &TorrentSpec) -> Shape {
    Shape {
        info_hashes: spec.info_hashes,
        sizes: spec.layout().sizes().clone(),
        trees: spec.digests.trees().map(Arc::clone),
        info: spec.info.clone(),
    }
}
