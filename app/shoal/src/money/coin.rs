//! Coins as people name them: TRX, BTT, or the address of a token.

use disk::MoneyDb;
use ledger::address::Address;
use ledger::amount::{Amount, DECIMALS_MAX};
use ledger::chain_client::{ClientError, View};
use ledger::network::{Coin, Kind, Profile};
use ledger::outbox::NetworkId;
use wire::abi::{Decoder, Encoder};

use crate::failure::Failure;
use crate::money::send::failed;
use crate::money::teller::Teller;

/// Longest symbol of a token that is shown, in characters.
const SYMBOL_CHARS_MAX: usize = 16;

/// A coin, and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) coin: Coin,
    /// `TRX`, `BTT`, or what a token calls itself; printable.
    pub(crate) symbol: String,
    /// Digits after the point.
    pub(crate) decimals: u8,
    /// Whether the symbol is ours to give. Any token can call itself BTT.
    pub(crate) known: bool,
}

impl Named {
    /// An amount with its symbol.
    pub(crate) fn show(&self, amount: Amount) -> String {
        format!("{} {}", amount.shown(self.decimals), self.symbol)
    }

    /// Name for caps: `TRX`, `BTT`, or the address.
    pub(crate) fn key(&self) -> String {
        match self.coin {
            Coin::Token(token) if !self.known => token.to_string(),
            Coin::Token(_) | Coin::Native => self.symbol.clone(),
        }
    }

    /// Reads an amount in whole coins.
    pub(crate) fn parse(&self, text: &str) -> Result<Amount, Failure> {
        Amount::parse(text, self.decimals).map_err(|error| {
            Failure::misused(
                format!("the amount {error}: {}", wire::visible(text)),
                format!("amounts are whole {}, as in 1.5", self.symbol),
            )
        })
    }
}

/// The coin that fees are paid in.
pub(crate) fn native(profile: &Profile) -> Named {
    Named {
        coin: Coin::Native,
        symbol: profile.native_symbol().to_owned(),
        decimals: profile.native_decimals(),
        known: true,
    }
}

/// The network's BTT, if it is a token there.
pub(crate) fn btt(profile: &Profile) -> Option<Named> {
    let coin = Coin::Token(profile.btt?);
    Some(Named { coin, symbol: "BTT".to_owned(), decimals: 18, known: true })
}

/// The coin that is meant by `TRX`, `BTT`, or a token's address.
///
/// # Errors
/// There is none of that name there, or the contract is no token.
pub(crate) fn resolve(teller: &mut Teller, text: &str) -> Result<Named, Failure> {
    let profile = &teller.profile;
    let native = native(profile);
    if text.eq_ignore_ascii_case(&native.symbol) {
        return Ok(native);
    }
    if text.eq_ignore_ascii_case("btt") {
        return btt(profile).ok_or_else(|| {
            Failure::with_hint(
                format!("the address of BTT on {profile} is not known"),
                "name the token by the address of its contract",
            )
        });
    }
    match text.parse::<Address>() {
        Ok(token) => token_named(teller, token),
        Err(error) => Err(Failure::misused(
            format!("not a coin on {profile}: {} ({error})", wire::visible(text)),
            format!("{}, BTT, or the address of a token's contract", native.symbol),
        )),
    }
}

/// A token by its contract, which says how it is called and divided.
pub(crate) fn token_named(teller: &mut Teller, token: Address) -> Result<Named, Failure> {
    if let Some(btt) = btt(&teller.profile).filter(|btt| btt.coin == Coin::Token(token)) {
        return Ok(btt);
    }
    let profile = teller.profile.clone();
    let no_token = || {
        let shown = address(&profile, token);
        Failure::with_hint(
            format!("{shown} is no token on {profile}: it does not say its decimals"),
            "is the address right, and the network?",
        )
    };
    let decimals = match ask(teller, token, "decimals()") {
        Ok(Some(bytes)) => {
            Decoder::new(&bytes).uint().ok().and_then(|digits| u8::try_from(digits).ok())
        }
        Ok(None) | Err(ClientError::Refused(_)) => None,
        Err(error) => return Err(teller.failure(&error)),
    };
    let decimals = decimals.filter(|decimals| *decimals <= DECIMALS_MAX).ok_or_else(no_token)?;
    let symbol = match ask(teller, token, "symbol()") {
        Ok(Some(bytes)) => Decoder::new(&bytes).bytes().map(<[u8]>::to_vec).unwrap_or_default(),
        Ok(None) | Err(_) => Vec::new(),
    };
    let symbol = wire::printable(&symbol, SYMBOL_CHARS_MAX);
    let symbol = if symbol.is_empty() { "tokens".to_owned() } else { symbol };
    Ok(Named { coin: Coin::Token(token), symbol, decimals, known: false })
}

fn ask(
    teller: &mut Teller,
    token: Address,
    function: &str,
) -> Result<Option<Vec<u8>>, ClientError> {
    let data = Encoder::call(function).finish();
    // Amounts are signed by it, and final is what nodes must agree on.
    Ok(teller.chain.call(token, token, data, View::Solid)?.ok())
}

/// Keeps how a token is divided, and refuses another answer: amounts would be signed by it.
pub(crate) fn judge_decimals(
    db: &MoneyDb,
    network: NetworkId,
    named: &Named,
) -> Result<(), Failure> {
    let Coin::Token(token) = named.coin else { return Ok(()) };
    let name = format!("decimals {network} {token}");
    let now = named.decimals.to_string();
    match db.setting(&name).map_err(|error| failed(&error))? {
        Some(before) if before != now => Err(Failure::with_hint(
            format!("the token {token} had {before} decimals, and the node says {now} now"),
            "tokens do not change them: --node names a node that you trust",
        )),
        Some(_) => Ok(()),
        None => db.set_setting(&name, Some(&now)).map_err(|error| failed(&error)),
    }
}

/// An address as the network writes it.
pub(crate) fn address(profile: &Profile, address: Address) -> String {
    match profile.kind {
        Kind::Tron => address.to_string(),
        Kind::Evm => address.ethereum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_divided_otherwise_than_before_is_refused() {
        let db = MoneyDb::open(None).unwrap();
        let coin = Coin::Token(Address::new([7; 20]));
        let mut named = Named { coin, symbol: "X".to_owned(), decimals: 6, known: false };
        let network = NetworkId([1; 32]);
        for _ in 0..2 {
            judge_decimals(&db, network, &named).unwrap();
        }
        named.decimals = 18;
        let said = judge_decimals(&db, network, &named).unwrap_err().to_string();
        assert!(said.contains("had 6 decimals, and the node says 18 now"), "{said}");
        judge_decimals(&db, NetworkId([2; 32]), &named).unwrap();
    }
}
