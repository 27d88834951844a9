//! `docs/bad-input.md` shows what the program says.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::notation::{files, int, one, strings};
use crate::program::Fence;

#[test]
fn the_ten_of_the_document_are_what_the_program_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bad-input.md");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let text = fs::read_to_string(path).unwrap().replace("127.0.0.1:6881", &addr);
    let fence = fixture();
    let examples = examples(&text);
    assert_eq!(examples.len(), 10);
    for (command, expected) in examples {
        let arguments: Vec<&str> = command.split(' ').collect();
        let before = fence.snapshot();
        let said = fence.run(&arguments);
        assert_eq!(said.stdout + &said.stderr, expected, "{command}");
        let fails = expected.starts_with("error: ");
        assert_eq!(said.code, Some(i32::from(fails)), "{command}");
        // Who finds a port taken has opened the state already.
        if !command.contains("--listen") {
            assert_eq!(fence.snapshot(), before, "{command}");
        }
    }
}

/// Commands behind `$ shoal`, and what stands below each.
fn examples(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let indented = line.strip_prefix("    ");
        if let Some(command) = indented.and_then(|line| line.strip_prefix("$ shoal ")) {
            found.push((command.to_owned(), String::new()));
            inside = true;
        } else if let Some((_, said)) = found.last_mut().filter(|_| inside) {
            inside = indented.is_some() || line.is_empty();
            if inside {
                said.push_str(indented.unwrap_or_default());
                said.push('\n');
            }
        }
    }
    for (_, said) in &mut found {
        said.truncate(said.trim_end().len());
        said.push('\n');
    }
    found
}

/// The files that the document names.
fn fixture() -> Fence {
    let fence = Fence::new();
    let good = one("good");
    let link = files("d", &[(5, &["good"]), (0, &["link"])]).set("info/files/1/attr", "l");
    let link = link.set("info/files/1/symlink path", strings(&["/etc/passwd"]));
    let million = 1_000_000;
    for (name, bytes) in [
        ("page", b"<!DOCTYPE html>".to_vec()),
        ("half", good.cut(70)),
        ("escape", files("d", &[(2, &["a"]), (3, &["..", "b"])]).encode()),
        ("link", link.encode()),
        ("negative", files("d", &[(10, &["a"]), (-5, &["b"])]).encode()),
        ("huge", one("huge").set("info/length", int(i64::MAX)).encode()),
        ("nested", [vec![b'l'; million], vec![b'e'; million]].concat()),
        ("good", good.encode()),
        ("colours", one("\x1b[31mred\x1b[0m").encode()),
    ] {
        fence.write(&format!("{name}.torrent"), bytes);
    }
    fence
}
