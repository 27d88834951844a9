//! The command line.

pub(crate) mod chain;
pub(crate) mod dht;
pub(crate) mod vault;
pub(crate) mod wallet;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::args::chain::ChainArgs;
use crate::args::dht::DhtArgs;
use crate::args::vault::VaultArgs;
use crate::args::wallet::WalletArgs;
use crate::limits::{DownArgs, UpArgs};
use crate::log::Level;
use crate::place::OnCollision;
use crate::select::{Expression, Pattern, parse as parse_selection};
use crate::units::{parse_addr, parse_host, parse_peer, parse_ratio, parse_size, parse_time};

const EXIT_CODES: &str = "\
Exit codes:
  0    all that was asked is done; for `get`, it is on disk
  1    it is not, and standard error says why
  2    the command line is wrong
  130  stopped by Ctrl-C or a signal before it was done";

const GET_EXAMPLES: &str = "\
Examples:
  shoal get debian.torrent -o ~/Downloads
  shoal get https://example.org/debian.torrent --exit
  shoal get film.torrent --peer 192.0.2.7:6881 --exit
  shoal get film.torrent --down 2M --up 500k --seed-ratio 2
  shoal get 'magnet:?xt=urn:btih:…' -o ~/Downloads
  shoal get ~/torrents --torrent-up 200k --lan-up 20M
  shoal get album.torrent --select '*.flac' --exit

Ctrl-C stops in order and says how to go on. A second Ctrl-C ends at once.

Exit codes: 0 every byte is verified and on disk; 1 failed; 2 wrong command line; 130 stopped before it was complete";

const SEED_EXAMPLES: &str = "\
Examples:
  shoal seed debian.torrent --data ~/Downloads
  shoal seed ~/torrents --data /srv/data
  shoal seed film.torrent --listen 0.0.0.0:51413 --up 5M

A folder stands for all torrent files in it. Nothing is ever written below DIR. Runs until Ctrl-C.

Exit codes: 0 stopped by Ctrl-C with everything complete; 1 failed; 2 wrong command line; 130 stopped while something was missing";

const CREATE_EXAMPLES: &str = "\
Examples:
  shoal create film.mkv
  shoal create photos -o photos.torrent \\
    --tracker https://tracker.example.org/announce
  shoal create photos --tracker udp://a.example.org:6969 \\
    --tracker udp://b.example.org:6969
  shoal create album --private --source EXAMPLE
  shoal create photos --version hybrid --exclude '*.tmp'

The same content, name and options give the same file: files are ordered by path, and no date is written unless --date asks for it. Special files, and symbolic links without --symlinks, are left out with a warning.

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
  shoal show 'magnet:?xt=urn:btih:…' --save film.torrent

Of a magnet link, peers are asked what it stands for. Nothing is downloaded but that.

Exit codes: 0 shown; 1 not a torrent file, or not to be had; 2 wrong command line";

const MAGNET_EXAMPLES: &str = "\
Examples:
  shoal magnet debian.torrent
  shoal magnet film.torrent --no-trackers
  shoal magnet album.torrent --select '*.flac'

Exit codes: 0 printed; 1 not a torrent file, or not to be had; 2 wrong command line";

const DHT_EXAMPLES: &str = "\
Examples:
  shoal dht stat
  shoal dht peers c12fe1c06bba254a9dc9f519b335aa7c1367a88a
  shoal dht put 'hello' --key my.key
  shoal dht get --key 77ff84905a91…
  shoal dht put --torrent c12fe1c0… --key my.key

Everybody can read what is stored, and see the address of who stores or asks.

Exit codes: 0 found or stored; 1 not; 2 wrong command line; 130 stopped";

const CHAIN_EXAMPLES: &str = "\
Examples:
  shoal chain
  shoal chain faucet T…
  shoal chain faucet T… 500 --coin btt
  shoal chain run --memory --listen 127.0.0.1:0
  shoal chain run --block-time 3s --solid-after 19

