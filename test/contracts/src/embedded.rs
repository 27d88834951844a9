//! The product's own chain for development, with the machine and the prices of TRON.

use devchain::{CallRequest, CallTarget, Chain, Config, ContractResult, View};
use ledger::Sun;
use ledger::transaction::{Action, Terms, Unsigned};
use revm::primitives::{Address, Log, LogData};

use crate::party::Party;
use crate::world::{GENESIS, Outcome};

/// What a contract call may cost at most: the network's own bound.
const FEE_LIMIT: Sun = ledger::transaction::FEE_LIMIT_MAX;

/// A chain in memory, one transaction a block.
#[derive(Debug)]
pub struct Embedded {
    chain: Chain,
    time_ms: u64,
}

impl Embedded {
    /// A new chain, the same each time.
    ///
    /// # Panics
    /// If the chain can't be made.
    #[must_use]
    pub fn new() -> Self {
        let time_ms = GENESIS * 1000;
        let chain = Chain::open(None, Config::default(), [7; 32], time_ms);
        Self { chain: chain.expect("memory does not fail"), time_ms }
    }

    /// The low four bytes of the genesis block.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain.genesis().chain_id.into()
    }

    /// The time of the next block, in seconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.time_ms / 1000
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: u64) {
        self.time_ms += seconds * 1000;
    }

    /// Gives somebody TRX for fees.
    ///
    /// # Panics
    /// If the faucet is empty.
    pub fn fund(&mut self, party: &Party) {
        let amount = 1_000_000_000_000;
        self.chain
            .faucet(product(party.address), None, amount, self.time_ms)
            .expect("the faucet has enough");
        self.chain.mine(self.time_ms).expect("memory does not fail");
    }

    /// Creates a contract. Its interface is not kept on the chain.
    pub fn create(&mut self, sender: &Party, creation: Vec<u8>) -> Outcome {
        let action = Action::Deploy {
            name: String::new(),
            bytecode: creation,
            abi: wire::tron::ContractAbi::default(),
            call_value: Sun(0),
        };
        self.transact(sender, &action)
    }

    /// Calls a contract.
    pub fn send(&mut self, sender: &Party, to: Address, data: Vec<u8>) -> Outcome {
        let contract = product(to);
        self.transact(sender, &Action::Trigger { contract, call_value: Sun(0), data })
    }

    /// Calls a contract and forgets what it changed.
    ///
    /// # Panics
    /// If the chain does not run it at all.
    pub fn ask(&mut self, to: Address, data: Vec<u8>) -> Outcome {
        let owner = product(Address::ZERO);
        let target = CallTarget::Contract(product(to), data);
        let request = CallRequest { owner, target, call_value: Sun(0) };
        let outcome = self.chain.call(&request, View::Head).expect("the contract is there");
        Outcome {
            result: returned(outcome.result, outcome.output),
            logs: Vec::new(),
            created: None,
            gas: outcome.energy_used,
            bytes: 0,
        }
    }

    fn transact(&mut self, sender: &Party, action: &Action) -> Outcome {
        let terms = Terms {
            ref_block: self.chain.head(),
            expiration_ms: self.time_ms + 60_000,
            timestamp_ms: self.time_ms,
            fee_limit: FEE_LIMIT,
        };
        let unsigned = Unsigned::build(product(sender.address), action, &terms);
        let signed = unsigned.and_then(|unsigned| unsigned.sign(sender.key()));
        let bytes = signed.expect("within all bounds").to_bytes();
        let id = self.chain.broadcast(&bytes, self.time_ms).expect("the chain takes it");
        self.chain.mine(self.time_ms).expect("memory does not fail");
        let receipt = self.chain.receipt(id, View::Head).expect("memory does not fail");
        let receipt = receipt.expect("it is in the block");
        Outcome {
            created: receipt.contract.map(|contract| Address::from(*contract.bytes())),
            gas: receipt.energy_usage_total,
            bytes: receipt.net_usage + receipt.net_fee.0 / 1000,
            logs: receipt.logs.iter().map(log).collect(),
            result: returned(receipt.result, receipt.output),
        }
    }
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new()
    }
}

fn returned(result: ContractResult, output: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
    if result == ContractResult::Revert {
        return Err(output);
    }
    let is_done = matches!(result, ContractResult::Success | ContractResult::Default);
    assert!(is_done, "no contract of ours ends so: {result:?}");
    Ok(output)
}

fn product(address: Address) -> ledger::Address {
    ledger::Address::new(address.into_array())
}

fn log(log: &devchain::Log) -> Log {
    let topics = log.topics.iter().map(|topic| (*topic).into()).collect();
    Log {
        address: Address::from(*log.address.bytes()),
        data: LogData::new_unchecked(topics, log.data.clone().into()),
    }
}
