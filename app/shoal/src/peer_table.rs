//! The peers of a torrent: as a table on a terminal, and as JSON.
//!
//! The flags are the letters that qBittorrent uses and Transmission, too: a user may know them.

use std::cmp::Reverse;
use std::net::SocketAddr;

use node::message::PeerView;
use serde_json::{Value, json};

use crate::line::{Line, Signs, Style, width};
use crate::units;

/// Columns of an address: the longest one of IPv4. Those of IPv6 lose their middle.
const ADDR: usize = 21;
/// Columns of a client's or torrent's name.
const NAME_MIN: usize = 8;
const NAME_MAX: usize = 24;
/// Columns before the table and between its columns.
const INDENT: usize = 2;
const GAP: usize = 2;

/// What a letter means, in the order in which letters are shown.
const LEGEND: [(char, &str); 9] = [
    ('D', "downloading from it"),
    ('d', "it makes us wait"),
    ('U', "uploading to it"),
    ('u', "we make it wait"),
    ('K', "it would send"),
    ('?', "we would send"),
    ('O', "served on trial"),
    ('S', "silent"),
    ('I', "it dialled us"),
];

/// The letters of a peer, in the order of [`LEGEND`].
pub(crate) fn flags(peer: &PeerView) -> String {
    let down = match (peer.am_interested, peer.peer_choking) {
        (true, false) => Some('D'),
        (true, true) => Some('d'),
        (false, false) => Some('K'),
        (false, true) => None,
    };
    let up = match (peer.peer_interested, peer.am_choking) {
        (true, false) => Some('U'),
        (true, true) => Some('u'),
        (false, false) => Some('?'),
        (false, true) => None,
    };
    let others = [('O', peer.optimistic), ('S', peer.snubbed), ('I', !peer.outgoing)];
    let others = others.into_iter().filter_map(|(letter, holds)| holds.then_some(letter));
    let all: Vec<char> = down.into_iter().chain(up).chain(others).collect();
    LEGEND.iter().map(|&(letter, _)| letter).filter(|letter| all.contains(letter)).collect()
}

/// Peers that matter come first: those that data flows from or to, then those that have most.
fn rank(peer: &PeerView) -> (Reverse<u64>, Reverse<u32>, SocketAddr) {
    (Reverse(peer.down_rate + peer.up_rate), Reverse(peer.have_per_mille), peer.addr)
}

/// A table of at most `rows` lines: a head, the peers that matter most, how many more there are,
/// and what the letters mean. Each peer comes with the name of its torrent; if they are of
/// several, that is shown in the place of the client.
pub(crate) fn table(
    peers: &[(&str, &PeerView)],
    columns: usize,
    rows: usize,
    signs: &Signs,
) -> Vec<Line> {
    // A head and a peer are the least that says something.
    if peers.is_empty() || rows < 2 {
        return Vec::new();
    }
    let several = peers.windows(2).any(|pair| pair[0].0 != pair[1].0);
    let layout = Layout::of(columns, several);
    let mut ranked = peers.to_vec();
    ranked.sort_by_key(|(_, peer)| rank(peer));
    let legend_rows = usize::from(rows >= 4);
    let all_fit = ranked.len() + 1 + legend_rows <= rows;
    let shown = if all_fit { ranked.len() } else { rows.saturating_sub(2 + legend_rows).max(1) };
    let rest = ranked.len() - shown;
    ranked.truncate(shown);
    let mut lines = vec![layout.head(signs).cut(columns)];
    lines.extend(ranked.iter().map(|(name, peer)| layout.row(name, peer, signs).cut(columns)));
    if rest > 0 && rows > 2 {
        let rest = units::count(rest as u64, "more peer");
        let text = format!("{}and {rest}", " ".repeat(INDENT));
        lines.push(Line::new(Style::Dim, text).cut(columns));
    }
    if legend_rows > 0 {
        let letters: String = ranked.iter().map(|(_, peer)| flags(peer)).collect();
        lines.push(legend(&letters, columns));
    }
    lines
}

