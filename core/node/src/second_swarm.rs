//! What trackers say of the two swarms of a hybrid, as one word for the user.
//!
//! Source: our own design. It is the same tracker, and mostly it says the same of both; one that knows only
//! one of the two names works. So the first swarm speaks for both, unless it fails and the second works.

use std::collections::BTreeSet;

use base::{SwarmId, TorrentId};
use discovery::tracker_client::TrackerReport;

/// The trackers of hybrids that say different things; at most two entries a tracker.
#[derive(Debug, Default)]
pub(crate) struct SecondSwarms {
    first_fails: BTreeSet<(TorrentId, String)>,
    second_works: BTreeSet<(TorrentId, String)>,
}

impl SecondSwarms {
    /// Whether a report of a tracker of `swarms` (the first one first) is for the user.
    pub(crate) fn is_news(
        &mut self,
        swarms: &[SwarmId],
        swarm: SwarmId,
        tracker: &str,
        report: &TrackerReport,
    ) -> bool {
        let &[first, _] = swarms else { return true };
        let works = match report {
            TrackerReport::Working { .. } => true,
            TrackerReport::Failed { .. } => false,
            TrackerReport::Warning(_)
            | TrackerReport::Ignored(_)
            | TrackerReport::Scraped { .. }
            | TrackerReport::ScrapeFailed { .. } => return swarm == first,
        };
        let key = (swarm.torrent, tracker.to_owned());
        let set = |set: &mut BTreeSet<_>, is: bool, key: &(TorrentId, String)| match is {
            true => drop(set.insert(key.clone())),
            false => drop(set.remove(key)),
        };
        if swarm == first {
            set(&mut self.first_fails, !works, &key);
            works || !self.second_works.contains(&key)
        } else {
            set(&mut self.second_works, works, &key);
            self.first_fails.contains(&key)
        }
    }

    /// The torrent is gone.
    pub(crate) fn forget(&mut self, torrent: TorrentId) {
        self.first_fails.retain(|(other, _)| *other != torrent);
        self.second_works.retain(|(other, _)| *other != torrent);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn the_first_swarm_speaks_for_both_unless_the_second_alone_works() {
        // `1+`: the tracker works for the first swarm, `2-`: it fails for the second; a capital N is
        // for the user.
        for (told, expected) in [
            ("1+ 2+ 1+", "N.N"),
            ("1- 2-", "NN"),
            ("1- 2+ 1- 2+", "NN.N"),
            ("2+ 1- 1+ 1-", "..N."),
            ("2+ 2- 1-", "..N"),
        ] {
            let torrent = TorrentId(1);
            let swarms = [false, true].map(|v2| SwarmId { torrent, v2 });
            let mut seconds = SecondSwarms::default();
            let shown: String = told
                .split(' ')
                .map(|word| {
                    let report = if word.ends_with('+') {
                        let next_announce_in = Duration::ZERO;
                        TrackerReport::Working { seeders: None, leechers: None, next_announce_in }
                    } else {
                        TrackerReport::Failed { reason: "no".into(), retry_in: None }
                    };
                    let swarm = swarms[usize::from(word.starts_with('2'))];
                    if seconds.is_news(&swarms, swarm, "t", &report) { 'N' } else { '.' }
                })
                .collect();
            assert_eq!(shown, expected, "{told}");
            seconds.forget(torrent);
            assert!(seconds.first_fails.is_empty() && seconds.second_works.is_empty());
        }
    }
}
