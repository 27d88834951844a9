//! Requests for payments, as links that people copy or scan.
//!
//! Source: docs/wallet.md. TRON has no standard for them. Wallets scan `tron:ADDRESS?amount=1.5`, with whole
//! coins as in BIP-21, and `token=` with the contract if it is not TRX; those that know no parameters take
//! the address. On chains like Ethereum's it is EIP-681: `ethereum:0x…@199?value=…`, in smallest units.
//!
//! A link comes from a stranger: it is a proposal, and the wallet shows what it would do before it does it.

use core::fmt;
use core::str::FromStr;

use url::form_urlencoded;

use crate::address::{Address, AddressError};
use crate::amount::{Amount, DECIMALS_MAX, ParseAmountError};

/// Longest link.
pub const URI_BYTES_MAX: usize = 2048;

/// Longest memo, in characters.
pub const MEMO_CHARS_MAX: usize = 200;

/// What is to be paid with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The native coin of TRON.
    Trx,
    /// The network's BTT, whatever its contract there is.
    Btt,
    /// The token of this contract.
    Token(Address),
    /// The native coin of the chain like Ethereum's with this id.
    Native {
        /// The chain's id.
        chain_id: u64,
    },
}

/// See the [module documentation](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentUri {
    /// Who is to be paid.
    pub to: Address,
    /// What with.
    pub asked: Asked,
    /// How much, in whole coins, as a number like 1.5; smallest units for [`Asked::Native`].
    pub amount: Option<String>,
    /// Where: a network's name. `None`: it does not say; most wallets take the main network.
    pub network: Option<String>,
    /// What for; printable.
    pub memo: Option<String>,
}

/// Why a text is no request for a payment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Longer than [`URI_BYTES_MAX`].
    #[error("it has {found} bytes, at most {URI_BYTES_MAX} are read")]
    TooLong {
        /// How many it has.
        found: usize,
    },
    /// Another scheme.
    #[error("it does not begin with tron: or ethereum:")]
    Scheme,
    /// Who is to be paid can't be read.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// How much can't be read.
    #[error("the amount {0}")]
    Amount(#[from] ParseAmountError),
    /// The chain's id, the network or the token can't be read.
    #[error("its `{0}` cannot be read")]
    Parameter(&'static str),
    /// One parameter twice: which one counts?
    #[error("it says `{0}` twice")]
    Twice(&'static str),
}

/// Whether this looks as if it were meant to be a request for a payment.
#[must_use]
pub fn is_payment_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("tron") || scheme.eq_ignore_ascii_case("ethereum")
}

impl fmt::Display for PaymentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = form_urlencoded::Serializer::new(String::new());
        match &self.asked {
            Asked::Native { chain_id } => {
                write!(f, "ethereum:{}@{chain_id}", self.to.ethereum())?;
                if let Some(amount) = &self.amount {
                    query.append_pair("value", amount);
                }
            }
            asked @ (Asked::Trx | Asked::Btt | Asked::Token(_)) => {
                write!(f, "tron:{}", self.to)?;
                if let Some(amount) = &self.amount {
                    query.append_pair("amount", amount);
                }
                match asked {
                    Asked::Token(token) => query.append_pair("token", &token.to_string()),
                    Asked::Btt => query.append_pair("token", "BTT"),
                    Asked::Trx | Asked::Native { .. } => &mut query,
                };
                if let Some(network) = &self.network {
                    query.append_pair("network", network);
                }
            }
        }
        if let Some(memo) = &self.memo {
            query.append_pair("memo", memo);
        }
        // A blank as `+` is of forms; other wallets would show it.
        let query = query.finish().replace('+', "%20");
        if query.is_empty() { Ok(()) } else { write!(f, "?{query}") }
    }
}

/// The parameters that we know, by all names that wallets give them.
#[derive(Default)]
struct Parameters {
    amount: Option<String>,
    value: Option<String>,
    token: Option<String>,
    network: Option<String>,
    memo: Option<String>,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, UriError> {
        let mut read = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let (name, place) = match &*key {
                "amount" => ("amount", &mut read.amount),
                "value" => ("value", &mut read.value),
                "token" | "contract" | "contractAddress" => ("token", &mut read.token),
                "network" => ("network", &mut read.network),
                "memo" | "message" => ("memo", &mut read.memo),
                // What we don't know can't be what the money depends on: the user sees what is paid.
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(UriError::Twice(name));
            }
        }
        Ok(read)
    }
}

