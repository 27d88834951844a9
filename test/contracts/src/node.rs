//! A node of hardhat in a process of its own, driven by the product's JSON-RPC client.
//!
//! Every call goes the product's way: quoted, signed, stored, broadcast, awaited and read back by
//! [`ledger::desk`], over the real HTTP service. Only the node's own levers (its clock, balances out
//! of nothing, going back to a snapshot) are moved by requests made here. The clock of the
//! machines is virtual: it jumps to their next deadline when nothing is under way.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use base::{ExchangeId, Family, HttpError, HttpPost, HttpReply, HttpRequest, Instant, Purpose};
use ledger::Amount;
use ledger::chain_client::{Answer, AskId, ChainClient, ClientError, Place, Query, Receipt, View};
use ledger::desk::{Desk, Output};
use ledger::network::{Kind, Profile, Worth};
use ledger::now::Now;
use ledger::outbox::{Action, Caps, IntentId, Order, Record, SendError, Status};
use net::factory::SocketFactory;
use net::services::{ServiceDone, Services};
use revm::primitives::{Address, Log, LogData, hex};
use serde_json::{Value, json};

use crate::artifact::repository;
use crate::party::Party;
use crate::world::{GENESIS, Outcome};

/// Time for one answer of the node, which needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running node.
pub struct Node {
    process: Child,
    home: PathBuf,
    url: String,
    services: Services,
    done: Receiver<ServiceDone>,
    desk: Desk,
    under_way: usize,
    instant: Instant,
    time: u64,
    chain_id: u64,
    exchanges: u64,
    intents: u128,
}

impl core::fmt::Debug for Node {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "hardhat at {}", self.url)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.home).ok();
    }
}

impl Node {
    /// Starts a node on a port that the system chooses.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        let installed = repository().join(".local/contracts");
        let program = installed.join("node_modules/hardhat/internal/cli/bootstrap.js");
        let home = std::env::temp_dir().join(format!("shoal-hardhat-{}", std::process::id()));
        std::fs::create_dir_all(&home).expect("there is room for a folder");
        let mut process = Command::new("node")
            .arg(program)
            .arg("--config")
            .arg(repository().join("contracts/hardhat.config.cjs"))
            .args(["node", "--port", "0", "--hostname", "127.0.0.1"])
            .current_dir(installed)
            .env("HOME", &home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let url = address_of(&mut process);
        let (sender, done) = channel();
        let completion = Box::new(move |done| drop(sender.send(done)));
        let services = Services::start(SocketFactory::default(), completion);
        let mut node = Self {
            process,
            home,
            desk: desk(&url),
            url,
            services,
            done,
            under_way: 0,
            instant: Instant::START,
            time: GENESIS,
            chain_id: 0,
            exchanges: 0,
            intents: 0,
        };
        node.chain_id = node.rpc("eth_chainId", &json!([])).as_str().map(number).expect("an id");
        node
    }

