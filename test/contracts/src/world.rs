//! Chains to run contracts on.

use revm::context::TxEnv;
use revm::database::{CacheDB, EmptyDB};
use revm::handler::{MainnetContext, MainnetEvm};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address, Bytes, Log, TxKind, U256};
use revm::{Context, ExecuteCommitEvm as _, ExecuteEvm as _, MainBuilder as _, MainContext as _};

use crate::embedded::Embedded;
use crate::node::Node;
use crate::party::Party;

/// When every world begins, in seconds since 1970.
pub const GENESIS: u64 = 1_800_000_000;

/// What one call, sent as a transaction or only tried, came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was returned, or what the refusal said.
    pub result: Result<Vec<u8>, Vec<u8>>,
    /// Events, in order; none after a refusal.
    pub logs: Vec<Log>,
    /// The address of what was created.
    pub created: Option<Address>,
    /// Gas or energy that was used.
    pub gas: u64,
    /// Bytes of bandwidth; zero where nobody counts them.
    pub bytes: u64,
}

/// A chain with a clock that stands still until it is moved.
#[derive(Debug)]
pub enum World {
    /// revm in this process, with the rules of Cancun.
    Revm(Box<Revm>),
    /// hardhat in a process of its own, by the product's client.
    Node(Box<Node>),
    /// The product's chain for development, in this process.
    Embedded(Box<Embedded>),
}

/// A chain in memory: every transaction is a block of its own.
pub struct Revm {
    evm: MainnetEvm<MainnetContext<CacheDB<EmptyDB>>>,
}

impl core::fmt::Debug for Revm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "revm at {}", self.evm.ctx.block.timestamp)
    }
}

impl World {
    /// An empty chain in this process.
    #[must_use]
    pub fn revm(chain_id: u64) -> Self {
        Self::Revm(Box::new(Revm::new(chain_id)))
    }

    /// The id of the chain.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        match self {
            Self::Revm(chain) => chain.evm.ctx.cfg.chain_id,
            Self::Node(node) => node.chain_id(),
            Self::Embedded(chain) => chain.chain_id(),
        }
    }

    /// What the next transaction will see as the time of its block.
    #[must_use]
    pub fn now(&self) -> u64 {
        match self {
            Self::Revm(chain) => chain.evm.ctx.block.timestamp.to(),
            Self::Node(node) => node.now(),
            Self::Embedded(chain) => chain.now(),
        }
    }

    /// Lets time pass.
    pub fn wait(&mut self, seconds: u64) {
        match self {
            Self::Revm(chain) => chain.evm.ctx.block.timestamp += U256::from(seconds),
            Self::Node(node) => node.wait(seconds),
            Self::Embedded(chain) => chain.wait(seconds),
        }
    }

    /// Creates a contract.
    pub fn create(&mut self, sender: &Party, creation: Vec<u8>) -> Outcome {
        match self {
            Self::Revm(chain) => chain.transact(sender.address, TxKind::Create, creation, true),
            Self::Node(node) => node.create(sender, creation),
            Self::Embedded(chain) => chain.create(sender, creation),
        }
    }

    /// Calls a contract by a transaction.
    pub fn send(&mut self, sender: &Party, to: Address, data: Vec<u8>) -> Outcome {
        match self {
            Self::Revm(chain) => chain.transact(sender.address, TxKind::Call(to), data, true),
            Self::Node(node) => node.send(sender, to, data),
            Self::Embedded(chain) => chain.send(sender, to, data),
        }
    }

    /// Calls a contract and forgets what it changed.
    pub fn ask(&mut self, to: Address, data: Vec<u8>) -> Outcome {
        match self {
            Self::Revm(chain) => chain.transact(Address::ZERO, TxKind::Call(to), data, false),
            Self::Node(node) => node.ask(to, data),
            Self::Embedded(chain) => chain.ask(to, data),
        }
    }
}

impl Revm {
    fn new(chain_id: u64) -> Self {
        let evm = Context::mainnet()
            .with_db(CacheDB::<EmptyDB>::default())
            .modify_cfg_chained(|cfg| {
                cfg.set_spec_and_mainnet_gas_params(SpecId::CANCUN);
                cfg.chain_id = chain_id;
                cfg.disable_nonce_check = true;
                cfg.tx_gas_limit_cap = Some(u64::MAX);
            })
            .modify_block_chained(|block| block.timestamp = U256::from(GENESIS))
            .build_mainnet();
        Self { evm }
    }

    /// Becomes another chain with the same past, as after a fork.
    pub fn become_chain(&mut self, chain_id: u64) {
        self.evm.ctx.cfg.chain_id = chain_id;
    }

    fn transact(&mut self, caller: Address, kind: TxKind, data: Vec<u8>, is_kept: bool) -> Outcome {
        let chain_id = Some(self.evm.ctx.cfg.chain_id);
        let data = Bytes::from(data);
        let gas_limit = 30_000_000;
        let transaction = TxEnv { caller, kind, data, gas_limit, chain_id, ..TxEnv::default() };
        let result = if is_kept {
            self.evm.transact_commit(transaction).expect("the transaction is well-formed")
        } else {
            let result = self.evm.transact(transaction).expect("the transaction is well-formed");
            result.result
        };
        let output = result.output().map(|bytes| bytes.to_vec()).unwrap_or_default();
        Outcome {
            gas: result.tx_gas_used(),
            bytes: 0,
            created: result.created_address(),
            result: if result.is_success() { Ok(output) } else { Err(output) },
            logs: if result.is_success() { result.into_logs() } else { Vec::new() },
        }
    }
}
