//! Does our own client drive the embedded chain, and does it say what happened?
//!
//! Method: a chain in memory behind its HTTP server on a free port, `net::chain` over real sockets.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use devchain::http::Server;
use devchain::{Address, BlockTime, Chain, Config, Genesis, Node};
use keys::secp256k1::{SecretKey, Signature};
use ledger::Amount;
use ledger::chain_client::View;
use ledger::follower::Output as Told;
use ledger::network::{Coin, Kind, Profile, Worth};
use ledger::outbox::{Action, Caps, IntentId, Order, Progress, Record, SendError, Status, ToSign};
use net::chain::{Chain as Client, Go, Hands};
use net::factory::SocketFactory;
use wire::abi::Encoder;

const COIN: u128 = 1_000_000_000_000_000_000;

fn key() -> SecretKey {
    SecretKey::from_bytes(&[7; 32]).unwrap()
}

fn owner() -> Address {
    Address::of_key(&key().public())
}

struct Running {
    profile: Profile,
    genesis: Genesis,
    _server: Server,
    _node: Node,
}

/// A chain on which the owner has 10,000 TRX and 1,000 BTT.
fn running() -> Running {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = u64::try_from(now.as_millis()).unwrap();
    let config = Config { block_time: BlockTime::OnDemand, solid_after_blocks: 0 };
    let mut chain = Chain::open(None, config, [3; 32], now_ms).unwrap();
    let genesis = chain.genesis();
    chain.faucet(owner(), None, 10_000_000_000, now_ms).unwrap();
    chain.faucet(owner(), Some(genesis.btt), 1000 * COIN, now_ms).unwrap();
    chain.produce(now_ms).unwrap();
    let (node, handle) = Node::start(chain).unwrap();
    let server = Server::start("127.0.0.1:0".parse().unwrap(), &[], handle).unwrap();
    let profile = Profile {
        name: "local".to_owned(),
        kind: Kind::Tron,
        worth: Worth::Play,
        endpoints: vec![format!("http://{}", server.address())],
        chain_id: None,
        genesis: None,
        btt: Some(genesis.btt),
        vault: Some(genesis.vault),
        confirmations: 0,
    };
    Running { profile, genesis, _server: server, _node: node }
}

/// Signs with the owner's key, and keeps records in memory.
#[derive(Default)]
struct Owner {
    records: BTreeMap<(IntentId, u32), Record>,
    seen: Vec<Progress>,
}

impl Hands for Owner {
    fn sign(&mut self, to_sign: &ToSign) -> Result<Signature, String> {
        to_sign.sign(&key()).map_err(|why| why.to_string())
    }

    fn store(&mut self, record: &Record) -> Result<(), String> {
        self.records.insert((record.intent, record.attempt), record.clone());
        Ok(())
    }

    fn progress(&mut self, progress: &Progress) -> Go {
        self.seen.push(progress.clone());
        Go::On
    }
}

fn order(name: u8, action: Action) -> Order {
    Order {
        intent: IntentId([name; 16]),
        from: owner(),
        action,
        caps: Caps { fee_max: Amount::new(100_000_000), spend_max: Vec::new() },
        quote: None,
        rebuilds_max: 0,
    }
}

fn transfer(token: Address, to: Address, amount: u128) -> Action {
    let call = Encoder::call("transfer(address,uint256)");
    let data = call.address(to.bytes()).uint(amount).finish();
    Action::Call { contract: token, value: Amount::ZERO, data }
}

