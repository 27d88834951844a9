//! Torrents that begin as magnet links: what they are is asked of peers, then they are as any other.

use std::time::Instant;

use base::TorrentId;
use discovery::dht::{Answer, QueryId};
use node::message::Metadata;
use serde_json::json;
use wire::magnet::{Magnet, Topic};
use wire::metainfo::Metainfo;
use wire::printable;

use super::{Item, Session};
use crate::alike;
use crate::failure::{Failure, words};
use crate::{seek, units};

impl Session<'_> {
    /// Begins to ask peers what a link stands for.
    ///
    /// # Errors
    /// Nobody reads what we say any more, or the link names a key that tells of no torrent.
    pub(crate) fn seek(&mut self, magnet: Magnet) -> Result<(), Failure> {
        if let Topic::Mutable { public_key, salt } = &magnet.topic {
            let query = seek::key_query(public_key, salt);
            let id = self.running.node.ask_dht(query).ok_or_else(seek::no_dht)?;
            self.out.note("asking the DHT which torrent the key stands for");
            self.lookups.insert(id, (magnet, None));
            self.open += 1;
            return Ok(());
        }
        let discovery = &self.orders.network.discovery;
        let spec = seek::spec(&magnet, discovery)?;
        let info_hashes = spec.info_hashes;
        let alone = spec.linked_peers.is_empty() && spec.peers.is_empty();
        let name = magnet.name.clone().unwrap_or_else(|| info_hashes.first().to_string());
        if discovery.no_discovery && alone {
            self.out.warn(&format!(
                "{name}: with --no-discovery and no --peer, nobody is asked what it is; waiting for peers that connect to us"
            ));
        }
        let Some(torrent) = self.running.node.seek(spec) else {
            self.out.warn(&format!("the same torrent was given twice: {name}"));
            return Ok(());
        };
        let item = Item::new(info_hashes.first(), name, self.orders.root.clone());
        self.out.note(&format!("{}: asking peers what it is", item.name));
        self.out.event(&item.event("seeking", &[]))?;
        self.items.insert(torrent, item);
        self.magnets.insert(torrent, magnet);
        self.open += 1;
        Ok(())
    }

    /// The DHT tells which torrent a key stands for (BEP 46).
    pub(super) fn on_dht(&mut self, id: QueryId, answer: Answer) -> Result<(), Failure> {
        let Some((_, newest)) = self.lookups.get_mut(&id) else { return Ok(()) };
        match answer {
            Answer::Mutable(item) => *newest = Some(item),
            Answer::Done(_) => {
                let (magnet, newest) = self.lookups.remove(&id).expect("just seen");
                self.open -= 1;
                let Some(magnet) = seek::named(&magnet, newest.as_ref()) else {
                    self.lost_lookups += 1;
                    self.out.error(&seek::unknown_key());
                    return Ok(());
                };
                if self.stop_until.is_none() {
                    self.seek(magnet)?;
                }
            }
            Answer::Peers(_)
            | Answer::Immutable(_)
            | Answer::Nodes(_)
            | Answer::Samples { .. }
            | Answer::Scrape { .. } => {}
        }
        Ok(())
    }

    /// Peers told what a torrent is.
    pub(super) fn on_metadata(
        &mut self,
        torrent: TorrentId,
        metadata: &Metadata,
    ) -> Result<(), Failure> {
        let Some(magnet) = self.magnets.remove(&torrent) else { return Ok(()) };
        if self.stop_until.is_some() {
            return Ok(());
        }
        let metainfo = Metainfo::of_magnet(&metadata.info, &metadata.layers, &magnet);
        let metainfo = match metainfo {
            Ok(metainfo) => metainfo,
            Err(error) => {
                let why = format!("the torrent is of no use: {}", words(&error.to_string()));
                return self.fail(torrent, &why, Some("whoever made it has to make it again"));
            }
        };
        let pool = self.running.disk();
        let spec = self.orders.spec_of_magnet(&metainfo, &magnet.select, pool, self.out);
        let mut spec = match spec {
            Ok(spec) => spec,
            Err(Failure::Told { message, hint }) => {
                return self.fail(torrent, &message, hint.as_deref());
            }
            Err(other) => return Err(other),
        };
        self.find_alike(&mut spec)?;
        let Some(item) = self.items.get_mut(&torrent) else { return Ok(()) };
        let took = item.added.elapsed();
        item.become_known(&spec);
        let (wanted, files) = item.files;
        let count = match wanted < files {
            true => format!("{wanted} of {}", units::count(files, "file")),
            false => units::count(files, "file"),
        };
        let size = units::size(item.wanted_bytes);
        let text = format!("{}: {count}, {size}, known after {}", item.name, units::time(took));
        self.out.note(&text);
        let added = item.added_event();
        self.out.event(&added)?;
        if !self.running.node.begin(torrent, spec) {
            let why = "it is the same torrent as another one of this command";
            return self.fail(torrent, why, None);
        }
        Ok(())
    }

    /// Looks for its files in other downloads.
    pub(super) fn find_alike(&mut self, spec: &mut node::spec::TorrentSpec) -> Result<(), Failure> {
        if !spec.writable {
            return Ok(());
        }
        let name = printable(spec.name.as_bytes(), 200);
        match alike::find(spec, self.running.disk()) {
            Ok((0, _)) => {}
            Ok((files, bytes)) => {
                let (count, size) = (units::count(files, "file"), units::size(bytes));
                self.out.note(&format!(
                    "{name}: {count} of it, {size}, found in other downloads; it is copied from there and compared"
                ));
                let info_hash = spec.info_hashes.first().to_string();
                self.out.event(&json!({
                    "event": "found", "info_hash": info_hash, "name": name, "files": files,
                    "bytes": bytes,
                }))?;
            }
            // They are fetched, then.
            Err(error) => self.out.log(crate::log::Level::Warn, &error.to_string()),
        }
        Ok(())
    }
}

impl Item {
    /// One of which only the name is known.
    pub(super) fn new(info_hash: base::InfoHash, name: String, place: std::path::PathBuf) -> Self {
        Self {
            info_hash,
            name,
            place,
            total_bytes: 0,
            wanted_bytes: 0,
            files: (0, 0),
            added: Instant::now(),
            status: node::message::TorrentStatus {
                phase: node::message::Phase::Seeking,
                ..Default::default()
            },
            settled: false,
            failed: false,
            gone: false,
            lack_said: false,
            trackers: std::collections::BTreeMap::new(),
            meter: crate::progress::Meter::default(),
            reported: None,
            settled_at: None,
            trouble: None,
            known: (Vec::new(), Vec::new()),
            view: None,
            looking: false,
        }
    }

    /// It is known what it is.
    pub(super) fn become_known(&mut self, spec: &node::spec::TorrentSpec) {
        self.info_hash = spec.info_hashes.first();
        self.name = printable(spec.name.as_bytes(), 200);
        self.place = spec.root.join(spec.top());
        self.total_bytes = spec.total_bytes;
        self.wanted_bytes = spec.wanted_bytes();
        self.files = spec.file_counts();
        self.added = Instant::now();
        if !spec.private {
            // What only the members of a private tracker have is not for other swarms.
            self.known = (alike::known_files(spec), spec.collections.clone());
        }
    }

    pub(super) fn added_event(&self) -> serde_json::Value {
        self.event(
            "added",
            &[
                ("total_bytes", self.total_bytes.into()),
                ("wanted_bytes", self.wanted_bytes.into()),
                ("path", self.place.to_string_lossy().into()),
            ],
        )
    }
}
