//! Names and paths that lead where no torrent may write.

use crate::notation::{Torrent, files, int, one, strings};
use crate::program::{Refused, assert_refused, row};

const HARMFUL: &str =
    "no honest program writes such a path; look for another torrent of the same content";
const FAULTY: &str =
    "the program that made it did it wrong; look for another torrent of the same content";

fn path(path: &[&str]) -> Torrent {
    files("d", &[(2, &["good"]), (3, path)])
}

fn link(target: &[&str]) -> Torrent {
    let links = files("d", &[(5, &["good"]), (0, &["link"])]);
    links.set("info/files/1/attr", "l").set("info/files/1/symlink path", strings(target))
}

#[rustfmt::skip]
fn names() -> Vec<Refused> {
    vec![
        row("the name is empty", one(""), "the name has an empty component", FAULTY),
        row("the name is .", one("."), "the name has the component \".\"", HARMFUL),
        row("the name is ..", one(".."), "the name has the component \"..\"", HARMFUL),
        row("the name leads up", one("../outside"), "the name has a slash, a backslash or a zero byte inside the component \"../outside\"", HARMFUL),
        row("the name is absolute", one("/tmp/shoal-was-here"), "the name has a slash, a backslash or a zero byte inside the component \"/tmp/shoal-was-here\"", HARMFUL),
        row("the name is a folder", one("a/"), "the name has a slash, a backslash or a zero byte inside the component \"a/\"", HARMFUL),
        row("the name is on a Windows drive", one("C:\\Windows"), "the name has a slash, a backslash or a zero byte inside the component \"C:\\Windows\"", HARMFUL),
        row("the name is a Windows share", one("\\\\host\\share"), "the name has a slash, a backslash or a zero byte inside the component \"\\\\host\\share\"", HARMFUL),
        row("a zero byte in the name", one("a\0b"), "the name has a slash, a backslash or a zero byte inside the component \"ab\"", HARMFUL),
        row("escapes in a refused name", one("\x1b[2J/\x07\u{202e}x"), "the name has a slash, a backslash or a zero byte inside the component \"[2J/x\"", HARMFUL),
        row("lines in a refused name", one("a/\nerror: b"), "the name has a slash, a backslash or a zero byte inside the component \"a/ error: b\"", HARMFUL),
        row("a refused name that is not UTF-8", one("f").set("info/name", b"\xff/".to_vec()), "the name has a slash, a backslash or a zero byte inside the component \"\u{fffd}/\"", HARMFUL),
        row("a folder called ..", files("..", &[(5, &["outside"])]), "the name has the component \"..\"", HARMFUL),
        row("the better name is worse", one("f").set("info/name", b"\xff".to_vec()).set("info/name.utf-8", ".."), "the name has the component \"..\"", HARMFUL),
    ]
}