/// What the letters that are shown mean, as many as fit.
fn legend(letters: &str, columns: usize) -> Line {
    let mut text = " ".repeat(INDENT);
    let used = LEGEND.iter().filter(|(letter, _)| letters.contains(*letter));
    for (index, (letter, meaning)) in used.enumerate() {
        let more = format!("{}{letter} {meaning}", if index > 0 { ", " } else { "" });
        if width(&text) + width(&more) > columns {
            break;
        }
        text.push_str(&more);
    }
    Line::new(Style::Dim, text)
}

/// Which columns there is room for.
struct Layout {
    addr: usize,
    /// Of the client's name, or the torrent's.
    name: usize,
    several: bool,
    has: bool,
    up: bool,
}

impl Layout {
    fn of(columns: usize, several: bool) -> Self {
        let mut room = columns.saturating_sub(INDENT + ADDR + GAP + 10 + GAP + 5);
        let mut take = |wanted: usize| {
            let fits = room >= wanted + GAP;
            room -= if fits { wanted + GAP } else { 0 };
            fits
        };
        let (up, has) = (take(10), take(6));
        let name = room.saturating_sub(GAP).min(NAME_MAX);
        let addr = columns.saturating_sub(INDENT + GAP + 10 + GAP + 5).clamp(8, ADDR);
        Self { addr, name: if name >= NAME_MIN { name } else { 0 }, several, has, up }
    }

    fn line(&self, cells: [&str; 6], signs: &Signs) -> String {
        let [addr, name, has, down, up, flags] = cells;
        let mut line = " ".repeat(INDENT);
        let pad = |text: &str, columns: usize| {
            let text = signs.shorten(&signs.text(text), columns);
            let padding = " ".repeat(columns.saturating_sub(width(&text)));
            (text, padding)
        };
        let (text, padding) = pad(addr, self.addr);
        line.push_str(&(text + &padding));
        if self.name > 0 {
            let (text, padding) = pad(name, self.name);
            line.push_str(&format!("  {text}{padding}"));
        }
        if self.has {
            line.push_str(&format!("  {has:>6}"));
        }
        line.push_str(&format!("  {down:>10}"));
        if self.up {
            line.push_str(&format!("  {up:>10}"));
        }
        line.push_str("  ");
        line.push_str(flags);
        line
    }

    fn head(&self, signs: &Signs) -> Line {
        let name = if self.several { "torrent" } else { "client" };
        Line::new(Style::Dim, self.line(["peer", name, "has", "down", "up", "flags"], signs))
    }

    fn row(&self, torrent: &str, peer: &PeerView, signs: &Signs) -> Line {
        let has = units::percent(peer.have_per_mille.into(), 1000);
        let rate = |rate| if rate > 0 { units::rate(rate) } else { "-".into() };
        let (down, up) = (rate(peer.down_rate), rate(peer.up_rate));
        let client = peer.client.as_deref().unwrap_or("?");
        let name = if self.several { torrent } else { client };
        let addr = units::addr(peer.addr);
        let text = self.line([&addr, name, &has, &down, &up, &flags(peer)], signs);
        let style = match (peer.snubbed, peer.down_rate + peer.up_rate) {
            (true, _) => Style::Odd,
            (false, 0) => Style::Dim,
            (false, _) => Style::Plain,
        };
        Line::new(style, text)
    }
}

