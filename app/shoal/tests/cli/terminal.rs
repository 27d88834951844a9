//! The program on a terminal: a real one for the program, a small one for us to read.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use unicode_width::UnicodeWidthChar as _;

use super::endings::slow_seed;
use super::*;

/// What a terminal shows: understands what we send (ECMA-48: CUU, ED, EL, SGR), and nothing else.
struct Screen {
    columns: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// An escape sequence that is not complete.
    pending: Vec<u8>,
    /// SGR sequences seen.
    styles: usize,
    /// All escape sequences seen.
    escapes: usize,
}

impl Screen {
    fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        loop {
            let pending = std::mem::take(&mut self.pending);
            let complete = match std::str::from_utf8(&pending) {
                Ok(text) => text,
                Err(error) => std::str::from_utf8(&pending[..error.valid_up_to()]).unwrap(),
            };
            let Some(first) = complete.chars().next() else {
                self.pending = pending;
                return;
            };
            let mut used = first.len_utf8();
            if first == '\x1b' {
                let rest = complete.get(2..).unwrap_or_default();
                let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) else {
                    self.pending = pending;
                    return;
                };
                used = 3 + end;
                let (parameters, command) = rest.split_at(end);
                self.escape(parameters, command.as_bytes()[0]);
            } else {
                self.put(first);
            }
            self.pending = pending[used..].to_vec();
        }
    }

    fn escape(&mut self, parameters: &str, command: u8) {
        self.escapes += 1;
        match command {
            b'A' => self.row -= parameters.parse::<usize>().unwrap().min(self.row),
            b'J' => {
                self.lines.truncate(self.row + 1);
                self.lines[self.row].truncate(self.column);
            }
            b'K' => self.lines[self.row].truncate(self.column),
            b'm' => self.styles += 1,
            other => panic!("a terminal would not know {:?}", char::from(other)),
        }
    }

    fn put(&mut self, char: char) {
        match char {
            '\r' => self.column = 0,
            '\n' => self.down(),
            _ => {
                let width = char.width().unwrap_or(0);
                if self.column + width > self.columns {
                    self.column = 0;
                    self.down();
                }
                let line = &mut self.lines[self.row];
                line.resize(line.len().max(self.column + width), ' ');
                line[self.column] = char;
                self.column += width;
            }
        }
    }

    fn down(&mut self) {
        self.row += 1;
        let rows = self.lines.len().max(self.row + 1);
        self.lines.resize(rows, Vec::new());
    }

    fn text(&self) -> String {
        self.lines.iter().map(|line| line.iter().collect::<String>() + "\n").collect()
    }
}

/// A program on a terminal.
struct OnTerminal {
    child: Child,
    master: OwnedFd,
    bytes: Receiver<Vec<u8>>,
    screen: Screen,
}

impl OnTerminal {
    fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        resize(&master, columns, rows);
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap());
        let child = command.stderr(slave).spawn().unwrap();
        // The command keeps its ends of the terminal, which then would never hang up.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut reader = File::from(master.try_clone().unwrap());
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end is an error: nobody has the other side open any more.
            while let Ok(read) = reader.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = Screen {
            columns: usize::from(columns),
            lines: vec![Vec::new()],
            row: 0,
            column: 0,
            pending: Vec::new(),
            styles: 0,
            escapes: 0,
        };
        Self { child, master, bytes, screen }
    }

    /// Reads until the screen looks as wanted.
    fn wait_until(&mut self, what: &str, looks: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.screen.text();
            if looks(&text) {
                return text;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.screen.feed(&bytes),
                Err(_over) => panic!("no {what} on\n{text}"),
            }
        }
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.screen.columns = usize::from(columns);
        resize(&self.master, columns, rows);
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Its end: what is on the screen then.
    fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(bytes) =
            self.bytes.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.screen.feed(&bytes);
        }
        (self.child.wait().unwrap(), self.screen.text())
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn resize(master: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master, size).unwrap();
}

fn columns_of(line: &str) -> usize {
    line.chars().map(|char| char.width().unwrap_or(0)).sum()
}

/// The lines of the live block: those from the one of the torrent on.
fn block<'a>(screen: &'a str, name: &str) -> Vec<&'a str> {
    let lines = screen.lines().skip_while(|line| !line.starts_with(name) || !line.contains('%'));
    lines.filter(|line| !line.is_empty()).collect()
}