#[test]
fn a_token_is_sent_and_costs_what_the_receipt_says() {
    let running = running();
    let mut chain = Client::new(running.profile.clone(), SocketFactory::default());
    let network = chain.network().unwrap();
    assert_eq!(network.id.0, running.genesis.id.0);
    assert_eq!(network.chain_id, u64::from(running.genesis.chain_id));

    let token = Coin::Token(running.genesis.btt);
    let friend = Address::new([0x42; 20]);
    let before = chain.balance(owner(), Coin::Native, View::Solid).unwrap();
    assert_eq!(before, Amount::new(10_000_000_000));
    let action = transfer(running.genesis.btt, friend, 5 * COIN);
    let quote = chain.quote(owner(), action.clone()).unwrap();
    assert_eq!(quote.failure, None);
    let mut hands = Owner::default();
    let order = Order { quote: Some(quote.clone()), ..order(1, action.clone()) };
    let record = chain.send(order.clone(), &[], &mut hands).unwrap();
    let Status::Confirmed(settled) = record.status else { panic!("{:?}", record.status) };
    assert_eq!(settled.energy, quote.energy, "what was estimated is what was used");
    assert!(settled.fee <= quote.fee, "{} of {}", settled.fee, quote.fee);
    assert_eq!(chain.balance(friend, token, View::Solid).unwrap(), Amount::new(5 * COIN));
    let after = chain.balance(owner(), Coin::Native, View::Solid).unwrap();
    assert_eq!(before.minus(after).unwrap(), settled.fee);
    assert_eq!(hands.records[&(record.intent, 1)], record);

    // The same wish is not carried out again, whoever asks.
    let again = chain.send(order, std::slice::from_ref(&record), &mut hands);
    assert_eq!(again, Err(SendError::Done(record.id)));
}

#[test]
fn trx_to_somebody_new_pays_for_the_account() {
    let running = running();
    let mut chain = Client::new(running.profile.clone(), SocketFactory::default());
    let friend = Address::new([0x43; 20]);
    let action = Action::Transfer { to: friend, amount: Amount::new(1_500_000) };
    let quote = chain.quote(owner(), action.clone()).unwrap();
    assert!(!quote.activation.is_zero());
    let record = chain.send(order(2, action), &[], &mut Owner::default()).unwrap();
    let Status::Confirmed(settled) = record.status else { panic!("{:?}", record.status) };
    assert_eq!(settled.fee, quote.fee, "{quote:?}");
    let there = chain.balance(friend, Coin::Native, View::Solid).unwrap();
    assert_eq!(there, Amount::new(1_500_000));
}

#[test]
fn what_would_fail_is_not_sent() {
    let running = running();
    let mut chain = Client::new(running.profile.clone(), SocketFactory::default());
    let action = transfer(running.genesis.btt, Address::new([0x42; 20]), 1001 * COIN);
    let mut hands = Owner::default();
    let refused = chain.send(order(3, action), &[], &mut hands);
    assert!(matches!(refused, Err(SendError::WouldFail(_))), "{refused:?}");
    assert!(hands.records.is_empty());
}

#[test]
fn events_of_the_token_are_told_once_their_block_is_final() {
    let running = running();
    let mut chain = Client::new(running.profile.clone(), SocketFactory::default());
    chain.follow(vec![running.genesis.btt], None);
    let Some(Told::Final { cursor, events }) = chain.next_told() else { panic!("a cursor") };
    assert!(events.is_empty());
    let friend = Address::new([0x44; 20]);
    let action = transfer(running.genesis.btt, friend, 7 * COIN);
    let record = chain.send(order(4, action), &[], &mut Owner::default()).unwrap();
    let mut last = cursor;
    loop {
        match chain.next_told().expect("it goes on") {
            Told::Final { cursor, events } => {
                assert_eq!(cursor.number, last.number + 1, "no gap");
                last = cursor;
                if let [event] = events.as_slice() {
                    assert_eq!(event.transaction, record.id);
                    assert_eq!(event.log.topics[2], wire::abi::address_word(friend.bytes()));
                    return;
                }
            }
            Told::Trouble(trouble) => panic!("{trouble}"),
            Told::Seen(_) | Told::Undone(_) | Told::Ask(_) => {}
        }
    }
}

#[test]
fn the_same_chain_answers_the_same_in_the_language_of_ethereum() {
    let running = running();
    let endpoint = format!("{}/jsonrpc", running.profile.endpoints[0]);
    let chain_id = Some(u64::from(running.genesis.chain_id));
    let profile =
        Profile { kind: Kind::Evm, endpoints: vec![endpoint], chain_id, ..running.profile.clone() };
    let mut chain = Client::new(profile, SocketFactory::default());
    let token = Coin::Token(running.genesis.btt);
    let held = chain.balance(owner(), token, View::Head).unwrap();
    assert_eq!(held, Amount::new(1000 * COIN));
    let trx = chain.balance(owner(), Coin::Native, View::Head).unwrap();
    assert_eq!(trx, Amount::new(10_000_000_000));
}
