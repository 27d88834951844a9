//! A file that two torrents share is fetched once (BEP 38, BEP 52).

use super::*;

/// Bytes of the file that both torrents have.
const SHARED: usize = 1_000_000;
/// Bytes of the one that only the second has.
const OWN: usize = 100_000;

/// Torrents `one` and `two` of some version with a file in common, and seeds of both.
fn two(version: &str) -> (Folder, Seed, Seed) {
    let folder = Folder::new();
    folder.write("data/one/shared.bin", &noise(7, SHARED));
    // A folder of one file alone is that file, to readers of version 2.
    folder.write("data/one/empty", &[]);
    folder.write("data/two/same.bin", &noise(7, SHARED));
    folder.write("data/two/own.bin", &noise(8, OWN));
    for name in ["one", "two"] {
        let (data, torrent) = (format!("data/{name}"), format!("{name}.torrent"));
        folder.done(&["create", &data, "-o", &torrent, "--version", version]);
    }
    let (one, two) = (folder.seed("one.torrent", "data"), folder.seed("two.torrent", "data"));
    (folder, one, two)
}

impl Folder {
    /// Downloads torrents by name with a state of its own; the events.
    fn share(&self, names: &[&str], seeds: &[&Seed]) -> Vec<Value> {
        let torrents: Vec<String> = names.iter().map(|name| format!("{name}.torrent")).collect();
        let peers: Vec<&str> = seeds.iter().map(|seed| &*seed.addr).collect();
        let peers = peers.join(",");
        let mut arguments = vec!["get"];
        arguments.extend(torrents.iter().map(String::as_str));
        arguments.extend(["-o", "out", "--exit", "--no-discovery", "--json", "--peer", &peers]);
        arguments.extend(["--listen", "127.0.0.1:0", "--state", "shared.db"]);
        let (events, _) = self.done(&arguments);
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Bytes that each torrent downloaded, by name.
fn downloaded(events: &[Value]) -> BTreeMap<String, u64> {
    let complete = events.iter().filter(|event| event["event"] == "complete");
    let bytes = |event: &Value| event["downloaded_bytes"].as_u64().unwrap();
    complete.map(|event| (event["name"].as_str().unwrap().to_owned(), bytes(event))).collect()
}

#[test]
fn a_later_download_takes_a_file_that_an_earlier_one_has_by_its_root() {
    for version in ["v2", "hybrid"] {
        let (folder, one, two) = two(version);
        let first = folder.share(&["one"], &[&one]);
        assert_eq!(downloaded(&first)["one"], SHARED as u64);
        let second = folder.share(&["two"], &[&two]);
        assert_eq!(downloaded(&second)["two"], OWN as u64, "{version}");
        let found = second.iter().find(|event| event["event"] == "found").unwrap();
        assert_eq!((&found["files"], &found["bytes"]), (&Value::from(1), &Value::from(SHARED)));
        assert_eq!(fs::read(folder.path("out/two/same.bin")).unwrap(), noise(7, SHARED));
        assert_eq!(fs::read(folder.path("out/two/own.bin")).unwrap(), noise(8, OWN));
    }
}

#[test]
fn what_changed_since_is_fetched() {
    let (folder, one, two) = two("v2");
    folder.share(&["one"], &[&one]);
    let mut changed = noise(7, SHARED);
    changed[SHARED / 2] ^= 1;
    folder.write("out/one/shared.bin", &changed);
    let events = folder.share(&["two"], &[&two]);
    let bytes = downloaded(&events)["two"];
    assert!((OWN as u64 + 1..OWN as u64 + 100_000).contains(&bytes), "{bytes}");
    assert_eq!(fs::read(folder.path("out/two/same.bin")).unwrap(), noise(7, SHARED));
}

#[test]
fn of_two_torrents_given_together_the_second_waits_for_the_first() {
    let (folder, one, two) = two("hybrid");
    let events = folder.share(&["one", "two"], &[&one, &two]);
    let bytes = downloaded(&events);
    assert_eq!((bytes["one"], bytes["two"]), (SHARED as u64, OWN as u64));
    assert_eq!(fs::read(folder.path("out/two/same.bin")).unwrap(), noise(7, SHARED));
}

#[test]
fn nothing_is_taken_on_the_strength_of_a_length_alone() {
    let (folder, one, two) = two("v1");
    folder.share(&["one"], &[&one]);
    let events = folder.share(&["two"], &[&two]);
    assert_eq!(downloaded(&events)["two"], (SHARED + OWN) as u64);
}

#[test]
fn torrents_of_version_1_say_what_they_are_like() {
    let (similar, collection) = (["--similar", "one.torrent"], ["--collection", "films"]);
    for (of_one, of_two) in [(&[][..], &similar), (&collection, &collection)] {
        let folder = Folder::new();
        folder.write("data/one/shared.bin", &noise(7, SHARED));
        folder.write("data/two/same.bin", &noise(7, SHARED));
        folder.write("data/two/own.bin", &noise(8, OWN));
        folder.done(&[&["create", "data/one", "-o", "one.torrent"], of_one].concat());
        folder.done(&[&["create", "data/two", "-o", "two.torrent"], &of_two[..]].concat());
        folder.share(&["one"], &[&folder.seed("one.torrent", "data")]);
        let events = folder.share(&["two"], &[&folder.seed("two.torrent", "data")]);
        // The piece that has a part of both is fetched.
        let bytes = downloaded(&events)["two"];
        assert!((OWN as u64..(OWN + 2 * 16_384) as u64).contains(&bytes), "{of_two:?}: {bytes}");
        assert_eq!(fs::read(folder.path("out/two/same.bin")).unwrap(), noise(7, SHARED));
    }
}
