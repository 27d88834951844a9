//! What the disk does to torrents, in words.

use std::path::Path;

use base::TorrentId;
use storage::job::DiskError;
use storage::watch::Doubt;

use super::{Purpose, Session};
use crate::disk_news;
use crate::failure::{Failure, words};
use crate::units;

impl Session<'_> {
    pub(super) fn on_trouble(
        &mut self,
        torrent: TorrentId,
        why: Option<&DiskError>,
    ) -> Result<(), Failure> {
        self.take_changes();
        let Some(item) = self.items.get_mut(&torrent) else { return Ok(()) };
        let name = &item.name;
        let Some(error) = why else {
            item.trouble = None;
            self.out.note(&format!("{name}: goes on, the disk works again"));
            return self.out.event(&item.event("trouble_over", &[]));
        };
        let status = &item.status;
        let missing_bytes = status.wanted_bytes.saturating_sub(status.wanted_have_bytes);
        let text = disk_news::trouble(error, missing_bytes, disk_news::free_bytes);
        self.out.warn(&format!("{name}: {text}"));
        item.trouble = Some(text);
        self.out.event(&item.event(
            "trouble",
            &[
                ("reason", words(&error.to_string()).into()),
                ("kind", disk_news::kind_name(error.kind).into()),
                ("path", error.path.to_string_lossy().into()),
            ],
        ))
    }

    pub(super) fn on_doubted(
        &mut self,
        torrent: TorrentId,
        path: &Path,
        why: Doubt,
    ) -> Result<(), Failure> {
        let Some(item) = self.items.get(&torrent) else { return Ok(()) };
        let (state, text) = disk_news::doubted(path, why);
        self.out.warn(&format!("{}: {text}", item.name));
        let path = path.to_string_lossy();
        let fields = [("path", path.into()), ("state", state.into())];
        self.out.event(&item.event("file_changed", &fields))
    }

    /// Pieces that were there are not any more.
    pub(super) fn on_lost(&mut self, torrent: TorrentId, pieces: u32) -> Result<(), Failure> {
        self.take_changes();
        let Some(item) = self.items.get_mut(&torrent) else { return Ok(()) };
        let count = units::count(pieces.into(), "piece");
        self.out.event(&item.event("pieces_lost", &[("pieces", pieces.into())]))?;
        match &self.purpose {
            Purpose::Get(_) => {
                item.settled = false;
                self.out.warn(&format!("{}: {count} lost; fetching what is missing", item.name));
                Ok(())
            }
            Purpose::Seed(data) if item.status.pieces_have == 0 => {
                let why = format!("nothing of it is left in {}", data.display());
                self.fail(torrent, &why, None)
            }
            Purpose::Seed(data) => {
                item.lack_said = true;
                self.out.warn(&format!(
                    "{}: {count} lost; only the other {} are served\n\
                     hint: `shoal get -o {}` fetches what is missing",
                    item.name,
                    item.status.pieces_have,
                    data.display(),
                ));
                Ok(())
            }
        }
    }
}
