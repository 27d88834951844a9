//! Vaults that were used here, and what they hold: so that the book knows them again, and whoever uses
//! another one is told.

use disk::MoneyDb;
use ledger::address::Address;
use ledger::network::Profile;
use ledger::outbox::{Action, NetworkId};

use crate::failure::Failure;
use crate::money::booking::Scope;
use crate::money::send::failed;
use crate::wallet::keyfile::Keyfile;

/// The Vault that is used where none is named: the one that was deployed from here.
pub(crate) fn chosen(db: &MoneyDb, network: &NetworkId) -> Result<Option<Address>, Failure> {
    address(db, &format!("vault {network}"))
}

/// From now on this one is used.
pub(crate) fn choose(db: &MoneyDb, network: &NetworkId, vault: Address) -> Result<(), Failure> {
    let name = format!("vault {network}");
    db.set_setting(&name, Some(&vault.to_string())).map_err(|error| failed(&error))
}

/// The token of a Vault that was used before.
fn token_of(db: &MoneyDb, network: &NetworkId, vault: Address) -> Result<Option<Address>, Failure> {
    address(db, &format!("vault-token {network} {vault}"))
}

/// Keeps what a Vault holds.
pub(crate) fn remember(
    db: &MoneyDb,
    network: &NetworkId,
    (vault, token): (Address, Address),
) -> Result<(), Failure> {
    let name = format!("vault-token {network} {vault}");
    db.set_setting(&name, Some(&token.to_string())).map_err(|error| failed(&error))
}

fn address(db: &MoneyDb, name: &str) -> Result<Option<Address>, Failure> {
    let text = db.setting(name).map_err(|error| failed(&error))?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// What the book of a network is about: accounts with a key of ours, and each Vault that is known or
/// that something under way is for.
pub(crate) fn scope(
    db: &MoneyDb,
    (profile, network): (&Profile, &NetworkId),
    wallet: &Keyfile,
) -> Result<Scope, Failure> {
    let own = wallet.accounts.iter().filter(|account| account.is_ours());
    let mut scope =
        Scope { ours: own.map(|account| account.address).collect(), ..Scope::default() };
    let mut vaults: Vec<Address> = profile.vault.into_iter().chain(chosen(db, network)?).collect();
    for record in db.live_records(*network).map_err(|error| failed(&error))? {
        if let Action::Call { contract, .. } = record.action {
            vaults.push(contract);
        }
    }
    for vault in vaults {
        let usual = [profile.vault, chosen(db, network)?].contains(&Some(vault));
        let token = token_of(db, network, vault)?.or(profile.btt.filter(|_| usual));
        scope.vaults.extend(token.map(|token| (vault, token)));
    }
    Ok(scope)
}
