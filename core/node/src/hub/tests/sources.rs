//! Which torrents the DHT hears of, and what becomes of magnet links.

use super::*;
use crate::hub::DhtSettings;
use crate::spec::MagnetSpec;

/// A hub with a node of the DHT.
fn with_dht() -> Rig {
    let mut rig = rig(None);
    let dht = DhtSettings { routers: Vec::new(), read_only: false, saved: None };
    let config = Config { dht: Some(dht), ..rig.hub.config.clone() };
    rig.hub = Hub::new(config, Rng::from_seed(0), Instant::START);
    rig
}

fn announced(rig: &Rig) -> usize {
    rig.hub.dht_stats(rig.now).unwrap().announced
}

fn magnet(names: InfoHashes) -> MagnetSpec {
    MagnetSpec {
        info_hashes: names,
        trackers: Vec::new(),
        linked_peers: Vec::new(),
        peers: Vec::new(),
    }
}

/// A torrent that only the DHT may name peers of.
fn quiet(n: u8, private: bool) -> TorrentSpec {
    TorrentSpec { trackers: Vec::new(), private, ..spec(n, SeedGoal::Forever) }
}

#[test]
fn the_dht_hears_of_public_torrents_by_all_their_names_while_they_are_here() {
    let hybrid = InfoHashes::hybrid(InfoHash([1; 20]), InfoHashV2([2; 32]));
    for (names, private, expected) in [
        (InfoHashes::v1(InfoHash([1; 20])), false, 1),
        (InfoHashes::v2(InfoHashV2([2; 32])), false, 1),
        (hybrid, false, 2),
        (hybrid, true, 0),
    ] {
        let mut rig = with_dht();
        let spec = TorrentSpec { info_hashes: names, ..quiet(1, private) };
        rig.hub.add(spec, rig.now).unwrap();
        assert_eq!(announced(&rig), 0, "its files are not open yet");
        rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
        rig.says(ToHub::WantPeers(TorrentId(0)));
        assert_eq!(announced(&rig), expected, "{names:?} private {private}");
        rig.hub.remove(TorrentId(0), rig.now);
        assert_eq!(announced(&rig), 0);
    }
}

#[test]
fn a_sought_torrent_is_announced_at_once_and_no_more_when_it_turns_out_private() {
    for (private, expected) in [(false, 1), (true, 0)] {
        let mut rig = with_dht();
        rig.hub.seek(magnet(InfoHashes::v1(InfoHash([1; 20]))), rig.now).unwrap();
        assert_eq!((rig.hear().as_str(), announced(&rig)), ("0<seek0", 1));
        assert!(rig.hub.begin(TorrentId(0), quiet(1, private), rig.now));
        assert_eq!(rig.hear(), "0<begin0");
        rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
        assert_eq!(announced(&rig), expected, "private {private}");
    }
}

#[test]
fn a_torrent_is_sought_once_and_is_not_begun_twice_by_its_other_name() {
    let mut rig = rig(None);
    let (v1, v2) = (InfoHash([1; 20]), InfoHashV2([2; 32]));
    rig.hub.seek(magnet(InfoHashes::v1(v1)), rig.now).unwrap();
    assert_eq!(rig.hub.seek(magnet(InfoHashes::v1(v1)), rig.now), None);
    rig.hub.seek(magnet(InfoHashes::v2(v2)), rig.now).unwrap();
    let hybrid = || TorrentSpec { info_hashes: InfoHashes::hybrid(v1, v2), ..quiet(1, false) };
    assert!(!rig.hub.begin(TorrentId(0), hybrid(), rig.now), "the other has the second name");
    rig.hub.remove(TorrentId(1), rig.now);
    rig.says(ToHub::Removed(TorrentId(1)));
    assert!(rig.hub.begin(TorrentId(0), hybrid(), rig.now));
    rig.hear();
    assert_eq!(rig.handshake(2), "0<incoming0", "found by the name that it had not");
}

#[test]
fn trackers_of_a_link_are_told_at_once_and_what_is_left_when_it_is_known() {
    let mut rig = rig(None);
    let trackers = vec![vec!["http://tracker.example/announce".into()]];
    let names = InfoHashes::v1(InfoHash([1; 20]));
    rig.hub.seek(MagnetSpec { trackers, ..magnet(names) }, rig.now).unwrap();
    assert_eq!(rig.hear(), "0<seek0 started!");
    rig.tracker_answers();
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Seeking, 0, 0)));
    assert!(rig.hub.begin(TorrentId(0), spec(1, SeedGoal::None), rig.now));
    assert_eq!(rig.hear(), "0<begin0");
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Seeding, TOTAL, 0)));
    let heard = rig.says(ToHub::Settled(TorrentId(0)));
    assert_eq!(heard, "settled0 goal0 0<remove0 completed!");
}

#[test]
fn a_private_torrent_is_told_to_its_tracker_anew_and_with_the_key_that_stays() {
    let mut rig = rig(None);
    let trackers = vec![vec!["http://tracker.example/announce".into()]];
    let names = InfoHashes::v1(InfoHash([1; 20]));
    rig.hub.seek(MagnetSpec { trackers, ..magnet(names) }, rig.now).unwrap();
    assert_eq!(rig.hear(), "0<seek0 started!");
    rig.tracker_answers();
    let private = TorrentSpec { private: true, ..spec(1, SeedGoal::Forever) };
    assert!(rig.hub.begin(TorrentId(0), private, rig.now));
    assert_eq!(rig.hear(), "0<begin0 stopped!");
    rig.tracker_answers();
    let open = ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0));
    assert_eq!(rig.says(open), "started!");
}

#[test]
fn who_has_everything_when_the_link_is_understood_completes_nothing() {
    let mut rig = rig(None);
    let trackers = vec![vec!["http://tracker.example/announce".into()]];
    let names = InfoHashes::v1(InfoHash([1; 20]));
    rig.hub.seek(MagnetSpec { trackers, ..magnet(names) }, rig.now).unwrap();
    rig.hear();
    rig.tracker_answers();
    assert!(rig.hub.begin(TorrentId(0), spec(1, SeedGoal::Forever), rig.now));
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Seeding, 0, 0)));
    assert_eq!(
        rig.says(ToHub::Settled(TorrentId(0))),
        "0<begin0 settled0".trim_start_matches("0<begin0 ")
    );
}
