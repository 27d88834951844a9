//! Lines of torrents, by the width of the terminal.

use super::*;

fn downloading() -> TorrentStatus {
    let mut status = TorrentStatus {
        phase: Phase::Downloading,
        have_bytes: 431 << 20,
        total_bytes: 1000 << 20,
        ..TorrentStatus::default()
    };
    status.stats.down_rate = 10 << 20;
    status.stats.peers = 5;
    status
}

fn line(name: &str, status: &TorrentStatus, bar: bool, columns: usize) -> String {
    let view = View { name, status, name_columns: 0, settled: true, goal: Some(" of 1.0"), bar };
    let line = live_line(&view, columns, &Signs::UNICODE);
    assert!(line.width() <= columns, "{line:?} in {columns}");
    line.paint(false)
}

#[test]
fn a_plain_line_says_the_same_in_words() {
    let line = plain_line("x", &downloading());
    assert_eq!(line, "x: 43.1 % of 1.0 GiB, 10.0 MiB/s down, 0 B/s up, 5 peers, 56s left");
}

#[test]
fn a_line_fits_any_terminal_and_drops_the_least_important_first() {
    let mut status = downloading();
    status.stats.up_rate = 300 << 10;
    let film = "a-very-long-name-of-a-film.mkv";
    for (name, bar, columns, expected) in [
        (
            "debian.iso",
            false,
            99,
            "debian.iso  43.1 %  of 1.0 GiB  ↓ 10.0 MiB/s      56s left   5 peers  ↑  300 KiB/s",
        ),
        (
            "debian.iso",
            false,
            79,
            "debian.iso  43.1 %  ↓ 10.0 MiB/s      56s left   5 peers  ↑  300 KiB/s",
        ),
        (
            "debian.iso",
            true,
            79,
            "debian.iso  █████████░░░░░░░░░░░░  43.1 %  ↓ 10.0 MiB/s      56s left   5 peers",
        ),
        ("debian.iso", false, 59, "debian.iso  43.1 %  ↓ 10.0 MiB/s      56s left   5 peers"),
        (film, false, 59, "a-very-long-na…film.mkv  43.1 %  ↓ 10.0 MiB/s      56s left"),
        ("映画映画映画映画映画", false, 39, "映画映画映…画映画  43.1 %  ↓ 10.0 MiB/s"),
        ("debian.iso", false, 12, "deb…  43.1 %"),
        ("debian.iso", false, 3, "  4"),
    ] {
        assert_eq!(line(name, &status, bar, columns), expected, "{name} in {columns}");
    }
}

#[test]
fn a_seed_says_how_much_it_gave_and_how_much_it_is_to_give() {
    let mut status = downloading();
    (status.phase, status.have_bytes) = (Phase::Seeding, status.total_bytes);
    status.stats.up_rate = 300 << 10;
    status.uploaded_ever_bytes = 350 << 20;
    for (columns, expected) in [
        (79, "debian.iso  seeding  ↑  300 KiB/s   5 peers  ratio 0.35 of 1.0  0 B sent"),
        (59, "debian.iso  seeding  ↑  300 KiB/s  ratio 0.35 of 1.0"),
        (39, "debian.iso  seeding  ↑  300 KiB/s"),
    ] {
        assert_eq!(line("debian.iso", &status, false, columns), expected);
    }
}

#[test]
fn work_keeps_its_name_when_there_is_no_room_for_a_bar() {
    let second = Duration::from_secs(1);
    for (columns, expected) in [
        (80, "hashing dis…top.img  ████░░░░░░░░░░░░░░  25.0 %  of 1.0 GiB  256 MiB/s  3s left"),
        (59, "hashing d…p.img  ███░░░░░░░░░░  25.0 %  256 MiB/s  3s left"),
        (45, "hashing d…op.img  25.0 %  256 MiB/s  3s left"),
        (29, "hashing disk…top.img  25.0 %"),
    ] {
        let terminal = Terminal { columns, rows: 24, signs: &Signs::UNICODE };
        let line =
            work_line("hashing disk-of-the-laptop.img", 256 << 20, 1 << 30, second, terminal);
        assert_eq!(line.paint(false), expected);
    }
}
