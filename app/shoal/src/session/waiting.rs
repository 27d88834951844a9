//! Torrents that wait for others, whose files they share: see [`crate::alike`].

use std::time::{Duration, Instant};

use base::InfoHash;
use node::spec::TorrentSpec;
use wire::printable;

use super::Session;
use crate::alike::{self, Shared};
use crate::failure::Failure;
use crate::log::Level;
use crate::units;

/// How long a torrent waits for another that makes no progress.
const PATIENCE: Duration = Duration::from_secs(30);

/// A torrent that is added when another has what it has, or has failed.
#[derive(Debug)]
pub(super) struct Waiting {
    spec: TorrentSpec,
    other: InfoHash,
    /// What the other had when that changed last, and when it did.
    have_bytes: u64,
    moved: Instant,
}

impl Session<'_> {
    /// Adds torrents, each after the one that has much of it.
    pub(crate) fn add_all(&mut self, specs: Vec<TorrentSpec>) -> Result<(), Failure> {
        let waits = alike::waits(&specs);
        let names: Vec<_> = specs
            .iter()
            .map(|spec| (printable(spec.name.as_bytes(), 200), spec.info_hashes.first()))
            .collect();
        for (spec, wait) in specs.into_iter().zip(waits) {
            let Some(Shared { other, files, bytes }) = wait else {
                self.add_with_finds(spec)?;
                continue;
            };
            let name = printable(spec.name.as_bytes(), 200);
            let (files, size) = (units::count(files, "file"), units::size(bytes));
            let (other_name, other) = &names[other];
            self.out
                .note(&format!("{name} waits for {other_name}, which has {files} of it, {size}"));
            let (other, have_bytes, moved) = (*other, 0, Instant::now());
            self.waiting.push(Waiting { spec, other, have_bytes, moved });
        }
        Ok(())
    }

    /// Nobody waits for what does not get on.
    pub(super) fn judge_waiting(&mut self, now: Instant) -> Result<(), Failure> {
        let mut stalled = Vec::new();
        for waiting in &mut self.waiting {
            let other = self.items.values().find(|item| item.info_hash == waiting.other);
            let have_bytes = other.map_or(waiting.have_bytes, |item| item.status.wanted_have_bytes);
            if have_bytes != waiting.have_bytes {
                (waiting.have_bytes, waiting.moved) = (have_bytes, now);
            } else if now.duration_since(waiting.moved) > PATIENCE {
                stalled.push(waiting.other);
            }
        }
        stalled.into_iter().try_for_each(|other| self.start_waiting(other))
    }

    fn add_with_finds(&mut self, mut spec: TorrentSpec) -> Result<(), Failure> {
        self.find_alike(&mut spec)?;
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
        if files.is_empty() {
            return;
        }
        if let Err(error) = self.running.disk().remember_files(info_hash, files, collections) {
            self.out.log(Level::Warn, &error.to_string());
        }
    }
}
