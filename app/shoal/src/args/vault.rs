//! The command line of `shoal vault`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use ledger::address::Address;

use crate::args::wallet::MoneyArgs;
use crate::money::network::NetworkArgs;
use crate::money::send::SendTerms;
use crate::units::parse_time;

#[derive(Debug, Args)]
pub(crate) struct VaultArgs {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) money: MoneyArgs,
    /// The contract [default: the network's, or the one that was deployed last]
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) vault: Option<Address>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a Vault for a token: one serves everybody, and nobody owns it
    Deploy(DeployArgs),
    /// Put tokens into an account of the Vault
    Deposit(DepositArgs),
    /// Lock free money of an account for a payee: only what is locked covers vouchers
    Lock(LockArgs),
    /// Announce that a lock ends; after its delay, free what is left
    Unlock(UnlockArgs),
    /// Cash vouchers that somebody gave
    Redeem(RedeemArgs),
    /// Take free money back to its owner
    Withdraw(WithdrawArgs),
    /// Print what is free, locked and redeemed
    Status(StatusArgs),
    /// Sign vouchers, and look at them
    Voucher(VoucherArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// The token that it holds [default: the network's BTT]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) token: Option<Address>,
    #[command(flatten)]
    pub(crate) terms: SendTerms,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DepositArgs {
    /// How much, in whole tokens
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: String,
    /// Whose vouchers shall spend it: the address of a key [default: the account's own]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) signer: Option<Address>,
    /// Whose account: it goes back to nobody else [default: the account that pays]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) owner: Option<Address>,
    #[command(flatten)]
    pub(crate) terms: SendTerms,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// For whom
    #[arg(value_name = "PAYEE")]
    pub(crate) payee: Address,
    /// How much more, in whole tokens
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: String,
    /// How long the payee can still redeem after an unlock is announced [default: 7d, or 1m for play money]
    #[arg(long, value_name = "T", value_parser = parse_time)]
    pub(crate) delay: Option<Duration>,
    /// Whose vouchers spend it [default: the account's own]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) signer: Option<Address>,
    #[command(flatten)]
    pub(crate) terms: SendTerms,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnlockArgs {
    /// For whom it is locked
    #[arg(value_name = "PAYEE")]
    pub(crate) payee: Address,
    /// Whose vouchers spend it [default: the account's own]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) signer: Option<Address>,
    #[command(flatten)]
    pub(crate) terms: SendTerms,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RedeemArgs {
    /// Files with vouchers, as `shoal vault voucher sign` prints them; `-` is standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) terms: SendTerms,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    /// How much, in whole tokens, or `all`
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: String,
    /// Whose vouchers could have spent it [default: the account's own]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) signer: Option<Address>,
    #[command(flatten)]
    pub(crate) terms: SendTerms,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Channels to look at, by their payees
    #[arg(value_name = "PAYEE")]
    pub(crate) payees: Vec<Address>,
    /// Whose money [default: the account's]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) owner: Option<Address>,
    /// Whose vouchers spend it [default: the owner's]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) signer: Option<Address>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct VoucherArgs {
    #[command(subcommand)]
    pub(crate) command: VoucherCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VoucherCommand {
    /// Promise a payee an amount in all: it replaces all vouchers of the channel for less
    Sign(SignVoucherArgs),
    /// Say what a voucher is worth, and whether it is good
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SignVoucherArgs {
    /// Who may redeem it
    #[arg(value_name = "PAYEE")]
    pub(crate) payee: Address,
    /// How much since the channel began, in whole tokens
    #[arg(value_name = "CUMULATIVE")]
    pub(crate) cumulative: String,
    /// Whose money, if the account is only the signer [default: the account's]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) owner: Option<Address>,
    /// Sign without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A file with a voucher; `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}
