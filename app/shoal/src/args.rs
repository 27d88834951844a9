//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::units::{parse_addr, parse_rate, parse_ratio, parse_size, parse_time};

const EXIT_CODES: &str = "\
Exit codes:
  0    everything that was asked is done: for `get`, every byte is verified and on disk
  1    it is not, and standard error says why
  2    the command line is wrong
  130  stopped by Ctrl-C or SIGTERM before it was done";

const GET_EXAMPLES: &str = "\
Examples:
  shoal get debian.torrent -o ~/Downloads
  shoal get https://example.org/debian.torrent --exit
  shoal get film.torrent --peer 192.0.2.7:6881,[2001:db8::7]:6881 --no-discovery --exit
  shoal get film.torrent --down 2M --up 500k --seed-ratio 2

Ctrl-C stops in order; the same command goes on where it stopped. A second Ctrl-C ends at once.

Exit codes: 0 every byte is verified and on disk; 1 failed; 2 wrong command line; 130 stopped before it was complete";

const SEED_EXAMPLES: &str = "\
Examples:
  shoal seed debian.torrent --data ~/Downloads
  shoal seed ~/torrents --data /srv/data          every torrent file in a folder
  shoal seed film.torrent --listen 0.0.0.0:51413 --up 5M

Nothing is ever written below DIR. Runs until Ctrl-C.

Exit codes: 0 stopped by Ctrl-C with everything complete; 1 failed; 2 wrong command line; 130 stopped while something was missing";

const CREATE_EXAMPLES: &str = "\
Examples:
  shoal create film.mkv
  shoal create photos -o photos.torrent --tracker https://tracker.example.org/announce
  shoal create photos --tracker udp://a.example.org:6969 --tracker udp://b.example.org:6969
  shoal create album --private --source EXAMPLE --piece-size 1M

The same content, name and options give the same file: files are ordered by path, and no date is written unless --date asks for it. Symbolic links and special files are left out, with a warning.

Exit codes: 0 the torrent file is written; 1 failed; 2 wrong command line; 130 stopped";

const VERIFY_EXAMPLES: &str = "\
Examples:
  shoal verify debian.torrent --data ~/Downloads
  shoal verify debian.torrent --json

Exit codes: 0 every byte is there and right; 1 something is missing or damaged, or failed; 2 wrong command line; 130 stopped";

const SHOW_EXAMPLES: &str = "\
Examples:
  shoal show debian.torrent
  shoal show https://example.org/debian.torrent --json

Exit codes: 0 shown; 1 not a torrent file, or not to be had; 2 wrong command line";

/// Downloads, seeds, makes and checks BitTorrent torrents.
#[derive(Debug, Parser)]
#[command(name = "shoal", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print data as JSON, one object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Download torrents, then seed them
    #[command(after_help = GET_EXAMPLES)]
    Get(GetArgs),
    /// Serve what is complete
    #[command(after_help = SEED_EXAMPLES)]
    Seed(SeedArgs),
    /// Make a torrent file
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// Compare every byte on disk with a torrent file
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Print what a torrent file says
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
}

/// What `get` and `seed` have in common.
#[derive(Debug, Args)]
pub(crate) struct NetworkArgs {
    /// Peers to connect to; repeat it or separate with commas
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = parse_addr)]
    pub(crate) peer: Vec<SocketAddr>,
    /// Where to accept peers; port 0 is any free one [default: port 6881 of [::] and 0.0.0.0, or
    /// the next free one]
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = parse_addr)]
    pub(crate) listen: Vec<SocketAddr>,
    /// Most bytes per second to upload, as in 500k or 2M
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) up: Option<u64>,
    /// Neither tell nor ask trackers: only peers named by --peer, or that connect to us
    #[arg(long)]
    pub(crate) no_discovery: bool,
    /// Compare everything with the disk, whatever is remembered of an earlier run
    #[arg(long)]
    pub(crate) recheck: bool,
    /// The database of what is done [default: `state.db` in `$SHOAL_STATE_DIR`,
    /// `$XDG_STATE_HOME/shoal` or `~/.local/state/shoal`]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Torrent files, folders of them, or their http(s) URLs
    #[arg(value_name = "TORRENT", required = true)]
    pub(crate) torrents: Vec<OsString>,
    /// Folder to download into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Most bytes per second to download, as in 500k or 2M
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) down: Option<u64>,
    /// Seed until so many times its size is uploaded [default: 1.0]
    #[arg(long, value_name = "R", value_parser = parse_ratio, group = "goal")]
    pub(crate) seed_ratio: Option<u64>,
    /// Seed for so long, as in 90s, 30m or 1h
    #[arg(long, value_name = "T", value_parser = parse_time, group = "goal")]
    pub(crate) seed_time: Option<Duration>,
    /// Don't seed: end when everything is verified and on disk
    #[arg(long, group = "goal")]
    pub(crate) exit: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    /// Torrent files, folders of them, or their http(s) URLs
    #[arg(value_name = "TORRENT", required = true)]
    pub(crate) torrents: Vec<OsString>,
    /// Folder that holds the torrents' files
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) data: PathBuf,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// File or folder to make a torrent of
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Torrent file to write [default: NAME.torrent in this folder]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Tracker to announce to; repeat it for more, each used when those before it fail
    #[arg(long, value_name = "URL")]
    pub(crate) tracker: Vec<String>,
    /// Bytes per piece, as in 256k or 1M: a power of two from 16k to 256M [default: by size, 16k
    /// to 16M]
    #[arg(long, value_name = "N", value_parser = parse_size)]
    pub(crate) piece_size: Option<u64>,
    /// Peers may come from its trackers only (BEP 27)
    #[arg(long)]
    pub(crate) private: bool,
    /// A remark
    #[arg(long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// A text that makes the info-hash another one, for private trackers
    #[arg(long, value_name = "TEXT")]
    pub(crate) source: Option<String>,
    /// Write the date of creation into it
    #[arg(long)]
    pub(crate) date: bool,
    /// Replace an existing torrent file
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Torrent file or its http(s) URL
    #[arg(value_name = "TORRENT")]
    pub(crate) torrent: OsString,
    /// Folder that holds the torrent's files
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Torrent file or its http(s) URL
    #[arg(value_name = "TORRENT")]
    pub(crate) torrent: OsString,
    /// Show the URLs of a private torrent in full: they hold your passkey
    #[arg(long)]
    pub(crate) secrets: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
