//! `create --version` and `--exclude`, and what `show` and `verify` say of the outcome.

use super::*;

const VERSIONS: [&str; 3] = ["v1", "v2", "hybrid"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_version_is_made_shown_and_verified() {
    let folder = Folder::new();
    folder.sample();
    let mut made = Vec::new();
    for version in VERSIONS {
        let torrent = format!("{version}.torrent");
        let create = ["create", "data/sample", "-o", &torrent, "--version", version, "--json"];
        let created = json(&folder.stdout(&create));
        let shown = json(&folder.stdout(&["show", &torrent, "--json"]));
        for key in ["version", "info_hash", "info_hash_v2", "pieces", "total_bytes", "name"] {
            assert_eq!(created[key], shown[key], "{version}: {key}");
        }
        assert_eq!(created["files"], 5, "{version}");
        let verified = json(&folder.stdout(&["verify", &torrent, "--data", "data", "--json"]));
        assert_eq!(verified["event"], "complete", "{version}");
        assert_eq!(verified["info_hash_v2"], shown["info_hash_v2"], "{version}");
        let numbers = |report: &Value| -> Vec<(u64, String)> {
            let files = report["files"].as_array().unwrap().iter();
            let real = files.filter(|file| file["number"].is_u64());
            let number = |file: &Value| file["number"].as_u64().unwrap();
            real.map(|file| (number(file), file["path"].as_str().unwrap().to_owned())).collect()
        };
        assert_eq!(numbers(&verified), numbers(&shown), "{version}");
        assert_eq!(numbers(&shown)[0], (1, "sample/b/empty".to_owned()), "{version}");
        made.push(shown);
    }
    let [v1, v2, hybrid] = &*made else { panic!("three versions") };
    assert_eq!((&v1["version"], &v2["version"]), (&"1".into(), &"2".into()));
    assert_eq!(hybrid["version"], "hybrid");
    assert_eq!((&v1["info_hash_v2"], &v1["files"][0]["pieces_root"]), (&Value::Null, &Value::Null));
    let name = v2["info_hash_v2"].as_str().unwrap();
    assert_eq!(v2["info_hash"], name.split_at(40).0);
    let truncated = hybrid["info_hash_v2"].as_str().unwrap().split_at(40).0;
    assert_ne!(hybrid["info_hash"], truncated);
    assert_eq!(v2["files"].as_array().unwrap().len(), 5, "padding is implied");
    assert_eq!(v2["files"][4]["pieces_root"].as_str().unwrap().len(), 64);
    assert_eq!(v2["total_bytes"], v1["total_bytes"]);
}

#[test]
fn every_version_sees_what_is_damaged() {
    let folder = Folder::new();
    folder.sample();
    for version in VERSIONS {
        let torrent = format!("{version}.torrent");
        folder.stdout(&["create", "data/sample", "-o", &torrent, "--version", version]);
    }
    let mut content = fs::read(folder.0.join("data/sample/b c/Straße")).unwrap();
    content[69_999] ^= 1;
    folder.write("data/sample/b c/Straße", &content);
    for version in VERSIONS {
        let torrent = format!("{version}.torrent");
        let output = folder.run(&["verify", &torrent, "--data", "data", "--json"]);
        assert_eq!(output.status.code(), Some(1), "{version}");
        let report = json(&text(&output.stdout));
        let damaged: Vec<&str> = report["files"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|file| file["state"] == "damaged")
            .map(|file| file["path"].as_str().unwrap())
            .collect();
        // In version 1, a neighbour has a part of the piece.
        assert_eq!(damaged[0], "sample/b c/Straße", "{version}");
        assert_eq!(damaged.len(), if version == "v1" { 2 } else { 1 }, "{version}: {damaged:?}");
    }
}

#[test]
fn labels_make_room_for_the_name_of_version_2() {
    let folder = Folder::new();
    folder.write("f", b"hello");
    let said = folder.stdout(&["create", "f", "--version", "hybrid"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("info-hash    "), "{said}");
    assert!(lines[1].starts_with("info-hash v2 "), "{said}");
    assert!(lines[2].starts_with("torrent      /"), "{said}");
    let said = folder.stdout(&["show", "f.torrent"]);
    assert!(said.starts_with("name         f\nversion      hybrid\ninfo-hash    "), "{said}");
}

#[test]
fn folder_of_one_file_is_that_file_in_version_2_and_its_maker_is_told() {
    let folder = Folder::new();
    folder.write("d/f", b"hello");
    let output = folder.run(&["create", "d", "--version", "v2"]);
    assert_eq!(
        text(&output.stderr),
        "warning: in version 2 a folder of one file is that file: who downloads it gets no folder d\n\
         hint: seed it with --data d, or take --version hybrid\n\
         d: 5 B in 1 file, 1 piece of 16.0 KiB\n"
    );
    folder.stdout(&["verify", "d.torrent", "--data", "d"]);
    for version in ["v1", "hybrid"] {
        let output = folder.run(&["create", "d", "--force", "--version", version]);
        assert!(!text(&output.stderr).contains("warning"), "{version}");
        folder.stdout(&["verify", "d.torrent"]);
    }
}

#[test]
fn what_is_excluded_is_left_out_and_told() {
    let folder = Folder::new();
    for path in ["d/a.txt", "d/a.tmp", "d/sub/b.tmp", "d/sub/c", "d/cache/x/y", "d/cache/z"] {
        folder.write(path, b"content");
    }
    std::os::unix::fs::symlink("cache/z", folder.0.join("d/link")).unwrap();
    let create = |more: &[&str]| folder.run(&[&["create", "d", "-f", "--symlinks"], more].concat());
    let output = create(&["--exclude", "*.tmp,cache/", "--exclude", "**/nothing", "--json"]);
    assert_eq!(text(&output.stderr), "warning: nothing to leave out for --exclude **/nothing\n");
    let created = json(&text(&output.stdout));
    // The link would lead to what is left out.
    let left_out = serde_json::json!(["a.tmp", "cache/", "link", "sub/b.tmp"]);
    assert_eq!((&created["excluded"], &created["excluded_paths"]), (&4.into(), &left_out));
    let shown = json(&folder.stdout(&["show", "d.torrent", "--json"]));
    let paths: Vec<&Value> =
        shown["files"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
    assert_eq!(paths, ["d/a.txt", "d/sub/c"]);
    let said = text(&create(&["--exclude", "*.tmp,cache/"]).stderr);
    assert!(said.starts_with("left out by --exclude: a.tmp, cache/, link and 1 more\n"), "{said}");
    let said = text(&create(&["--exclude", "sub", "--exclude", "a*,cache/**"]).stderr);
    assert!(
        said.contains("error: cannot make a torrent: the folder holds no bytes: d\n"),
        "{said}"
    );
}

#[test]
fn what_is_excluded_may_have_a_name_that_no_torrent_can_hold() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    folder.write("d/a", b"a");
    fs::write(folder.0.join("d").join(std::ffi::OsStr::from_bytes(b"\xff.bad")), "b").unwrap();
    assert_eq!(folder.run(&["create", "d"]).status.code(), Some(1));
    folder.stdout(&["create", "d", "--exclude", "*.bad"]);
}
