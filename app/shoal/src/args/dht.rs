//! The command line of `shoal dht`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::units::{parse_addr, parse_host};

#[derive(Debug, Args)]
pub(crate) struct DhtArgs {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where to listen; port 0 is any free one [default: port 6881 of [::] and 0.0.0.0, or the next
    /// free one]
    #[arg(long, global = true, value_name = "ADDR", value_delimiter = ',', value_parser = parse_addr)]
    pub(crate) listen: Vec<SocketAddr>,
    /// A node to begin with, when none is remembered; repeat it for more [default: well-known ones]
    #[arg(long, global = true, value_name = "HOST:PORT", value_delimiter = ',', value_parser = parse_host)]
    pub(crate) bootstrap: Vec<(String, u16)>,
    /// The database that remembers nodes [default: `state.db` in `$SHOAL_STATE_DIR`,
    /// `$XDG_STATE_HOME/shoal` or `~/.local/state/shoal`]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the nodes nearest to an id
    Lookup(LookupArgs),
    /// Print who has a torrent
    Peers(PeersArgs),
    /// Tell that this machine has a torrent
    Announce(AnnounceArgs),
    /// Print a value that somebody stored
    Get(GetArgs),
    /// Store a value for about two hours
    Put(PutArgs),
    /// Print how this node does: its id, what others see of it, how many there are
    Stat,
    /// Run a node until Ctrl-C, that others can begin with
    Run,
}

#[derive(Debug, Args)]
pub(crate) struct LookupArgs {
    /// Where: 40 hexadecimal digits
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct PeersArgs {
    /// Info-hash or magnet link
    #[arg(value_name = "TORRENT")]
    pub(crate) info_hash: String,
    /// Also estimate how many there are (BEP 33)
    #[arg(long)]
    pub(crate) scrape: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AnnounceArgs {
    /// Info-hash or magnet link
    #[arg(value_name = "TORRENT")]
    pub(crate) info_hash: String,
    /// The TCP port where the torrent is served
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// It is complete here (BEP 33)
    #[arg(long)]
    pub(crate) seed: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Where it is stored: the SHA-1 of a value, or a magnet link with a key (BEP 46)
    #[arg(value_name = "TARGET", required_unless_present = "key", conflicts_with = "key")]
    pub(crate) target: Option<String>,
    /// The public key of who stored it
    #[arg(long, value_name = "HEX")]
    pub(crate) key: Option<String>,
    /// Which of the values of that key
    #[arg(long, value_name = "TEXT")]
    pub(crate) salt: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// A text, at most some 990 bytes
    #[arg(value_name = "VALUE", required_unless_present = "torrent", conflicts_with = "torrent")]
    pub(crate) value: Option<String>,
    /// VALUE is bencode
    #[arg(long, requires = "value")]
    pub(crate) bencode: bool,
    /// Sign it with the key in this file, which is made if it does not exist: then it can be changed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,
    /// Store this torrent: its link then stands for whatever torrent was stored last (BEP 46)
    #[arg(long, value_name = "INFO_HASH", requires = "key")]
    pub(crate) torrent: Option<String>,
    /// Which of the values of that key
    #[arg(long, value_name = "TEXT", requires = "key")]
    pub(crate) salt: Option<String>,
    /// The number of the version [default: one more than the one that is there]
    #[arg(long, value_name = "N", requires = "key")]
    pub(crate) seq: Option<i64>,
    /// Only if the version that is there has this number
    #[arg(long, value_name = "N", requires = "key")]
    pub(crate) cas: Option<i64>,
}