impl FromStr for PaymentUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > URI_BYTES_MAX {
            return Err(UriError::TooLong { found: text.len() });
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (target, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters = Parameters::read(query)?;
        let memo = parameters.memo.as_deref();
        let memo = memo.map(|memo| wire::printable(memo.as_bytes(), MEMO_CHARS_MAX));
        if scheme.eq_ignore_ascii_case("ethereum") {
            let (to, chain_id) = target.split_once('@').ok_or(UriError::Parameter("chain id"))?;
            let chain_id = chain_id.parse().map_err(|_bad| UriError::Parameter("chain id"))?;
            let amount = parameters.value;
            if let Some(amount) = &amount {
                amount.parse::<Amount>()?;
            }
            let asked = Asked::Native { chain_id };
            return Ok(Self { to: to.parse()?, asked, amount, network: None, memo });
        }
        if !scheme.eq_ignore_ascii_case("tron") {
            return Err(UriError::Scheme);
        }
        if let Some(amount) = &parameters.amount {
            // How fine the coin is, is judged where that is known.
            match Amount::parse(amount, DECIMALS_MAX) {
                Ok(_) | Err(ParseAmountError::TooLarge) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let asked = match parameters.token.as_deref() {
            None | Some("") => Asked::Trx,
            Some(text) if text.eq_ignore_ascii_case("trx") => Asked::Trx,
            Some(text) if text.eq_ignore_ascii_case("btt") => Asked::Btt,
            Some(text) => Asked::Token(text.parse().map_err(|_bad| UriError::Parameter("token"))?),
        };
        let network = parameters.network.as_deref();
        let plain = |name: &&str| {
            name.len() <= 40
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if network.is_some_and(|name| !plain(&name)) {
            return Err(UriError::Parameter("network"));
        }
        let (amount, network) = (parameters.amount, network.map(str::to_owned));
        Ok(Self { to: target.parse()?, asked, amount, network, memo })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TO: &str = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH";

    #[test]
    fn links_of_wallets_are_read() {
        let to: Address = TO.parse().unwrap();
        let token = "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4";
        for (link, amount, asked) in [
            (format!("tron:{TO}"), None, Asked::Trx),
            (format!("TRON://{TO}?amount=1.5"), Some("1.5"), Asked::Trx),
            (
                format!("tron:{TO}?amount=2&token={token}"),
                Some("2"),
                Asked::Token(token.parse().unwrap()),
            ),
            (
                format!("tron:{TO}?contractAddress={token}&x=y"),
                None,
                Asked::Token(token.parse().unwrap()),
            ),
            (format!("tron:{TO}?token=btt"), None, Asked::Btt),
            (
                format!("ethereum:{}@199?value=5", to.ethereum()),
                Some("5"),
                Asked::Native { chain_id: 199 },
            ),
        ] {
            let read: PaymentUri = link.parse().unwrap();
            assert_eq!(
                (read.to, read.amount.as_deref(), read.asked),
                (to, amount, asked),
                "{link}"
            );
        }
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        let other = "bitcoin:1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2";
        for (link, error) in [
            (other.to_owned(), UriError::Scheme),
            (TO.to_owned(), UriError::Scheme),
            (format!("tron:{TO}?amount=1&amount=2"), UriError::Twice("amount")),
            (format!("tron:{TO}?token=BTT&contract=BTT"), UriError::Twice("token")),
            (format!("tron:{TO}?amount=1,5"), UriError::Amount(ParseAmountError::Comma)),
            (format!("tron:{TO}?amount=-1"), UriError::Amount(ParseAmountError::NotNumber)),
            (format!("tron:{TO}?token=USDT"), UriError::Parameter("token")),
            (format!("tron:{TO}?network=a/b"), UriError::Parameter("network")),
            ("tron:TUEZ".into(), "TUEZ".parse::<Address>().unwrap_err().into()),
            (format!("ethereum:{TO}"), UriError::Parameter("chain id")),
        ] {
            assert_eq!(link.parse::<PaymentUri>(), Err(error), "{link}");
        }
        let found = URI_BYTES_MAX + 1;
        assert_eq!("x".repeat(found).parse::<PaymentUri>(), Err(UriError::TooLong { found }));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(
            to: [u8; 20], token: Option<[u8; 20]>, units: Option<u64>, native: bool, memo in "[a-z&=?#%+ é]{1,20}",
        ) {
            let memo = wire::printable(memo.as_bytes(), MEMO_CHARS_MAX);
            let asked = match (native, token) {
                (true, _) => Asked::Native { chain_id: 199 },
                (false, None) => Asked::Trx,
                (false, Some(token)) => Asked::Token(Address::new(token)),
            };
            let uri = PaymentUri {
                to: Address::new(to),
                asked,
                amount: units.map(|units| units.to_string()),
                network: (!native).then(|| "nile".to_owned()),
                memo: Some(memo),
            };
            prop_assert_eq!(uri.to_string().parse(), Ok(uri));
        }

        #[test]
        fn any_text_is_a_request_or_refused(text in "(tron:)?.{0,80}") {
            text.parse::<PaymentUri>().ok();
        }
    }
}