#[rustfmt::skip]
fn components() -> Vec<Refused> {
    let long = "x".repeat(255);
    vec![
        row("no component", path(&[]), "the path of file 2 has no components", FAULTY),
        row("an empty component", path(&[""]), "the path of file 2 has an empty component", FAULTY),
        row("absolute by an empty component", path(&["", "tmp", "shoal-was-here"]), "the path of file 2 has an empty component", FAULTY),
        row("an empty component inside", path(&["a", "", "b"]), "the path of file 2 has an empty component", FAULTY),
        row("a component .", path(&["a", ".", "b"]), "the path of file 2 has the component \".\"", HARMFUL),
        row("up once", path(&["..", "outside"]), "the path of file 2 has the component \"..\"", HARMFUL),
        row("up three times", path(&["..", "..", "..", "outside"]), "the path of file 2 has the component \"..\"", HARMFUL),
        row("down and up", path(&["a", "..", "..", "outside"]), "the path of file 2 has the component \"..\"", HARMFUL),
        row("up at the end", path(&["a", ".."]), "the path of file 2 has the component \"..\"", HARMFUL),
        row("up within a component", path(&["../../outside"]), "the path of file 2 has a slash, a backslash or a zero byte inside the component \"../../outside\"", HARMFUL),
        row("absolute", path(&["/tmp/shoal-was-here"]), "the path of file 2 has a slash, a backslash or a zero byte inside the component \"/tmp/shoal-was-here\"", HARMFUL),
        row("a backslash", path(&["..\\..\\outside"]), "the path of file 2 has a slash, a backslash or a zero byte inside the component \"..\\..\\outside\"", HARMFUL),
        row("a zero byte", path(&["a\0.txt"]), "the path of file 2 has a slash, a backslash or a zero byte inside the component \"a.txt\"", HARMFUL),
        row("padding that leads up", path(&["..", "pad"]).set("info/files/1/attr", "p"), "the path of file 2 has the component \"..\"", HARMFUL),
        row("the better path is worse", path(&["x"]).set("info/files/1/path/0", b"\xff".to_vec()).set("info/files/1/path.utf-8", strings(&[".."])), "the path of file 2 has the component \"..\"", HARMFUL),
        row("65 folders", path(&["x"; 65]), "the path of file 2 has 65 components, more than 64", FAULTY),
        row("200 folders", path(&["x"; 200]), "the path of file 2 has 200 components, more than 64", FAULTY),
        row("ten thousand folders", path(&["x"; 10_000]), "the path of file 2 has 10000 components, more than 64", FAULTY),
        row("longer than the system takes", path(&[long.as_str(); 17]), "the path of file 2 has 4352 bytes, more than 4096", FAULTY),
        row("one path twice", files("d", &[(2, &["a"]), (3, &["a"])]), "the path of file 2 is that of another file, too: \"a\"", FAULTY),
        row("one path twice, deep down", files("d", &[(2, &["a", "b", "c"]), (1, &["x"]), (2, &["a", "b", "c"])]), "the path of file 3 is that of another file, too: \"a/b/c\"", FAULTY),
        row("escapes in a path that comes twice", files("d", &[(2, &["a\u{200e}b"]), (3, &["a\u{200e}b"])]), "the path of file 2 is that of another file, too: \"ab\"", FAULTY),
        row("a file, then a folder", files("d", &[(2, &["a"]), (3, &["a", "b"])]), "the path of file 2 needs one name for a file and a folder: \"a\"", FAULTY),
        row("a folder, then a file", files("d", &[(2, &["a", "b"]), (3, &["a"])]), "the path of file 2 needs one name for a file and a folder: \"a\"", FAULTY),
    ]
}

#[rustfmt::skip]
fn links() -> Vec<Refused> {
    vec![
        row("a link up", link(&["..", "outside"]), "the link of file 2 leads to a path that has the component \"..\"", HARMFUL),
        row("a link to /etc/passwd", link(&["..", "..", "..", "etc", "passwd"]), "the link of file 2 leads to a path that has the component \"..\"", HARMFUL),
        row("an absolute link", link(&["/etc/passwd"]), "the link of file 2 leads to a path that has a slash, a backslash or a zero byte inside the component \"/etc/passwd\"", HARMFUL),
        row("a link that is absolute by an empty component", link(&["", "etc", "passwd"]), "the link of file 2 leads to a path that has an empty component", FAULTY),
        row("a link to itself", link(&["."]), "the link of file 2 leads to a path that has the component \".\"", HARMFUL),
        row("a link to nothing", link(&[]), "the link of file 2 leads to a path that has no components", FAULTY),
        row("a link through 65 folders", link(&["x"; 65]), "the link of file 2 leads to a path that has 65 components, more than 64", FAULTY),
        row("a link with a zero byte", link(&["a\0"]), "the link of file 2 leads to a path that has a slash, a backslash or a zero byte inside the component \"a\"", HARMFUL),
        row("a file below a link", files("d", &[(0, &["up"]), (5, &["up", "outside"])]).set("info/files/0/attr", "l").set("info/files/0/symlink path", strings(&["good"])), "the path of file 2 needs one name for a file and a folder: \"up\"", FAULTY),
        row("a link of less than nothing", files("d", &[(5, &["a"]), (-5, &["b"])]).set("info/files/1/attr", "l").set("info/files/1/length", int(-5)), "file 2 has the negative length -5", FAULTY),
    ]
}

#[test]
fn names_of_torrents_that_lead_elsewhere_are_refused() {
    assert_refused(&names());
}

#[test]
fn paths_that_lead_elsewhere_or_collide_are_refused() {
    assert_refused(&components());
}

#[test]
fn links_that_lead_elsewhere_are_refused() {
    assert_refused(&links());
}
