//! What the hub is told of how a torrent does.

use base::{Bitfield, Instant, TorrentId};
use storage::store::Store;

use super::{Output, STATUS_EVERY, Shard};
use crate::message::{Phase, ToHub, TorrentStatus};

impl Shard {
    pub(super) fn say_status_now(&mut self, torrent: TorrentId, now: Instant) {
        if let Some(entry) = self.torrents.get_mut(&torrent) {
            entry.changed = true;
            entry.status_at = None;
            self.tell_status(torrent, now);
        }
    }

    pub(super) fn tell_status(&mut self, torrent: TorrentId, now: Instant) {
        let Some(entry) = self.torrents.get_mut(&torrent) else { return };
        if !entry.changed || entry.status_at.is_some_and(|at| at > now) {
            return;
        }
        entry.changed = false;
        entry.status_at = Some(now.after(STATUS_EVERY));
        let stats = entry.swarm.stats();
        entry.store.set_totals(stats.downloaded_bytes, stats.uploaded_bytes);
        entry.store.on_totals_told(now);
        let (downloaded_ever_bytes, uploaded_ever_bytes) = entry.store.totals();
        let small = |n: usize| u32::try_from(n).expect("bounded by the pieces");
        let phase = match entry.store.check_progress() {
            Some((done, total)) => Phase::Checking { done: small(done), total: small(total) },
            None => entry.phase,
        };
        let (have, layout) = (entry.store.have(), entry.store.layout());
        let checking = matches!(phase, Phase::Checking { .. });
        let status = TorrentStatus {
            phase,
            pieces_have: have.count(),
            pieces: have.len(),
            have_bytes: if checking { bytes_of(have, &entry.store) } else { entry.have_bytes },
            total_bytes: entry.total_bytes,
            wanted_have_bytes: if checking {
                layout.wanted_bytes_in(have)
            } else {
                entry.wanted_have_bytes
            },
            wanted_bytes: layout.wanted_bytes(),
            stats,
            downloaded_ever_bytes,
            uploaded_ever_bytes,
            was_complete: entry.store.was_complete(),
        };
        self.outputs.push_back(Output::ToHub(ToHub::Status(torrent, Box::new(status))));
    }
}

pub(super) fn bytes_of(have: &Bitfield, store: &Store) -> u64 {
    store.layout().sizes().total_in(have)
}
