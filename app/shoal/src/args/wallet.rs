//! The command line of `shoal wallet`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use ledger::address::Address;

use crate::money::network::NetworkArgs;
use crate::money::send::SendTerms;

/// What every command that may touch money is told.
#[derive(Debug, Args)]
pub(crate) struct MoneyArgs {
    /// Which account: its name or address [default: the one of `shoal wallet use`]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// Read the wallet's passphrase from a file, `-` for standard input, instead of asking for it
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The state database; the wallet is `wallet.json` beside it [default: `state.db` in
    /// `$SHOAL_STATE_DIR`, `$XDG_STATE_HOME/shoal` or `~/.local/state/shoal`]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WalletArgs {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) money: MoneyArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an account: the first time with new words, later from the same words
    New(NewArgs),
    /// Take in words, a key, a keystore of another wallet, a backup, or an address to watch
    Import(ImportArgs),
    /// Give out the key of an account: as a keystore for other wallets, as digits or as words
    Export(ExportArgs),
    /// Print the accounts; `*` marks the one that is used
    List,
    /// Choose the account that is used unless --account says otherwise
    Use(NameArgs),
    /// Take an account out of the wallet
    Forget(ForgetArgs),
    /// Print the address of an account
    Address(AddressArgs),
    /// Print what an account has
    Balance(BalanceArgs),
    /// Pay somebody
    Send(SendArgs),
    /// Print what was sent, and the book of all that moved
    History(HistoryArgs),
    /// Print or set the most that may be spent in a payment and in a day
    Caps(CapsArgs),
    /// Print a request for a payment to an account: as a link, and as a QR code on a terminal
    Request(RequestArgs),
    /// Sign a text or structured data with an account's key
    Sign(SignArgs),
    /// Say who signed a text or structured data
    Verify(VerifyArgs),
    /// Write all accounts into one encrypted file, and see that it can be opened
    Backup(BackupArgs),
    /// Change the passphrase
    Passphrase(PassphraseArgs),
}

/// How many words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Words {
    #[default]
    #[value(name = "12")]
    Twelve,
    #[value(name = "24")]
    TwentyFour,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// A name for the account [default: main, then account-2 and so on]
    #[arg(value_name = "NAME", value_parser = parse_name)]
    pub(crate) name: Option<String>,
    /// How many words the wallet is made of
    #[arg(long, value_name = "N", value_enum, default_value_t)]
    pub(crate) words: Words,
    /// New words, though the wallet has some
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Which account of the words: N in m/44'/195'/N'/0/0, as most wallets count [default:
    /// the next one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..0x8000_0000))]
    pub(crate) index: Option<u32>,
    /// Neither show the words nor ask for them back; `shoal wallet export --as words` shows them
    #[arg(long)]
    pub(crate) no_confirm: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A file with words, 64 hexadecimal digits, a V3 keystore or a backup; `-` is standard input
    /// [default: words or digits are asked for]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "watch")]
    pub(crate) file: Option<PathBuf>,
    /// A name for the account
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) name: Option<String>,
    /// An address to look at, without its key
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) watch: Option<Address>,
    /// Which account of the words: N in m/44'/195'/N'/0/0 [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..0x8000_0000))]
    pub(crate) index: Option<u32>,
    /// Where the key of the words lies, if elsewhere, as in m/44'/195'/0'/0/1
    #[arg(long, value_name = "PATH", conflicts_with = "index")]
    pub(crate) path: Option<String>,
    /// Read the passphrase of the keystore or backup from a file instead of asking for it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) source_passphrase_file: Option<PathBuf>,
}

