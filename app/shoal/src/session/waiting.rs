//! Torrents that wait for others, whose files they share: see [`crate::alike`].

use base::InfoHash;
use node::spec::TorrentSpec;
use serde_json::json;
use wire::printable;

use super::Session;
use crate::alike;
use crate::failure::Failure;
use crate::log::Level;
use crate::units;

/// A torrent that is added when another has what it has, or has failed.
#[derive(Debug)]
pub(super) struct Waiting {
    spec: TorrentSpec,
    other: InfoHash,
}

impl Session<'_> {
    /// Adds torrents, each after those it shares files with.
    pub(crate) fn add_all(&mut self, specs: Vec<TorrentSpec>) -> Result<(), Failure> {
        let mut waits: Vec<Option<InfoHash>> = Vec::new();
        for (index, later) in specs.iter().enumerate() {
            let earlier = specs.iter().take(index).filter(|spec| spec.writable);
            let shared = earlier.map(|other| (other, alike::in_common(later, other)));
            let shared = shared.filter(|&(_, files)| files > 0);
            let found = shared.max_by_key(|&(_, files)| files);
            if let Some((other, files)) = found {
                let names = [later, other].map(|spec| printable(spec.name.as_bytes(), 200));
                let [name, other] = names;
                let files = units::count(files, "file");
                self.out.note(&format!("{name} waits for {other}, which has {files} of it"));
            }
            waits.push(found.map(|(other, _)| other.info_hashes.first()));
        }
        for (spec, wait) in specs.into_iter().zip(waits) {
            match wait {
                Some(other) => self.waiting.push(Waiting { spec, other }),
                None => self.add_with_finds(spec)?,
            }
        }
        Ok(())
    }

    fn add_with_finds(&mut self, mut spec: TorrentSpec) -> Result<(), Failure> {
        if spec.writable {
            let name = printable(spec.name.as_bytes(), 200);
            match alike::find(&mut spec, self.running.disk()) {
                Ok((0, _)) => {}
                Ok((files, bytes)) => {
                    let (count, size) = (units::count(files, "file"), units::size(bytes));
                    self.out.note(&format!(
                        "{name}: {count} of it, {size}, found in other downloads; copied from there"
                    ));
                    let info_hash = spec.info_hashes.first().to_string();
                    self.out.event(&json!({
                        "event": "found", "info_hash": info_hash, "name": name, "files": files,
                        "bytes": bytes,
                    }))?;
                }
                // They are fetched, then.
                Err(error) => self.out.log(Level::Warn, &error.to_string()),
            }
        }
        self.add(spec)
    }

    /// A torrent is complete, or will never be: those that waited for it need not any longer.
    pub(super) fn start_waiting(&mut self, other: InfoHash) -> Result<(), Failure> {
        let (ready, waiting) =
            core::mem::take(&mut self.waiting).into_iter().partition(|item| item.other == other);
        self.waiting = waiting;
        let ready: Vec<Waiting> = ready;
        if self.stop_until.is_none() {
            for item in ready {
                self.add_with_finds(item.spec)?;
            }
        }
        Ok(())
    }

    /// Remembers where the files of a complete torrent are, for others that share them.
    pub(super) fn remember_files(&self, info_hash: InfoHash, item: &super::Item) {
        let (files, collections) = &item.known;
        if let Err(error) = self.running.disk().remember_files(info_hash, files, collections) {
            self.out.log(Level::Warn, &error.to_string());
        }
    }
}