    /// The id of its chain.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The time of its next block.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.time
    }

    /// Makes an empty block so much later.
    pub fn wait(&mut self, seconds: u64) {
        self.time += seconds;
        self.rpc("evm_mine", &json!([self.time]));
    }

    /// Gives somebody of the chain's coin, for fees.
    pub fn fund(&mut self, party: &Party) {
        let amount = "0xffffffffffffffffffffff";
        self.rpc("hardhat_setBalance", &json!([party.address, amount]));
    }

    /// Notes the state of the chain.
    ///
    /// # Panics
    /// If the node does not answer.
    pub fn snapshot(&mut self) -> (String, u64) {
        let id = self.rpc("evm_snapshot", &json!([]));
        (id.as_str().expect("a snapshot has a name").to_owned(), self.time)
    }

    /// Goes back to a snapshot, which is used up by that. The client is a new one: it would take a
    /// node that forgets blocks for a liar.
    pub fn go_back(&mut self, (snapshot, time): (String, u64)) {
        let done = self.rpc("evm_revert", &json!([snapshot]));
        assert_eq!(done, json!(true), "the snapshot is there");
        self.time = time;
        self.desk = desk(&self.url);
    }

    /// Creates a contract by a transaction.
    pub fn create(&mut self, sender: &Party, creation: Vec<u8>) -> Outcome {
        let (value, name) = (Amount::ZERO, String::new());
        self.transact(sender, Action::Deploy { name, value, code: creation, abi: Vec::new() })
    }

    /// Calls a contract by a transaction. One that would be refused is not sent: the node runs it
    /// for the quote, and its refusal is the outcome.
    pub fn send(&mut self, sender: &Party, to: Address, data: Vec<u8>) -> Outcome {
        let contract = product(to);
        self.transact(sender, Action::Call { contract, value: Amount::ZERO, data })
    }

    /// Calls a contract without a transaction.
    ///
    /// # Panics
    /// If the node does not answer.
    pub fn ask(&mut self, to: Address, data: Vec<u8>) -> Outcome {
        let (from, contract, view) = (product(Address::ZERO), product(to), View::Head);
        let answer = self.answer(Query::Call { from, contract, data, view });
        let Answer::Returned(result) = answer else { panic!("another answer: {answer:?}") };
        let result = result.map_err(|revert| revert.data);
        Outcome { result, logs: Vec::new(), created: None, gas: 0, bytes: 0 }
    }

    fn transact(&mut self, sender: &Party, action: Action) -> Outcome {
        self.rpc("evm_setNextBlockTimestamp", &json!([self.time]));
        let from = product(sender.address);
        let answer = self.answer(Query::Quote { from, action: action.clone() });
        let Answer::Quote(quote) = answer else { panic!("another answer: {answer:?}") };
        if let Some(revert) = quote.failure {
            return Outcome {
                result: Err(revert.data),
                logs: Vec::new(),
                created: None,
                gas: quote.energy,
                bytes: 0,
            };
        }
        self.intents += 1;
        let intent = IntentId(self.intents.to_be_bytes());
        let caps = Caps { fee_max: Amount::MAX, spend_max: Vec::new() };
        let order = Order { intent, from, action, caps, quote: Some(quote), rebuilds_max: 0 };
        let now = self.clock();
        self.desk.send(order, &[], now).expect("nothing bounds it");
        let (_, done) = self.drive(Some(sender));
        let record = done.expect("the order ends").expect("what was quoted well is done");
        assert!(matches!(record.status, Status::Confirmed(_)), "{record:?}");
        let receipt = self.receipt(&record);
        Outcome {
            result: Ok(Vec::new()),
            logs: receipt.logs.iter().map(log).collect(),
            created: receipt.contract.map(|contract| Address::from(*contract.bytes())),
            gas: receipt.energy,
            bytes: 0,
        }
    }

    fn receipt(&mut self, record: &Record) -> Receipt {
        let answer = self.answer(Query::Fate { id: record.id, from: record.from });
        let Answer::Fate(fate) = answer else { panic!("another answer: {answer:?}") };
        let Place::Solid(receipt) = fate.place else { panic!("it is settled: {fate:?}") };
        receipt
    }

    fn answer(&mut self, query: Query) -> Answer {
        let now = self.clock();
        let asked = self.desk.ask(query, now);
        let (answer, _) = self.drive(None);
        let (id, answer) = answer.expect("the question is answered");
        assert_eq!(id, asked, "one question at a time");
        answer.expect("the node is there and honest")
    }

    /// Turns until a question is answered or an order has ended.
    #[expect(clippy::type_complexity, reason = "one of two ends, read at once by two callers")]
    fn drive(
        &mut self,
        signer: Option<&Party>,
    ) -> (Option<(AskId, Result<Answer, ClientError>)>, Option<Result<Record, SendError>>) {
        loop {
            let now = self.clock();
            match self.desk.poll_output() {
                Some(Output::Http(request)) => {
                    self.under_way += 1;
                    self.services.http(request).expect("the queue has room");
                }
                Some(Output::Sign(intent, what)) => {
                    let key = signer.expect("only orders are signed").key();
                    let signature = what.sign(key).map_err(|error| error.to_string());
                    self.desk.on_signed(intent, signature, now);
                }
                Some(Output::Store(record)) => {
                    self.desk.on_stored(record.intent, record.attempt, Ok(()), now);
                }
                Some(Output::Answer(id, answer)) => return (Some((id, *answer)), None),
                Some(Output::Done(_, how)) => return (None, Some(how)),
                Some(Output::Progress(..) | Output::Told(_)) => {}
                Some(Output::Notice(notice)) => panic!("the node is honest: {notice:?}"),
                None if self.under_way > 0 => {
                    let (id, result) = self.completion();
                    self.desk.on_http(id, result, now);
                }
                None => {
                    let deadline = self.desk.deadline().expect("something is awaited");
                    self.instant = self.instant.max(deadline);
                    let now = self.clock();
                    self.desk.on_deadline(now);
                }
            }
        }
    }

    fn completion(&mut self) -> (ExchangeId, Result<HttpReply, HttpError>) {
        let done = self.done.recv_timeout(PATIENCE).expect("the node answers");
        let ServiceDone::Http(id, result) = done else { panic!("no name is resolved: {done:?}") };
        if ChainClient::owns(id) {
            self.under_way -= 1;
        }
        (id, result)
    }

    fn clock(&self) -> Now {
        Now { instant: self.instant, unix_ms: self.time * 1000 }
    }

    /// Moves a lever of the node's own.
    fn rpc(&mut self, method: &str, params: &Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.exchanges += 1;
        let request = HttpRequest {
            id: ExchangeId(self.exchanges),
            purpose: Purpose::Chain,
            url: self.url.clone(),
            family: Family::V4,
            timeout: PATIENCE,
            body_bytes_max: 1 << 20,
            post: Some(HttpPost {
                headers: vec![("Content-Type", "application/json".to_owned())],
                body: body.to_string().into_bytes(),
            }),
        };
        self.services.http(request).expect("the queue has room");
        let reply = loop {
            let (id, result) = self.completion();
            if ChainClient::owns(id) {
                let now = self.clock();
                self.desk.on_http(id, result, now);
            } else {
                break result.expect("the node answers");
            }
        };
        let mut reply: Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert!(reply.get("error").is_none(), "{method}: {reply}");
        reply["result"].take()
    }
}