/// What a key is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyForm {
    /// A V3 keystore, which other wallets open by a password
    #[default]
    Keystore,
    /// 64 hexadecimal digits: whoever sees them has the money
    Key,
    /// The words, of which all accounts of theirs can be made
    Words,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// As what
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t)]
    pub(crate) form: KeyForm,
    /// File to write, readable by you alone [default: standard output]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Read the password of the keystore from a file instead of asking for it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) keystore_passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Name or address of the account
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// Name or address of the account
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Don't ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddressArgs {
    /// As hexadecimal digits, as TRON's nodes write it
    #[arg(long, conflicts_with = "ethereum")]
    pub(crate) hex: bool,
    /// As BTTC and Ethereum write it
    #[arg(long)]
    pub(crate) ethereum: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// How much, as in 1.5 [default: the payer decides]
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: Option<String>,
    /// Of what: TRX, BTT, or the address of a token
    #[arg(value_name = "COIN", default_value = "BTT")]
    pub(crate) coin: String,
    /// What it is for, as the payer shall see it
    #[arg(long, value_name = "TEXT")]
    pub(crate) memo: Option<String>,
    /// For a terminal with dark letters on light ground
    #[arg(long)]
    pub(crate) light: bool,
    /// Don't print the QR code
    #[arg(long)]
    pub(crate) no_qr: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The text
    #[arg(value_name = "TEXT", required_unless_present_any = ["file", "typed"])]
    pub(crate) text: Option<String>,
    /// The bytes of a file instead
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["text", "typed"])]
    pub(crate) file: Option<PathBuf>,
    /// Structured data (TIP-712) in a JSON file with `domain`, `types`, `primaryType` and `message`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "text")]
    pub(crate) typed: Option<PathBuf>,
    /// Sign structured data without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The signature: 130 hexadecimal digits
    #[arg(value_name = "SIGNATURE")]
    pub(crate) signature: String,
    /// The text
    #[arg(value_name = "TEXT", required_unless_present_any = ["file", "typed"])]
    pub(crate) text: Option<String>,
    /// The bytes of a file instead
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["text", "typed"])]
    pub(crate) file: Option<PathBuf>,
    /// Structured data (TIP-712) in a JSON file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "text")]
    pub(crate) typed: Option<PathBuf>,
    /// Who should have signed it: then another signer is a failure
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) by: Option<Address>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// File to write
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PassphraseArgs {
    /// Read the new passphrase from a file instead of asking for it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) new_passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BalanceArgs {
    /// Whose, if not an account's of the wallet
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Option<Address>,
    /// Tokens besides BTT, by the addresses of their contracts
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) token: Vec<Address>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// How much, as in 1.5; or a whole request for a payment, as `shoal wallet request` prints it
    #[arg(value_name = "AMOUNT|LINK")]
    pub(crate) amount: String,
    /// Of what: TRX, BTT, or the address of a token
    #[arg(value_name = "COIN", requires = "to")]
    pub(crate) coin: Option<String>,
    /// To whom: an address, or an account of this wallet
    #[arg(value_name = "TO")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) terms: SendTerms,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The whole book as CSV: one line for each account that something moved into or out of
    #[arg(long)]
    pub(crate) csv: bool,
    /// At most so many transactions
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) last: u32,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CapsArgs {
    /// For what: TRX, BTT, or the address of a token [default: print all]
    #[arg(value_name = "COIN")]
    pub(crate) coin: Option<String>,
    /// Most in one payment, in whole coins
    #[arg(long, value_name = "AMOUNT", requires = "coin")]
    pub(crate) per_payment: Option<String>,
    /// Most from midnight to midnight (UTC), in whole coins
    #[arg(long, value_name = "AMOUNT", requires = "coin")]
    pub(crate) per_day: Option<String>,
    /// No cap any more
    #[arg(long, requires = "coin", conflicts_with_all = ["per_payment", "per_day"])]
    pub(crate) none: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

/// Longest name of an account.
const NAME_CHARS_MAX: usize = 40;

/// A name for an account: such that it is neither an address nor breaks a line.
fn parse_name(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|char| char.is_alphanumeric() || "-_.".contains(char));
    if text.is_empty() || !plain || text.chars().count() > NAME_CHARS_MAX {
        return Err(format!("a name has 1 to {NAME_CHARS_MAX} letters, digits, and -_."));
    }
    if text.parse::<Address>().is_ok() {
        return Err("an address is no name".into());
    }
    Ok(text.to_owned())
}
