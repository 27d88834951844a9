//! A crowd of wallets that send tokens through the HTTP API of a running chain, as fast as it answers.
//!
//! `http_transfers ADDRESS:PORT [TRANSFERS] [CONNECTIONS]`; `bench/chain_transfers.py` runs it.
//!
//! Each transfer is a transaction of its own, signed beforehand, sent by `wallet/broadcasthex` on a connection
//! that is kept; its answer comes when it is in a block on the disk. At the end every receipt is looked at.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use devchain::{Address, Sun};
use keys::secp256k1::SecretKey;
use ledger::BlockId;
use ledger::transaction::{Action, Terms, Unsigned};
use serde_json::{Value, json};
use wire::abi::Encoder;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Accounts that send to each other.
const ACCOUNTS: u8 = 64;
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address = arguments.first().ok_or("no ADDRESS:PORT given")?;
    let count: usize = arguments.get(1).map_or(Ok(20_000), |text| text.parse())?;
    let connections: usize = arguments.get(2).map_or(Ok(64), |text| text.parse())?;
    let keys: Vec<SecretKey> =
        (1..=ACCOUNTS).filter_map(|number| SecretKey::from_bytes(&[number; 32])).collect();

    let mut asker = Connection::open(address)?;
    for key in &keys {
        let to = Address::of_key(&key.public()).to_string();
        for (coin, amount) in [("trx", "100000000000"), ("btt", "1000000000000000000")] {
            let wish = json!({ "address": to, "coin": coin, "amount": amount });
            asker.post("/dev/faucet", &wish)?;
        }
    }
    let status = asker.post("/dev/status", &json!({}))?;
    let began = Instant::now();
    let transfers: Vec<(String, String)> = (0..count)
        .map(|number| transfer(&status, &keys, number))
        .collect::<Result<_, Failure>>()?;
    let signing = began.elapsed();

    let (took, mut times) = send(address, connections, &transfers)?;
    let after = asker.post("/dev/status", &json!({}))?;
    let head = |status: &Value| status["head"]["number"].as_u64().unwrap_or(0);
    for (_, id) in &transfers {
        let info = asker.post("/wallet/gettransactioninfobyid", &json!({ "value": id }))?;
        if info["receipt"]["result"] != "SUCCESS" {
            return Err(format!("{id} is not a transfer in a block: {info}").into());
        }
    }
    times.sort_unstable();
    let at = |per_cent: usize| {
        let time = times.get(times.len().saturating_sub(1) * per_cent / 100).copied();
        time.unwrap_or_default().as_micros()
    };
    let told = json!({
        "transfers": count,
        "connections": connections,
        "seconds": took.as_secs_f64(),
        "per_second": (count as f64 / took.as_secs_f64()).round(),
        "blocks": head(&after) - head(&status),
        "blocks_in_all": head(&after),
        "p50_us": u64::try_from(at(50))?,
        "p99_us": u64::try_from(at(99))?,
        "max_us": u64::try_from(at(100))?,
        "signing_us_each": signing.as_micros() / count.max(1) as u128,
    });
    writeln!(std::io::stdout().lock(), "{told}")?;
    Ok(())
}

/// A signed transfer as the body of a request, and its id.
fn transfer(
    status: &Value,
    keys: &[SecretKey],
    number: usize,
) -> Result<(String, String), Failure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let btt: Address = text(&status["btt"]).parse()?;
    let head: BlockId = text(&status["head"]["id"]).parse()?;
    let from = keys.get(number % keys.len()).ok_or("no key")?;
    let to = keys.get((number * 7 + 1) % keys.len()).ok_or("no key")?;
    let to = Address::of_key(&to.public());
    let data = Encoder::call("transfer(address,uint256)").address(to.bytes()).uint(1).finish();
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let terms = Terms {
        ref_block: head,
        expiration_ms: now_ms + 3_600_000,
        timestamp_ms: now_ms + number as u64,
        fee_limit: Sun(100_000_000),
    };
    let action = Action::Trigger { contract: btt, call_value: Sun(0), data };
    let signed = Unsigned::build(Address::of_key(&from.public()), &action, &terms)?.sign(from)?;
    let body = json!({ "transaction": wire::hex(&signed.to_bytes()) }).to_string();
    Ok((body, wire::hex(&signed.id().0)))
}

/// Sends all of them; how long that took, and how long each.
fn send(
    address: &str,
    connections: usize,
    transfers: &[(String, String)],
) -> Result<(Duration, Vec<Duration>), Failure> {
    let (next, times) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(transfers.len())));
    let opened: Vec<Connection> =
        (0..connections).map(|_| Connection::open(address)).collect::<Result<_, _>>()?;
    let work = |mut connection: Connection| -> Result<(), Failure> {
        let mut own = Vec::new();
        while let Some((body, _)) = transfers.get(next.fetch_add(1, Ordering::Relaxed)) {
            let sent = Instant::now();
            let answer = connection.send("/wallet/broadcasthex", body)?;
            own.push(sent.elapsed());
            if answer["result"] != true {
                return Err(format!("refused: {answer}").into());
            }
        }
        times.lock().map_err(|_poisoned| "a thread panicked")?.extend(own);
        Ok(())
    };
    let began = Instant::now();
    std::thread::scope(|scope| {
        let spawn = |connection| scope.spawn(|| work(connection));
        let threads: Vec<_> = opened.into_iter().map(spawn).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_panic| Failure::from("a thread panicked"))?
        })
    })?;
    let took = began.elapsed();
    Ok((took, times.into_inner().map_err(|_poisoned| "a thread panicked")?))
}

/// A connection that is kept.
struct Connection {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host: address.to_owned(), buffer: Vec::new() })
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(path, &body.to_string())
    }

    fn send(&mut self, path: &str, body: &str) -> Result<Value, Failure> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(request.as_bytes())?;
        self.buffer.clear();
        let mut part = [0; 16 * 1024];
        loop {
            let read = self.stream.read(&mut part)?;
            if read == 0 || self.buffer.len() > ANSWER_BYTES_MAX {
                return Err("the connection ended".into());
            }
            self.buffer.extend_from_slice(part.get(..read).unwrap_or_default());
            let text = String::from_utf8_lossy(&self.buffer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
            });
            if body.len() >= length.ok_or("an answer without a length")? {
                return Ok(serde_json::from_str(body)?);
            }
        }
    }
}
