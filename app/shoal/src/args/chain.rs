//! The command line of `shoal chain`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use devchain::BlockTime;
use ledger::Address;

use crate::units::{parse_addr, parse_time};

/// Where `run` listens and the others ask, unless they are told otherwise.
pub(crate) const LISTEN: &str = "127.0.0.1:9090";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ChainArgs {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the chain until Ctrl-C; what `shoal chain` does, too
    Run(RunArgs),
    /// Give play money to an address
    Faucet(FaucetArgs),
    /// Print what a running chain is, and how far it got
    Status(NodeArgs),
    /// Throw a chain away, with everything on it
    Reset(ResetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = LISTEN, value_parser = parse_addr)]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Keep nothing on disk: the chain is gone at the end
    #[arg(long, conflicts_with = "data")]
    pub(crate) memory: bool,
    /// When to make blocks: `on-demand`, as soon as a transaction waits, or every so often, as in 3s
    #[arg(long, value_name = "WHEN", default_value = "on-demand", value_parser = parse_block_time)]
    pub(crate) block_time: BlockTime,
    /// Blocks that must follow one until it counts as final; the real network has about 19
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1000))]
    pub(crate) solid_after: u32,
    /// The origin of a web page that may use the chain, as in `http://localhost:3000`; repeat it for more
    #[arg(long, value_name = "ORIGIN", value_hint = ValueHint::Url)]
    pub(crate) allow_origin: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// The folder that keeps the chain [default: `chain` in `$SHOAL_STATE_DIR`,
    /// `$XDG_STATE_HOME/shoal` or `~/.local/state/shoal`]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Where the chain listens
    #[arg(long, value_name = "ADDR", default_value = LISTEN, value_parser = parse_addr)]
    pub(crate) node: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct FaucetArgs {
    /// Who gets it
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Address,
    /// How much of the coin, as in 100 or 0.5 [default: 10000 TRX, 1000000 BTT]
    #[arg(value_name = "AMOUNT", requires = "coin")]
    pub(crate) amount: Option<String>,
    /// Of what [default: both]
    #[arg(long, value_name = "COIN", value_enum)]
    pub(crate) coin: Option<Coin>,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

/// What the faucet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Coin {
    /// The chain's own coin, for fees.
    Trx,
    /// The test token.
    Btt,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Don't ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Shortest time between two blocks: below, there is hardly a difference from `on-demand`.
const BLOCK_TIME_MIN: Duration = Duration::from_secs(1);

fn parse_block_time(text: &str) -> Result<BlockTime, String> {
    if text == "on-demand" {
        return Ok(BlockTime::OnDemand);
    }
    let wrong = || "neither `on-demand` nor a time of at least a second, as in 3s".to_owned();
    let time = parse_time(text).map_err(|_not_a_time| wrong())?;
    if time < BLOCK_TIME_MIN { Err(wrong()) } else { Ok(BlockTime::Every(time)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_on_demand_or_every_so_often() {
        assert_eq!(parse_block_time("on-demand"), Ok(BlockTime::OnDemand));
        assert_eq!(parse_block_time("3s"), Ok(BlockTime::Every(Duration::from_secs(3))));
        for wrong in ["0", "0s", "never", ""] {
            assert!(parse_block_time(wrong).is_err(), "{wrong}");
        }
    }
}