fn get<'a>(folder: &Folder, addr: &'a str, more: &[&'a str]) -> Command {
    let arguments = ["get", "s.torrent", "-o", "out", "--listen", "127.0.0.1:0", "--exit"];
    let mut get = folder.shoal(&arguments);
    get.args(["--no-discovery", "--peer", addr]).args(more);
    get.env("TERM", "xterm").env("LANG", "en_US.UTF-8");
    get
}

#[test]
fn a_terminal_shows_pieces_and_peers_and_a_smaller_one_shows_less() {
    let folder = Folder::new();
    let (_seed, addr) = slow_seed(&folder, "30k");
    let mut get = OnTerminal::start(&mut get(&folder, &addr, &["--peers"]), 80, 24);
    for (columns, client) in [(80, true), (60, false), (40, false), (100, true)] {
        get.resize(columns, 24);
        let fits = |screen: &str| {
            let block = block(screen, "sample");
            let map = block.get(1).map_or(0, |line| columns_of(line));
            map + 1 == usize::from(columns) && block.iter().any(|line| line.ends_with("  D"))
        };
        let screen = get.wait_until("map and peer", fits);
        let block = block(&screen, "sample");
        assert!(block.iter().all(|line| columns_of(line) < usize::from(columns)), "{block:#?}");
        assert!(block[0].contains('%') && block[0].contains('↓'), "{block:#?}");
        assert!(block[1].contains("/34"), "{block:#?}");
        assert_eq!(block[2].contains("client"), client, "{columns}: {block:#?}");
        assert!(block[3].contains(addr.get(..12).unwrap()), "{block:#?}");
    }
    assert!(get.screen.styles > 0, "a terminal has colours");
    get.interrupt();
    let (status, screen) = get.end();
    assert_eq!(status.code(), Some(130));
    assert!(!screen.contains("flags"), "live lines are taken away:\n{screen}");
    assert_eq!(screen.matches("stopped at ").count(), 1, "{screen}");
}

#[test]
fn what_is_said_meanwhile_stands_above_the_live_lines() {
    let folder = Folder::new();
    let (_seed, addr) = slow_seed(&folder, "300k");
    let get = &mut get(&folder, &addr, &["--log", "-"]);
    let mut get = OnTerminal::start(get, 100, 24);
    let screen = get.wait_until("map", |screen| block(screen, "sample").len() > 1);
    assert!(screen.contains(&format!("peer {addr}: connected")), "{screen}");
    let (status, screen) = get.end();
    assert_eq!(status.code(), Some(0), "{screen}");
    assert_eq!(screen.matches('%').count(), 0, "nothing is left of live lines:\n{screen}");
    assert_eq!(screen.matches("sample: complete, 1.0 MiB in ").count(), 2, "log and result");
}

#[test]
fn a_terminal_that_wants_no_colour_or_can_do_nothing_gets_none() {
    let folder = Folder::new();
    let (_seed, addr) = slow_seed(&folder, "600k");
    for (name, value, live) in
        [("NO_COLOR", "1", true), ("TERM", "dumb", false), ("TERM", "", false)]
    {
        let mut get = get(&folder, &addr, &["--recheck"]);
        let mut get = OnTerminal::start(get.env(name, value), 80, 24);
        get.wait_until("end", |screen| screen.contains("complete, 1.0 MiB"));
        assert_eq!(get.screen.styles, 0, "{name}={value}");
        assert_eq!(get.screen.escapes > 0, live, "{name}={value}");
        get.end();
        fs::remove_dir_all(folder.0.join("out")).unwrap();
    }
}

#[test]
fn a_locale_without_utf_8_gets_ascii() {
    let folder = Folder::new();
    let (_seed, addr) = slow_seed(&folder, "100k");
    let mut get = get(&folder, &addr, &["--peers"]);
    let mut get = OnTerminal::start(get.env("LANG", "C"), 80, 24);
    let looks = |screen: &str| screen.contains("flags") && screen.contains('~');
    let screen = get.wait_until("map of plain signs", looks);
    assert!(screen.is_ascii(), "{screen}");
}
