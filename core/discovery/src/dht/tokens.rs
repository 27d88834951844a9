//! Write tokens: who presents one has asked us from that address a short while ago.
//!
//! Source: BEP 5. A token is a keyed hash of the address and of the time in steps of five minutes; those of this
//! step and the last are good, so a token lives five to ten minutes. Nothing is kept per node.

use core::time::Duration;
use std::net::IpAddr;

use base::Instant;
use keys::{SipKey, siphash};

const STEP: Duration = Duration::from_secs(5 * 60);

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Tokens {
    key: SipKey,
}

impl Tokens {
    pub(crate) fn new(key: SipKey) -> Self {
        Self { key }
    }

    /// The token of who asks from `ip` now.
    pub(crate) fn give(&self, ip: IpAddr, now: Instant) -> [u8; 8] {
        self.token(ip, step(now))
    }

    /// Whether `token` was given to `ip` in this step or the last.
    pub(crate) fn is_good(&self, token: &[u8], ip: IpAddr, now: Instant) -> bool {
        let step = step(now);
        token == self.token(ip, step) || step > 0 && token == self.token(ip, step - 1)
    }

    fn token(&self, ip: IpAddr, step: u64) -> [u8; 8] {
        let mut bytes = [0; 24];
        match ip {
            IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => bytes[..16].copy_from_slice(&ip.octets()),
        }
        bytes[16..].copy_from_slice(&step.to_be_bytes());
        siphash(self.key, &bytes).to_be_bytes()
    }
}

fn step(now: Instant) -> u64 {
    now.since(Instant::START).as_secs() / STEP.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_address_and_at_least_five_minutes() {
        let at = |s| Instant::START.after(Duration::from_secs(s));
        let [a, b]: [IpAddr; 2] = ["11.0.0.1", "11.0.0.2"].map(|ip| ip.parse().unwrap());
        let tokens = Tokens::new(SipKey::new([7; 16]));
        for given in [0, 299, 300, 1000] {
            let token = tokens.give(a, at(given));
            assert!(tokens.is_good(&token, a, at(given)));
            assert!(tokens.is_good(&token, a, at(given + 300)));
            assert!(!tokens.is_good(&token, a, at(given + 601)));
            assert!(!tokens.is_good(&token, b, at(given)));
            assert!(!tokens.is_good(&token[..7], a, at(given)));
        }
        assert!(!Tokens::new(SipKey::new([8; 16])).is_good(&tokens.give(a, at(0)), a, at(0)));
    }
}
