//! The Vault as a contract: what it is asked, and how it is made.
//!
//! Source: contracts/src/Vault.sol.

use devchain::genesis::interface_bytes;
use ledger::address::Address;
use ledger::amount::Amount;
use ledger::chain_client::View;
use ledger::outbox::Action;
use ledger::parties::Parties;
use serde_json::Value;
use wire::abi::{Decoder, Encoder, selector};

use crate::failure::Failure;
use crate::money::teller::Teller;

/// As compiled, with a check in CI that it is of the sources.
const ARTIFACT: &str = include_str!("../../../../contracts/artifacts/Vault.json");

/// What is called, for the history.
const CALLS: [&str; 8] = [
    "deposit(address,address,uint256)",
    "withdraw(address,uint256)",
    "lock(address,address,uint256,uint64)",
    "announceUnlock(address,address)",
    "unlock(address,address,address)",
    "redeem(address[],address[],address[],uint256[],bytes[])",
    "close(address,address,address,uint256,bytes,bytes)",
    "approve(address,uint256)",
];

/// The name of the function that is called, if it is one that we call.
pub(crate) fn name_of_call(data: &[u8]) -> Option<&'static str> {
    let found = CALLS.iter().find(|signature| data.starts_with(&selector(signature)))?;
    found.split('(').next()
}

/// What the Vault knows of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChannelState {
    pub(crate) locked: Amount,
    pub(crate) redeemed: Amount,
    pub(crate) delay_s: u64,
    /// Seconds since 1970; 0: no unlock is announced.
    pub(crate) unlock_at: u64,
    pub(crate) round: u64,
}

/// Asks a function of a contract.
fn asked(
    teller: &mut Teller,
    contract: Address,
    data: Vec<u8>,
    what: &str,
) -> Result<Vec<u8>, Failure> {
    // What is signed depends on it, and final is what nodes must agree on.
    let returned = teller.chain.call(contract, contract, data, View::Solid);
    let returned = returned.map_err(|error| teller.failure(&error))?;
    let shown = crate::money::coin::address(&teller.profile, contract);
    returned.map_err(|revert| {
        Failure::new(format!("the contract {shown} does not say its {what}: {}", revert.reason))
    })
}

fn no_vault(teller: &Teller, vault: Address) -> Failure {
    let shown = crate::money::coin::address(&teller.profile, vault);
    Failure::with_hint(
        format!("{shown} is no Vault on {}", teller.profile),
        "is the address right, and the network?",
    )
}

/// The token that a Vault holds.
pub(crate) fn token(teller: &mut Teller, vault: Address) -> Result<Address, Failure> {
    let bytes = asked(teller, vault, Encoder::call("token()").finish(), "token")?;
    let token = Decoder::new(&bytes).address().map_err(|_other| no_vault(teller, vault))?;
    Ok(Address::new(token))
}

/// What of an account is locked for nobody.
pub(crate) fn free(
    teller: &mut Teller,
    vault: Address,
    parties: &Parties,
) -> Result<Amount, Failure> {
    let data = Encoder::call("free(bytes32)").word(parties.account().0).finish();
    let bytes = asked(teller, vault, data, "free money")?;
    let free = Decoder::new(&bytes).uint().map_err(|_other| no_vault(teller, vault))?;
    Ok(Amount::new(free))
}

/// What there is of a channel.
pub(crate) fn channel(
    teller: &mut Teller,
    vault: Address,
    parties: &Parties,
) -> Result<ChannelState, Failure> {
    let data = Encoder::call("channel(bytes32)").word(parties.channel().0).finish();
    let bytes = asked(teller, vault, data, "channel")?;
    let mut words = Decoder::new(&bytes);
    let mut read = || {
        Ok::<_, wire::abi::AbiError>(ChannelState {
            locked: Amount::new(words.uint()?),
            redeemed: Amount::new(words.uint()?),
            delay_s: words.uint64()?,
            unlock_at: words.uint64()?,
            round: words.uint64()?,
        })
    };
    read().map_err(|_other| no_vault(teller, vault))
}

/// How much of somebody's tokens a contract may take.
pub(crate) fn allowance(
    teller: &mut Teller,
    token: Address,
    owner: Address,
    spender: Address,
) -> Result<Amount, Failure> {
    let data = Encoder::call("allowance(address,address)")
        .address(owner.bytes())
        .address(spender.bytes())
        .finish();
    let bytes = asked(teller, token, data, "allowance")?;
    // More than 128 bits is more than anybody has.
    Ok(Decoder::new(&bytes).uint().map_or(Amount::MAX, Amount::new))
}

/// The transaction that makes a Vault for a token.
pub(crate) fn deployment(token: Address) -> Result<Action, Failure> {
    let damaged = || Failure::new("the Vault that comes with this program is damaged");
    let artifact: Value = serde_json::from_str(ARTIFACT).map_err(|_malformed| damaged())?;
    let code = artifact.get("bytecode").and_then(Value::as_str).and_then(wire::unhex_bytes);
    let mut code = code.ok_or_else(damaged)?;
    code.extend(Encoder::new().address(token.bytes()).finish());
    let abi = interface_bytes(artifact.get("abi").unwrap_or(&Value::Null));
    Ok(Action::Deploy { name: "Vault".to_owned(), value: Amount::ZERO, code, abi })
}