A browser shows what happens on it at http://127.0.0.1:9090. tronweb and other programs for TRON take that address for a full node's.

Exit codes: 0 stopped by Ctrl-C, or done; 1 failed; 2 wrong command line";

const WALLET_EXAMPLES: &str = "\
Examples:
  shoal wallet new
  shoal wallet import keystore.json --name old
  shoal wallet balance
  shoal wallet send 1.5 BTT T…
  shoal wallet send 'tron:T…?amount=1.5&token=BTT'
  shoal wallet request 1.5 BTT
  shoal wallet sign 'I am who I say'
  shoal wallet backup wallet.backup

Passphrases and keys are asked for or read from files, never taken from the command line. Without --network it is the chain of `shoal chain` on this machine, whose money is play money.

Exit codes: 0 done; 1 not; 2 wrong command line; 130 stopped";

const VAULT_EXAMPLES: &str = "\
Examples:
  shoal vault deposit 100
  shoal vault lock T… 10
  shoal vault voucher sign T… 2.5
  shoal vault redeem voucher.json
  shoal vault status T…

docs/vault.md says what the contract guarantees.

Exit codes: 0 done; 1 not; 2 wrong command line; 130 stopped";

const COMPLETIONS_EXAMPLES: &str = "\
Examples, each to be done once:
  shoal completions bash >\\
    ~/.local/share/bash-completion/completions/shoal
  shoal completions zsh >~/.zfunc/_shoal
  shoal completions fish >\\
    ~/.config/fish/completions/shoal.fish

For zsh, ~/.zshrc needs `fpath+=~/.zfunc` before `compinit`.";

const MAN_EXAMPLES: &str = "\
Examples:
  shoal man | man -l -
  shoal man ~/.local/share/man/man1";

/// Downloads, seeds, makes and checks BitTorrent torrents.
#[derive(Debug, Parser)]
#[command(name = "shoal", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print data as JSON, one object per line
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,
    /// When to use colour: unasked, on a terminal unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", display_order = 901)]
    pub(crate) color: ColorChoice,
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
    /// Print the magnet link of a torrent
    #[command(after_help = MAGNET_EXAMPLES)]
    Magnet(MagnetArgs),
    /// Use the DHT, the directory of BitTorrent that needs no server, as a tool
    #[command(after_help = DHT_EXAMPLES)]
    Dht(DhtArgs),
    /// Run a TRON-compatible chain on this machine, with play money, for development
    #[command(after_help = CHAIN_EXAMPLES)]
    Chain(ChainArgs),
    /// Keep money, pay and be paid: TRX, BTT and tokens
    #[command(after_help = WALLET_EXAMPLES)]
    Wallet(WalletArgs),
    /// Lock money for payees, and redeem what was promised
    #[command(after_help = VAULT_EXAMPLES)]
    Vault(VaultArgs),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write all of them into a folder
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
}

/// How peers are found.
#[derive(Debug, Args)]
pub(crate) struct DiscoveryArgs {
    /// Peers to connect to; repeat it or separate with commas
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = parse_peer)]
    pub(crate) peer: Vec<SocketAddr>,
    /// Where to accept peers; port 0 is any free one [default: port 6881 of [::] and 0.0.0.0, or
    /// the next free one]
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = parse_addr)]
    pub(crate) listen: Vec<SocketAddr>,
    /// Neither tell nor ask anybody: only peers named by --peer, or that connect to us
    #[arg(long)]
    pub(crate) no_discovery: bool,
    /// Neither tell nor ask trackers
    #[arg(long)]
    pub(crate) no_trackers: bool,
    /// Neither use the DHT, the directory of peers that needs no server, nor be part of it
    #[arg(long)]
    pub(crate) no_dht: bool,
    /// Neither tell peers of other peers nor listen to them
    #[arg(long)]
    pub(crate) no_pex: bool,
    /// Don't tell machines on the local network what we have (BEP 14)
    #[arg(long)]
    pub(crate) no_lsd: bool,
    /// Don't ask the router to let peers in
    #[arg(long)]
    pub(crate) no_port_mapping: bool,
    /// How long the router should let peers in if we vanish. Tests want to see a renewal.
    #[arg(long, value_name = "T", value_parser = parse_time, hide = true)]
    pub(crate) port_mapping_lease: Option<Duration>,
    /// A node of the DHT to begin with, when none is remembered; repeat it for more [default:
    /// well-known ones]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = parse_host)]
    pub(crate) bootstrap: Vec<(String, u16)>,
    /// The database of what is done [default: `state.db` in `$SHOAL_STATE_DIR`,
    /// `$XDG_STATE_HOME/shoal` or `~/.local/state/shoal`]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

