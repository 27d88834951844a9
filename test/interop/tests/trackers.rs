//! Peers that know each other only from a tracker: opentracker over HTTP and UDP.

use std::time::Duration;

use interop::{
    Aria2, Client, Counts, Job, Libtorrent, Opentracker, Outcome, Rtorrent, Scheme, Shape,
    Transmission, assert_identical, create_torrent, scene, skip, subject,
};

const LIMIT: Duration = Duration::from_secs(90);

/// Lets `to` find `from` by the tracker and download from it.
fn meet(scheme: Scheme, from: &dyn Client, to: &dyn Client) -> Outcome {
    let missing = from.missing().or_else(|| to.missing()).or_else(Opentracker::missing);
    if let Some(reason) = missing {
        skip(&reason);
        return Ok(());
    }
    scene(LIMIT, |scene| {
        let content = Shape::ManyFiles.write(&scene.folder("content")?)?;
        let mut tracker = Opentracker::new()?;
        let torrent = create_torrent(scene, &content, 32_768, &[tracker.url(scheme)])?;
        tracker.serve(scene, &torrent.info_hash)?;

        let job = |folder| Job { torrent: &torrent.path, folder, peers: &[], trackers: true };
        let seed = from.seed(scene, &job(content.parent()?))?;
        tracker.wait_counts("an announce of the seed", |counts| counts.complete == 1)?;

        let download = scene.folder("download")?;
        let mut leech = to.leech(scene, &job(&download))?;
        leech.wait_complete()?;
        assert_identical(&content, &download, to.forgets_empty_files())?;
        // What others announce at their end is their affair.
        if to.name() == "shoal" {
            let left = Counts { complete: 1, downloaded: 1, incomplete: 0 };
            tracker.wait_counts("the events `completed` and `stopped`", |counts| counts == left)?;
        }
        if from.name() == "shoal" && to.name() == "shoal" {
            seed.process.stop()?;
            let nobody = Counts { complete: 0, downloaded: 1, incomplete: 0 };
            tracker.wait_counts("the event `stopped`", |counts| counts == nobody)?;
        }
        Ok(())
    })
}

#[test]
fn two_of_us_over_http() -> Outcome {
    meet(Scheme::Http, subject().as_ref(), subject().as_ref())
}

#[test]
fn two_of_us_over_udp() -> Outcome {
    meet(Scheme::Udp, subject().as_ref(), subject().as_ref())
}

#[test]
fn libtorrent_finds_us_over_http() -> Outcome {
    meet(Scheme::Http, subject().as_ref(), &Libtorrent::default())
}

#[test]
fn libtorrent_finds_us_over_udp() -> Outcome {
    meet(Scheme::Udp, subject().as_ref(), &Libtorrent::default())
}

#[test]
fn aria2_finds_us_over_http() -> Outcome {
    meet(Scheme::Http, subject().as_ref(), &Aria2)
}

#[test]
fn we_find_rtorrent_over_udp() -> Outcome {
    meet(Scheme::Udp, &Rtorrent, subject().as_ref())
}

#[test]
fn we_find_libtorrent_over_udp() -> Outcome {
    meet(Scheme::Udp, &Libtorrent::default(), subject().as_ref())
}

#[test]
fn we_find_transmission_over_http() -> Outcome {
    meet(Scheme::Http, &Transmission, subject().as_ref())
}

#[test]
fn we_find_aria2_over_http() -> Outcome {
    meet(Scheme::Http, &Aria2, subject().as_ref())
}

/// Without discovery a tracker in the torrent hears nothing.
#[test]
fn no_discovery_keeps_the_tracker_out() -> Outcome {
    let libtorrent = Libtorrent::default();
    if let Some(reason) = libtorrent.missing().or_else(Opentracker::missing) {
        skip(&reason);
        return Ok(());
    }
    scene(LIMIT, |scene| {
        let content = Shape::SingleFile.write(&scene.folder("content")?)?;
        let mut tracker = Opentracker::new()?;
        let trackers = [tracker.url(Scheme::Http), tracker.url(Scheme::Udp)];
        let torrent = create_torrent(scene, &content, 32_768, &trackers)?;
        tracker.serve(scene, &torrent.info_hash)?;
        let download = scene.folder("download")?;
        let job = Job { torrent: &torrent.path, folder: &download, peers: &[], trackers: false };
        let seed = libtorrent.seed(scene, &Job { folder: content.parent()?, ..job })?;
        let mut leech = subject().leech(scene, &Job { peers: &[seed.address], ..job })?;
        leech.wait_complete()?;
        tracker.wait_counts("silence", |counts| counts == Counts::default())
    })
}
