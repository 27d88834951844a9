//! What the router does for us, in words.

use std::net::IpAddr;

use discovery::port_mapping::{Mapped, is_behind_nat};
use serde_json::json;

use super::Session;
use crate::failure::{Failure, words};
use crate::log::Level;

impl Session<'_> {
    /// Peers can reach us by way of the router.
    pub(super) fn on_port_mapped(&self, mapped: Mapped) -> Result<(), Failure> {
        self.out.note(&sentence(mapped));
        self.out.event(&json!({
            "event": "port_mapped",
            "method": mapped.method.to_string(),
            "address": mapped.address.map(|ip| ip.to_string()),
            "tcp": mapped.tcp,
            "udp": mapped.udp,
        }))
    }

    /// They cannot, unless somebody has seen to it by hand. That is not worth a line for everybody.
    pub(super) fn on_port_map_failed(&self, why: &str) -> Result<(), Failure> {
        let why = words(why);
        self.out.log(Level::Info, &format!("no port opened by the router: {why}"));
        self.out.event(&json!({ "event": "port_not_mapped", "reason": why }))
    }
}

fn sentence(mapped: Mapped) -> String {
    let opened = format!("router opened port {} ({})", mapped.tcp, mapped.method);
    match mapped.address {
        Some(IpAddr::V4(ip)) if is_behind_nat(ip) => {
            format!("{opened}, but is itself behind another one, at {ip}: peers may not reach us")
        }
        Some(ip) => format!("{opened}, we are {ip} to the world"),
        None => opened,
    }
}

#[cfg(test)]
mod tests {
    use discovery::port_mapping::Method;

    use super::*;

    #[test]
    fn mappings_by_table() {
        let opened = "router opened port 6881 (NAT-PMP)";
        for (address, expected) in [
            (None, ""),
            (Some("203.0.113.5"), ", we are 203.0.113.5 to the world"),
            (
                Some("100.64.0.7"),
                ", but is itself behind another one, at 100.64.0.7: peers may not reach us",
            ),
        ] {
            let address = address.map(|text| text.parse().unwrap());
            let mapped = Mapped { method: Method::NatPmp, address, tcp: 6881, udp: None };
            assert_eq!(sentence(mapped), format!("{opened}{expected}"));
        }
    }
}
