//! Links in place of torrent files.

use super::*;

const QUIET: [&str; 3] = ["--listen", "127.0.0.1:0", "--no-discovery"];

impl Folder {
    /// The link of a torrent file.
    fn link(&self, torrent: &str, more: &[&str]) -> String {
        let (said, told) = self.done(&[&["magnet", torrent], more].concat());
        assert_eq!(told, "");
        said.trim_end().to_owned()
    }
}

#[test]
fn a_link_stands_for_its_torrent_in_every_version() {
    let folder = Folder::new();
    for version in ["v1", "v2", "hybrid"] {
        let file = format!("{version}.torrent");
        folder.done(&[
            "create",
            "data/t",
            "-o",
            &file,
            "--piece-size",
            "16k",
            "--version",
            version,
        ]);
        let link = folder.link(&file, &[]);
        let seed = folder.seed(&file, "data");
        let asked = ["show", &link, "--peer", &seed.addr, "--save", "saved.torrent", "--force"];
        let (shown, _) = folder.done(&[&asked[..], &QUIET].concat());
        let (expected, _) = folder.done(&["show", &file]);
        let without_maker = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with("created by")).map(str::to_owned).collect()
        };
        assert_eq!(without_maker(&shown), without_maker(&expected), "{version}");
        let out = format!("out-{version}");
        let get = ["get", &link, "-o", &out, "--exit", "--peer", &seed.addr];
        let (said, told) = folder.done(&[&get[..], &QUIET].concat());
        // Of version 2, what was downloaded before is known by its roots and copied.
        assert!(said.starts_with("t: complete, 254 KiB"), "{said}");
        assert!(told.starts_with("t: asking peers what it is\n"), "{told}");
        assert!(told.contains("t: 6 files, 254 KiB, known after "), "{told}");
        folder.done(&["verify", "saved.torrent", "--data", &out]);
    }
}

#[test]
fn a_link_may_select_files_and_the_user_may_select_others() {
    let folder = Folder::new();
    let seed = folder.seed("t.torrent", "data");
    let link = folder.link("t.torrent", &["--select", "b.srt,e.mkv", "--peer", &seed.addr]);
    assert!(link.contains(&format!("&x.pe={}&so=1,5", seed.addr)), "{link}");
    let get = |out: &str, more: &[&str]| {
        let get = ["get", &link, "-o", out, "--exit", "--peer", &seed.addr];
        folder.done(&[&get[..], &QUIET, more].concat());
        folder.tree(out).into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>()
    };
    assert_eq!(get("linked", &[]), ["t/b.srt", "t/e.mkv"]);
    assert_eq!(get("chosen", &["--select", "docs/c.txt"]), ["t/docs/c.txt"]);
    let all = ["get", &link, "-o", "none", "--exit", "--peer", &seed.addr, "--select", "no.such"];
    let told = folder.refused(1, &[&all[..], &QUIET].concat());
    assert!(told.contains("no.such"), "{told}");
}

#[test]
fn the_link_of_a_private_torrent_is_not_given_away() {
    let folder = Folder::new();
    let tracker = "http://t.example/s3cret/announce";
    folder.done(&["create", "data/t", "-o", "p.torrent", "--private", "--tracker", tracker]);
    let told = folder.refused(1, &["magnet", "p.torrent"]);
    assert!(told.contains("private") && !told.contains("s3cret"), "{told}");
    assert!(folder.link("p.torrent", &["--secrets"]).contains("s3cret"));
    assert!(!folder.link("p.torrent", &["--secrets", "--no-trackers"]).contains("s3cret"));
}