/// All peers, for programs.
pub(crate) fn as_json(peers: &[PeerView]) -> Value {
    let mut ranked: Vec<&PeerView> = peers.iter().collect();
    ranked.sort_by_key(|peer| rank(peer));
    let peer = |peer: &&PeerView| {
        json!({
            "addr": units::addr(peer.addr),
            "client": peer.client,
            "outgoing": peer.outgoing,
            "have_per_mille": peer.have_per_mille,
            "down_rate": peer.down_rate,
            "up_rate": peer.up_rate,
            "downloaded_bytes": peer.downloaded_bytes,
            "uploaded_bytes": peer.uploaded_bytes,
            "requests": peer.requests,
            "flags": flags(peer),
        })
    };
    ranked.iter().map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `"7 D 1000 5M/0"`: last byte of the address, flags, what it has, its rates.
    fn peers(notation: &[&str]) -> Vec<PeerView> {
        let peer = |text: &&str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let has = |letter| words[1].contains(letter);
            let (down, up) = words[3].split_once('/').unwrap();
            let rate = |text: &str| units::parse_size(text).unwrap_or(0);
            PeerView {
                addr: format!("[::ffff:192.0.2.{}]:6881", words[0]).parse().unwrap(),
                client: words.get(4).map(|name| name.replace('_', " ")),
                outgoing: !has('I'),
                have_per_mille: words[2].parse().unwrap(),
                down_rate: rate(down),
                up_rate: rate(up),
                downloaded_bytes: 0,
                uploaded_bytes: 0,
                requests: 0,
                am_interested: has('D') || has('d'),
                am_choking: !(has('U') || has('?')),
                peer_interested: has('U') || has('u'),
                peer_choking: !(has('D') || has('K')),
                snubbed: has('S'),
                optimistic: has('O'),
            }
        };
        notation.iter().map(peer).collect()
    }

    fn shown(notation: &[&str], columns: usize, rows: usize) -> Vec<String> {
        let peers = peers(notation);
        let peers: Vec<(&str, &PeerView)> = peers.iter().map(|peer| ("x", peer)).collect();
        let lines = table(&peers, columns, rows, &Signs::UNICODE);
        assert!(lines.len() <= rows);
        for line in &lines {
            assert!(line.width() <= columns, "{line:?} in {columns}");
        }
        lines.iter().map(|line| line.paint(false)).collect()
    }

    const SWARM: [&str; 4] = [
        "1 du 431 0/0 Transmission_4.0.5",
        "2 DI 1000 5M/0 qBittorrent/5.1.0",
        "3 DUO 999 1M/20k a_client_of_a_very_long_name/1.2.3",
        "4 dS 1000 0/0",
    ];

    #[test]
    fn letters_are_those_that_the_field_uses() {
        for letters in ["", "D", "d", "DU", "du", "KI", "?", "DUOSI"] {
            let peer = &peers(&[&format!("1 {letters}- 0 0/0")])[0];
            assert_eq!(flags(peer), letters);
        }
    }

    #[test]
    fn who_moves_most_comes_first_and_the_letters_are_explained() {
        let cases: [(usize, usize, &[&str]); 5] = [
            (
                79,
                20,
                &[
                    "  peer                   client              has        down          up  flags",
                    "  192.0.2.2:6881         qBittorre…5.1.0   100 %   5.0 MiB/s           -  DI",
                    "  192.0.2.3:6881         a client …1.2.3  99.9 %   1.0 MiB/s  20.0 KiB/s  DUO",
                    "  192.0.2.4:6881         ?                 100 %           -           -  dS",
                    "  192.0.2.1:6881         Transmiss…4.0.5  43.1 %           -           -  du",
                    "  D downloading from it, d it makes us wait, U uploading to it",
                ],
            ),
            (
                59,
                4,
                &[
                    "  peer                         down          up  flags",
                    "  192.0.2.2:6881          5.0 MiB/s           -  DI",
                    "  and 3 more peers",
                    "  D downloading from it, I it dialled us",
                ],
            ),
            (
                39,
                2,
                &[
                    "  peer                      down  flags",
                    "  192.0.2.2:6881       5.0 MiB/s  DI",
                ],
            ),
            (79, 1, &[]),
            (5, 2, &["  pee", "  192"]),
        ];
        for (columns, rows, expected) in cases {
            assert_eq!(shown(&SWARM, columns, rows), expected, "{columns}x{rows}");
        }
    }

    #[test]
    fn peers_of_several_torrents_are_shown_with_these() {
        let peers = peers(&SWARM[1..3]);
        let peers = [("first.iso", &peers[0]), ("second.iso", &peers[1])];
        let lines = table(&peers, 79, 3, &Signs::UNICODE);
        let lines: Vec<String> = lines.iter().map(|line| line.paint(false)).collect();
        assert!(lines[0].contains("torrent") && lines[1].contains("first.iso"), "{lines:#?}");
        assert!(lines[2].contains("second.iso"), "{lines:#?}");
    }
}
