//! How many token transfers a second the chain takes, each durable in its block, without HTTP.
//!
//! `cargo run --release -p shoal-devchain --example transfers -- FILE [TRANSFERS] [AT ONCE]`

use std::io::Write as _;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use devchain::{Address, Chain, Config, Node, Sun, TxId, View};
use keys::secp256k1::SecretKey;
use ledger::transaction::{Action, Terms, Unsigned};
use wire::abi::Encoder;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let file = arguments.first().ok_or("no FILE given")?;
    let count: u32 = arguments.get(1).map_or(Ok(10_000), |text| text.parse())?;
    let at_once: usize = arguments.get(2).map_or(Ok(64), |text| text.parse())?;
    let mut out = std::io::stdout().lock();

    let began = Instant::now();
    let mut chain = Chain::open(Some(Path::new(file)), Config::default(), [1; 32], now_ms()?)?;
    writeln!(out, "opened in {:?}", began.elapsed())?;
    let key = SecretKey::from_bytes(&[9; 32]).ok_or("no key")?;
    let owner = Address::of_key(&key.public());
    let btt = chain.genesis().btt;
    chain.faucet(owner, None, 10_000_000_000_000, now_ms()?)?;
    chain.faucet(owner, Some(btt), 1_000_000_000_000, now_ms()?)?;
    chain.produce(now_ms()?)?;

    let began = Instant::now();
    let transfers = (0..count)
        .map(|number| transfer(&chain, &key, btt, number))
        .collect::<Result<Vec<_>, _>>()?;
    writeln!(out, "signed {count} in {:?}", began.elapsed())?;

    let first_block = chain.head().number();
    let (node, handle) = Node::start(chain)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let began = Instant::now();
    let last: TxId = runtime.block_on(async {
        let mut last = TxId([0; 32]);
        let mut waiting = std::collections::VecDeque::new();
        for bytes in transfers {
            let handle = handle.clone();
            waiting.push_back(tokio::spawn(async move { handle.broadcast(bytes).await }));
            if waiting.len() >= at_once
                && let Some(first) = waiting.pop_front()
            {
                last = first.await??;
            }
        }
        for one in waiting {
            last = one.await??;
        }
        Ok::<_, Failure>(last)
    })?;
    let took = began.elapsed();
    let (receipt, head) = runtime
        .block_on(handle.ask(move |chain, _now| (chain.receipt(last, View::Head), chain.head())))?;
    let energy = receipt?.ok_or("not in a block")?.energy_usage_total;
    writeln!(
        out,
        "{count} transfers in {took:?}, {:.0} a second, {} blocks, {energy} energy each",
        f64::from(count) / took.as_secs_f64(),
        head.number() - first_block
    )?;
    node.stop()?;
    Ok(())
}

fn transfer(chain: &Chain, key: &SecretKey, btt: Address, number: u32) -> Result<Vec<u8>, Failure> {
    let mut to = [0; 20];
    to[16..].copy_from_slice(&(number % 1_000 + 1).to_be_bytes());
    let data = Encoder::call("transfer(address,uint256)").address(&to).uint(1).finish();
    let now_ms = now_ms()?;
    let terms = Terms {
        ref_block: chain.head(),
        expiration_ms: now_ms + 3_600_000,
        timestamp_ms: now_ms + u64::from(number),
        fee_limit: Sun(100_000_000),
    };
    let action = Action::Trigger { contract: btt, call_value: Sun(0), data };
    let owner = Address::of_key(&key.public());
    Ok(Unsigned::build(owner, &action, &terms)?.sign(key)?.to_bytes())
}

fn now_ms() -> Result<u64, Failure> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
