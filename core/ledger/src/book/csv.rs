//! The book as a table that any spreadsheet reads: one row a leg.
//!
//! Source: RFC 4180. Every field is made here and holds neither quotes nor commas but the name of a
//! coin, which a contract chose: spreadsheets run what begins like a formula, so that such a name is
//! not shown.

use core::fmt::Write as _;

use base::UnixTime;

use super::account::coin_text;
use super::entry::{Entry, Side};
use crate::network::Coin;

/// The first line.
pub const CSV_HEADER: &str =
    "time,network,cause,torrent,peer,account,coin,debit,credit,debit_units,credit_units\r\n";

/// How a coin is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinName {
    /// Its short name.
    pub symbol: String,
    /// Its digits after the point.
    pub decimals: u8,
}

/// The rows of one entry. `name` tells how coins are shown; those that it does not know are shown by
/// their contract, in smallest units only.
pub fn csv_rows(entry: &Entry, mut name: impl FnMut(Coin) -> Option<CoinName>) -> String {
    let mut rows = String::new();
    let tags = entry.tags();
    let torrent = tags.torrent.map(|torrent| torrent.to_string()).unwrap_or_default();
    let peer = tags.peer.map(|peer| peer.to_string()).unwrap_or_default();
    for leg in entry.legs() {
        let name = name(leg.coin);
        let symbol = name.as_ref().map(|name| &name.symbol).filter(|name| is_plain(name));
        let coin = symbol.cloned().unwrap_or_else(|| coin_text(leg.coin));
        let whole = name.map(|name| leg.amount.shown(name.decimals).to_string());
        let (whole, units) = (whole.unwrap_or_default(), leg.amount);
        let (time, network) = (Civil(entry.at()), entry.network());
        let (cause, account) = (entry.cause(), leg.account);
        let amounts = match leg.side {
            Side::Debit => format!("{whole},,{units},"),
            Side::Credit => format!(",{whole},,{units}"),
        };
        let row = write!(
            rows,
            "{time},{network},{cause},{torrent},{peer},{account},{coin},{amounts}\r\n"
        );
        row.expect("a string takes whatever is written");
    }
    rows
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A time as ISO 8601 has it, in UTC.
struct Civil(UnixTime);

impl core::fmt::Display for Civil {
    /// Days to dates by eras of 400 years, which all have 146,097 days, beginning in March.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let days = self.0.0.div_euclid(86_400) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let seconds = self.0.0.rem_euclid(86_400);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_the_calendar_says() {
        for (at, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(Civil(UnixTime(at)).to_string(), expected);
        }
    }
}
