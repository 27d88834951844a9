//! `shoal chain run`.

use std::fs::{DirBuilder, File};
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use devchain::http::{Server, StartError};
use devchain::{Chain, Config, Genesis, Node, OpenError};
use serde_json::json;

use super::{database, folder};
use crate::args::chain::{LISTEN, RunArgs};
use crate::failure::{Exit, Failure, reason, shown, words};
use crate::interrupt::Interrupt;
use crate::out::Out;

/// Runs a chain until the user wants no more of it.
pub(super) fn run(args: &RunArgs, out: &Out) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let place = if args.memory { None } else { Some(prepared(args)?) };
    let config = Config { block_time: args.block_time, solid_after_blocks: args.solid_after };
    let chain = open(place.as_deref(), config)?;
    let genesis = chain.genesis();
    let no_thread =
        |error: std::io::Error| Failure::new(format!("cannot start a thread: {}", reason(&error)));
    let (node, handle) = Node::start(chain).map_err(no_thread)?;
    let server = Server::start(args.listen, &args.allow_origin, handle);
    let server = server.map_err(|error| not_started(&error))?;
    tell(out, server.address(), genesis, place.as_deref())?;
    // The sender lives as long as the program.
    interrupt.wishes().recv().ok();
    server.stop();
    node.stop().map_err(|error| {
        let why = words(&error.to_string());
        Failure::new(format!("what waited for the next block was not kept: {why}"))
    })?;
    out.note(if place.is_some() {
        "stopped; everything is kept"
    } else {
        "stopped; the chain was in memory and is gone"
    });
    Ok(Exit::Done)
}

/// Makes the folder, for this user only: the faucet's key is in it.
fn prepared(args: &RunArgs) -> Result<PathBuf, Failure> {
    let folder = folder(args.data.data.as_deref())?;
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| {
        let message = format!("cannot create the folder {}: {}", shown(&folder), reason(&error));
        Failure::with_hint(message, "--data takes another place, --memory none")
    })?;
    Ok(folder)
}

fn open(folder: Option<&Path>, config: Config) -> Result<Chain, Failure> {
    let path = folder.map(database);
    Chain::open(path.as_deref(), config, entropy()?, now_ms()).map_err(|error| not_opened(&error))
}

/// What a new chain is made from.
pub(super) fn entropy() -> Result<[u8; 32], Failure> {
    let mut entropy = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut entropy))
        .map_err(|error| Failure::new(format!("cannot get random bytes: {}", reason(&error))))?;
    Ok(entropy)
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Why a chain can't be used.
pub(super) fn not_opened(error: &OpenError) -> Failure {
    match error {
        OpenError::InUse { path } => Failure::with_hint(
            format!("cannot use the chain {}: another process has it open", shown(path)),
            "`shoal chain status` asks it; --data with another folder makes another chain",
        ),
        OpenError::Format { path, found, known } => Failure::with_hint(
            format!(
                "cannot use the chain {}: its format is {found}, this release knows {known}",
                shown(path)
            ),
            "use the release that wrote it, or throw it away: shoal chain reset",
        ),
        OpenError::Chain(error) => Failure::with_hint(
            format!("cannot use the chain: {}", words(&error.to_string())),
            "if it is damaged, throw it away: shoal chain reset",
        ),
    }
}

fn not_started(error: &StartError) -> Failure {
    match error {
        StartError::Listen { address, source } => Failure::with_hint(
            format!("cannot listen on {address}: {}", reason(source)),
            "does another chain run there? `--listen 127.0.0.1:0` takes any free port",
        ),
        StartError::Thread(source) => {
            Failure::new(format!("cannot start a thread: {}", reason(source)))
        }
        StartError::Origin(origin) => Failure::misused(
            format!("not the origin of a page: {}", shown(origin)),
            "write it as a browser does: http://localhost:3000",
        ),
    }
}

fn tell(
    out: &Out,
    address: SocketAddr,
    genesis: Genesis,
    folder: Option<&Path>,
) -> Result<(), Failure> {
    let url = format!("http://{address}");
    let id = wire::hex(&genesis.id.0);
    out.event(&json!({
        "event": "chain",
        "url": url,
        "genesis": id,
        "chain_id": genesis.chain_id,
        "btt": genesis.btt.to_string(),
        "vault": genesis.vault.to_string(),
        "faucet": genesis.faucet.to_string(),
        "data": folder.map(|folder| folder.to_string_lossy()),
    }))?;
    let kept = folder.map_or_else(|| "in memory, gone at the end".to_owned(), shown);
    let node =
        if address.to_string() == LISTEN { String::new() } else { format!(" --node {address}") };
    out.note("a TRON-compatible chain for development: its coins are play money, worth nothing");
    for (what, value) in [
        ("explorer", format!("{url}/")),
        ("TRON API", format!("{url}  (tronweb: new TronWeb({{ fullHost: '{url}' }}))")),
        ("JSON-RPC", format!("{url}/jsonrpc")),
        ("faucet", format!("shoal chain faucet ADDRESS{node}")),
        ("BTT token", genesis.btt.to_string()),
        ("Vault", genesis.vault.to_string()),
        ("chain", format!("id 0x{:x}, genesis {id}", genesis.chain_id)),
        ("kept in", kept),
    ] {
        out.copyable(&format!("  {what:<10} {value}"));
    }
    if !address.ip().is_loopback() {
        out.warn("others than this machine can reach this chain, its faucet and its clock");
    }
    out.note("Ctrl-C ends it");
    Ok(())
}