/// What `get` and `seed` have in common.
#[derive(Debug, Args)]
pub(crate) struct NetworkArgs {
    #[command(flatten)]
    pub(crate) discovery: DiscoveryArgs,
    #[command(flatten)]
    pub(crate) up: UpArgs,
    /// Show the peers: a table on a terminal, with --json an event a second
    #[arg(long)]
    pub(crate) peers: bool,
    /// Write what happens to the end of a file; `-` is standard error
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) log: Option<PathBuf>,
    /// How much to log; each level takes in those before it
    #[arg(long, value_name = "LEVEL", requires = "log", default_value = "info")]
    pub(crate) log_level: Level,
    /// Compare everything with the disk, whatever is remembered of an earlier run
    #[arg(long)]
    pub(crate) recheck: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Torrent files, folders of them, their http(s) URLs, or magnet links
    #[arg(value_name = "TORRENT", required = true)]
    pub(crate) torrents: Vec<OsString>,
    /// Folder to download into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) down: DownArgs,
    /// Seed until so many times its size is uploaded [default: 1.0]
    #[arg(long, value_name = "R", allow_negative_numbers = true, value_parser = parse_ratio, group = "goal")]
    pub(crate) seed_ratio: Option<u64>,
    /// Seed for so long, as in 90s, 30m or 1h
    #[arg(long, value_name = "T", allow_negative_numbers = true, value_parser = parse_time, group = "goal")]
    pub(crate) seed_time: Option<Duration>,
    /// Don't seed: end when everything is verified and on disk
    #[arg(long, group = "goal")]
    pub(crate) exit: bool,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Which files `get` makes, and how.
#[derive(Debug, Args)]
pub(crate) struct FilesArgs {
    /// Only these files: numbers and ranges as `shoal show` prints them, or patterns for the path
    /// below the torrent's folder, as in 1,3-5 or '*.mkv' or 'docs/**'; '!*.txt' takes out
    #[arg(long, value_name = "WHICH", value_delimiter = ',', value_parser = parse_selection)]
    pub(crate) select: Vec<Expression>,
    /// Take the room for each file when it is made, rather than as data comes
    #[arg(long)]
    pub(crate) preallocate: bool,
    /// Download pieces in their order rather than the rarest first: to look at a file early
    #[arg(long)]
    pub(crate) sequential: bool,
    /// What to do if something else has the name of the torrent's file or folder
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(crate) on_collision: OnCollision,
}

#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    /// Torrent files, folders of them, or their http(s) URLs
    #[arg(value_name = "TORRENT", required = true)]
    pub(crate) torrents: Vec<OsString>,
    /// Folder that holds the torrents' files
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) data: PathBuf,
    /// Show newcomers one piece after another, so that each is sent once before one is sent twice
    /// (BEP 16): `auto` while we are the only seed and the torrent is not private
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) super_seed: SuperSeed,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// When a seed shows its pieces one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SuperSeed {
    #[default]
    Auto,
    Always,
    Never,
}

impl SuperSeed {
    /// `auto` leaves it at what fits the torrent.
    pub(crate) fn or(self, auto: node::spec::SuperSeed) -> node::spec::SuperSeed {
        match self {
            Self::Auto => auto,
            Self::Always => node::spec::SuperSeed::Always,
            Self::Never => node::spec::SuperSeed::Never,
        }
    }
}

