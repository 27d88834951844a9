//! What a person reads before money moves.

use ledger::amount::Amount;
use ledger::chain_client::Quote;
use ledger::network::{Kind, Profile};
use serde_json::{Value, json};

use crate::money::coin::native;
use crate::out::Out;

/// What is about to happen, in words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    /// Labels and what is behind them, in order.
    pub(crate) lines: Vec<(&'static str, String)>,
    /// What is unusual about it.
    pub(crate) warnings: Vec<String>,
}

impl Summary {
    /// Adds a line.
    pub(crate) fn line(&mut self, label: &'static str, text: impl Into<String>) {
        self.lines.push((label, text.into()));
    }

    /// Adds what the chain says that it costs.
    pub(crate) fn quote(&mut self, profile: &Profile, quote: &Quote) {
        let native = native(profile);
        let (work, free) = match profile.kind {
            Kind::Tron => ("energy", quote.energy_free.min(quote.energy)),
            Kind::Evm => ("gas", 0),
        };
        if quote.energy > 0 {
            let at = quote.energy_price.shown(native.decimals);
            let own =
                if free > 0 { format!("{free} of them free, the rest ") } else { String::new() };
            self.line(work, format!("{}, {own}at {at} {}", quote.energy, native.symbol));
        }
        if quote.bandwidth > 0 {
            let how = if quote.bandwidth <= quote.bandwidth_free {
                "free".to_owned()
            } else {
                format!("at {} {}", quote.byte_price.shown(native.decimals), native.symbol)
            };
            self.line("bandwidth", format!("{} bytes, {how}", quote.bandwidth));
        }
        if !quote.activation.is_zero() {
            let price = native.show(quote.activation);
            self.line("new account", format!("{price}: the recipient's does not exist yet"));
        }
        let most = if quote.fee_max == quote.fee {
            String::new()
        } else {
            format!(", at most {}", native.show(quote.fee_max))
        };
        self.line("fee", format!("about {}{most}", native.show(quote.fee)));
        if profile.kind == Kind::Tron && !quote.fee_limit.is_zero() {
            self.line("fee limit", format!("{}, for energy", native.show(quote.fee_limit)));
        }
        self.line("network", profile.to_string());
    }

    /// Shows it. Before a question it is shown with JSON, too.
    pub(crate) fn show(&self, out: &Out, is_asked: bool) {
        for (label, text) in &self.lines {
            let line = format!("  {label:<12} {text}");
            if is_asked { out.asked(&line) } else { out.copyable(&line) }
        }
        for warning in &self.warnings {
            out.warn(warning);
        }
    }
}

/// The same for programs: amounts are texts of smallest units.
pub(crate) fn quote_json(quote: &Quote) -> Value {
    let text = |amount: Amount| amount.to_string();
    json!({
        "energy": quote.energy, "energy_free": quote.energy_free,
        "bandwidth": quote.bandwidth, "bandwidth_free": quote.bandwidth_free,
        "fee": text(quote.fee), "fee_max": text(quote.fee_max),
        "fee_limit": text(quote.fee_limit), "activation": text(quote.activation),
    })
}