/// The address in what the node prints; the rest of its output goes nowhere, but has to go.
fn address_of(process: &mut Child) -> String {
    let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let url = lines.by_ref().find_map(|line| {
        let line = line.ok()?;
        let (_, url) = line.split_once("JSON-RPC server at ")?;
        Some(url.trim().to_owned())
    });
    thread::spawn(move || lines.for_each(drop));
    url.expect("hardhat starts")
}

fn desk(url: &str) -> Desk {
    Desk::new(Profile {
        name: "hardhat".to_owned(),
        kind: Kind::Evm,
        worth: Worth::Play,
        endpoints: vec![url.to_owned()],
        chain_id: None,
        genesis: None,
        btt: None,
        vault: None,
        confirmations: 0,
    })
}

fn product(address: Address) -> ledger::Address {
    ledger::Address::new(address.into_array())
}

fn log(log: &ledger::chain_client::Log) -> Log {
    let topics = log.topics.iter().map(|topic| (*topic).into()).collect();
    Log {
        address: Address::from(*log.contract.bytes()),
        data: LogData::new_unchecked(topics, log.data.clone().into()),
    }
}

fn number(hexadecimal: &str) -> u64 {
    let digits = hexadecimal.trim_start_matches("0x");
    let bytes = hex::decode(format!("{digits:0>16}")).expect("hexadecimal");
    u64::from_be_bytes(bytes.try_into().expect("64 bits"))
}
