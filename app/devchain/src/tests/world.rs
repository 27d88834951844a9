//! A chain with people on it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    Address, CallOutcome, CallRequest, CallTarget, Chain, Config, Receipt, Refused, Sun, TxId, View,
};
use keys::secp256k1::SecretKey;
use ledger::transaction::{Action, Terms, Unsigned};
use wire::abi::{Decoder, Encoder};

/// When it all begins: in 2100, so that the real clock of a `Node` never passes it.
pub(crate) const START_MS: u64 = 4_102_444_800_000;

pub(crate) const TRX: u64 = 1_000_000;

/// Enough for any call of a test.
pub(crate) const FEE_LIMIT: Sun = Sun(1_000 * TRX);

pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) now_ms: u64,
}

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

pub(crate) fn address(number: u8) -> Address {
    Address::of_key(&key(number).public())
}

impl World {
    /// In memory, blocks on demand, final at once.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let chain = Chain::open(None, config, [7; 32], START_MS).unwrap();
        Self { chain, now_ms: START_MS }
    }

    /// Gives TRX by the faucet.
    pub(crate) fn fund(&mut self, to: Address, sun: u64) {
        self.now_ms += 10;
        self.chain.faucet(to, None, sun.into(), self.now_ms).unwrap();
        self.chain.produce(self.now_ms).unwrap();
    }

    /// Gives BTT by the faucet.
    pub(crate) fn fund_btt(&mut self, to: Address, units: u128) {
        self.now_ms += 10;
        let btt = self.chain.genesis().btt;
        self.chain.faucet(to, Some(btt), units, self.now_ms).unwrap();
        self.chain.produce(self.now_ms).unwrap();
    }

    pub(crate) fn terms(&mut self) -> Terms {
        self.now_ms += 10;
        Terms {
            ref_block: self.chain.head(),
            expiration_ms: self.now_ms + 60_000,
            timestamp_ms: self.now_ms,
            fee_limit: FEE_LIMIT,
        }
    }

    /// Signed by person `number`, in order.
    pub(crate) fn signed(&mut self, number: u8, action: &Action) -> Vec<u8> {
        let terms = self.terms();
        signed(number, action, &terms)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<TxId, Refused> {
        self.chain.broadcast(bytes, self.now_ms)
    }

    /// Sends and makes the block.
    pub(crate) fn act(&mut self, number: u8, action: &Action) -> Result<Receipt, Refused> {
        let bytes = self.signed(number, action);
        let id = self.send(&bytes)?;
        self.chain.produce(self.now_ms).unwrap();
        Ok(self.chain.receipt(id, View::Head).unwrap().unwrap())
    }

    pub(crate) fn balance(&self, of: Address) -> u64 {
        self.chain.account(of, View::Head).unwrap().map_or(0, |account| account.balance.0)
    }

    pub(crate) fn view(&mut self, contract: Address, data: Vec<u8>, view: View) -> CallOutcome {
        let owner = address(200);
        let target = CallTarget::Contract(contract, data);
        self.chain.call(&CallRequest { owner, target, call_value: Sun(0) }, view).unwrap()
    }

    pub(crate) fn btt_of(&mut self, of: Address, view: View) -> u128 {
        let data = Encoder::call("balanceOf(address)").address(of.bytes()).finish();
        let btt = self.chain.genesis().btt;
        let answer = self.view(btt, data, view).output;
        Decoder::new(&answer).uint().unwrap()
    }

    /// Runs creation code without deploying it.
    pub(crate) fn try_code(&mut self, code: Vec<u8>) -> CallOutcome {
        let owner = address(200);
        let target = CallTarget::Deploy(code);
        self.chain.call(&CallRequest { owner, target, call_value: Sun(0) }, View::Head).unwrap()
    }

    /// Deploys `runtime` and returns where it is.
    pub(crate) fn deploy(&mut self, number: u8, runtime: &[u8]) -> Address {
        let receipt = self.act(number, &deploy(&creating(runtime))).unwrap();
        assert_eq!(receipt.message, "");
        receipt.contract.unwrap()
    }
}

pub(crate) fn signed(number: u8, action: &Action, terms: &Terms) -> Vec<u8> {
    let unsigned = Unsigned::build(address(number), action, terms).unwrap();
    unsigned.sign(&key(number)).unwrap().to_bytes()
}

pub(crate) fn transfer(to: Address, sun: u64) -> Action {
    Action::Transfer { to, amount: Sun(sun) }
}

pub(crate) fn trigger(contract: Address, data: Vec<u8>) -> Action {
    Action::Trigger { contract, call_value: Sun(0), data }
}

pub(crate) fn deploy(bytecode: &[u8]) -> Action {
    Action::Deploy {
        name: "Test".to_owned(),
        bytecode: bytecode.to_vec(),
        abi: wire::tron::ContractAbi::default(),
        call_value: Sun(0),
    }
}

pub(crate) fn btt_transfer(to: Address, units: u128) -> Vec<u8> {
    Encoder::call("transfer(address,uint256)").address(to.bytes()).uint(units).finish()
}

/// Creation code that returns `runtime`.
pub(crate) fn creating(runtime: &[u8]) -> Vec<u8> {
    let length = u8::try_from(runtime.len()).unwrap();
    // PUSH1 length, DUP1, PUSH1 11, PUSH0, CODECOPY, PUSH0, RETURN, padding.
    let head = [0x60, length, 0x80, 0x60, 11, 0x5f, 0x39, 0x5f, 0xf3, 0, 0];
    [&head[..], runtime].concat()
}

/// A folder that goes away with this.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("shoal-chain-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("chain.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