/// What a new torrent is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    #[default]
    #[value(alias = "1")]
    V1,
    #[value(alias = "2")]
    V2,
    Hybrid,
}

impl From<Format> for wire::metainfo::Version {
    fn from(format: Format) -> Self {
        match format {
            Format::V1 => Self::V1,
            Format::V2 => Self::V2,
            Format::Hybrid => Self::Hybrid,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// File or folder to make a torrent of
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Torrent file to write [default: NAME.torrent in this folder]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Which versions of BitTorrent it is for: `v1` any client reads, `v2` few; a hybrid is both
    #[arg(long = "version", value_name = "VERSION", value_enum, default_value_t)]
    pub(crate) format: Format,
    /// Tracker to announce to; repeat it for more, each used when those before it fail
    #[arg(long, value_name = "URL")]
    pub(crate) tracker: Vec<String>,
    /// Bytes per piece, as in 256k or 1M: a power of two from 16k to 256M [default: by size, 16k
    /// to 16M]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = parse_size)]
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
    /// A torrent file that may have files in common with it: who has them need not fetch them again
    /// (BEP 38); repeat it for more
    #[arg(long, value_name = "TORRENT")]
    pub(crate) similar: Vec<PathBuf>,
    /// What it belongs to: torrents of one collection may have files in common (BEP 38); repeat it for
    /// more
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) collection: Vec<String>,
    /// Write the date of creation into it
    #[arg(long)]
    pub(crate) date: bool,
    /// Keep symbolic links that stay inside the folder (BEP 47); otherwise they are left out
    #[arg(long)]
    pub(crate) symlinks: bool,
    /// Leave out files and folders: patterns as for `get --select`, as in '*.tmp' or 'cache/'
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = Pattern::parse)]
    pub(crate) exclude: Vec<Pattern>,
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
    /// Only these files, as for `get`
    #[arg(long, value_name = "WHICH", value_delimiter = ',', value_parser = parse_selection)]
    pub(crate) select: Vec<Expression>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Torrent file, its http(s) URL, or a magnet link
    #[arg(value_name = "TORRENT")]
    pub(crate) torrent: OsString,
    /// Write the torrent file that a link stands for
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Replace an existing torrent file
    #[arg(short, long, requires = "save")]
    pub(crate) force: bool,
    /// Show the URLs of a private torrent in full: they hold your passkey
    #[arg(long)]
    pub(crate) secrets: bool,
    #[command(flatten)]
    pub(crate) discovery: DiscoveryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MagnetArgs {
    /// Torrent file or its http(s) URL
    #[arg(value_name = "TORRENT")]
    pub(crate) torrent: OsString,
    /// Leave out its trackers: whoever uses the link then finds peers by the DHT
    #[arg(long)]
    pub(crate) no_trackers: bool,
    /// Peers that have it, to be named in the link; repeat it or separate with commas
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = parse_peer)]
    pub(crate) peer: Vec<SocketAddr>,
    /// Only these files, as for `get`
    #[arg(long, value_name = "WHICH", value_delimiter = ',', value_parser = parse_selection)]
    pub(crate) select: Vec<Expression>,
    /// Make the link of a private torrent, too: its trackers hold your passkey
    #[arg(long)]
    pub(crate) secrets: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder to write a page for each command into
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
    #[test]
    fn help_is_readable_on_60_columns_and_no_example_is_broken() {
        let mut program = Cli::command().term_width(60);
        program.build();
        let mut commands: Vec<clap::Command> = program.get_subcommands().cloned().collect();
        commands.push(program);
        for mut command in commands {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let help = command.render_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 60, "{}: {line}", command.get_name());
            }
            for example in after.lines().filter(|line| line.starts_with("  ")) {
                let whole = help.lines().any(|line| line == example);
                assert!(whole, "{}: {example}", command.get_name());
            }
        }
    }
}
