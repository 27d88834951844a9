//! A tracker's URL, checked once when a torrent is added.
//!
//! Source: BEP 3 (http), BEP 15 (udp; needs a port), BEP 12 (lists of them).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Longest tracker URL, in bytes. The longest passkeys seen are below 300; 2 KiB is what proxies
/// and servers commonly take.
pub const TRACKER_URL_BYTES_MAX: usize = 2 * 1024;

/// Why a tracker of a torrent is ignored. The torrent's (or user's) fault, reported once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoredTracker {
    /// Longer than [`TRACKER_URL_BYTES_MAX`].
    #[error("a URL longer than {TRACKER_URL_BYTES_MAX} bytes")]
    TooLong,
    /// Not an absolute URL with a host.
    #[error("not a URL")]
    NotAUrl,
    /// Neither `http`, `https` nor `udp`.
    #[error("a scheme that we don't speak")]
    Scheme,
    /// A UDP tracker without a port: there is no default one.
    #[error("a UDP tracker without a port")]
    NoPort,
    /// An address literal of a family that is switched off here.
    #[error("an address of a family that is off here")]
    Family,
    /// The torrent has more than [`crate::tracker_client::TRACKERS_MAX`].
    #[error("more trackers than one torrent may have")]
    TooMany,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Udp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetHost {
    Name(String),
    Literal(IpAddr),
}

/// Where a tracker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) host: TargetHost,
    pub(crate) port: u16,
    /// Normalised, without fragment: what HTTP asks, and what two spellings share.
    pub(crate) url: String,
}

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Self, IgnoredTracker> {
        if text.len() > TRACKER_URL_BYTES_MAX {
            return Err(IgnoredTracker::TooLong);
        }
        let mut url = match Url::parse(text.trim()) {
            Ok(url) => url,
            Err(_why) => return Err(IgnoredTracker::NotAUrl),
        };
        url.set_fragment(None);
        let scheme = match url.scheme() {
            "http" | "https" => Scheme::Http,
            "udp" => Scheme::Udp,
            _ => return Err(IgnoredTracker::Scheme),
        };
        let host = match url.host().ok_or(IgnoredTracker::NotAUrl)? {
            Host::Ipv4(addr) => TargetHost::Literal(addr.into()),
            Host::Ipv6(addr) => TargetHost::Literal(IpAddr::from(addr).to_canonical()),
            // The url crate parses no IPv4 in hosts of schemes that browsers don't know.
            Host::Domain(name) => match name.parse::<Ipv4Addr>() {
                Ok(addr) => TargetHost::Literal(addr.into()),
                Err(_a_name) => TargetHost::Name(name.to_ascii_lowercase()),
            },
        };
        let port = url.port_or_known_default().filter(|&port| port != 0);
        let port = port.ok_or(IgnoredTracker::NoPort)?;
        if matches!(&host, TargetHost::Name(name) if name.is_empty()) {
            return Err(IgnoredTracker::NotAUrl);
        }
        Ok(Self { scheme, host, port, url: url.into() })
    }

    /// `host:port`, for limits per server.
    pub(crate) fn authority(&self) -> String {
        match &self.host {
            TargetHost::Name(name) => format!("{name}:{}", self.port),
            TargetHost::Literal(addr) => std::net::SocketAddr::new(*addr, self.port).to_string(),
        }
    }
}

/// Whether a datagram or a peer connection may ever go to this address. Private and loopback
/// ranges are fine here (trackers in a LAN); the hub's policy knows better.
pub(crate) fn is_reachable(addr: IpAddr) -> bool {
    let broadcast = addr == IpAddr::V4(Ipv4Addr::BROADCAST);
    let unspecified = addr.is_unspecified() || addr == Ipv6Addr::UNSPECIFIED;
    // 0.0.0.0/8 means "this host on this network" (RFC 6890).
    let this_net = matches!(addr, IpAddr::V4(v4) if v4.octets()[0] == 0);
    !(broadcast || unspecified || this_net || addr.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_by_table() {
        let long = format!("http://a/{}", "x".repeat(TRACKER_URL_BYTES_MAX));
        #[rustfmt::skip]
        let cases: &[(&str, &str)] = &[
            ("http://t.example/announce?passkey=1#x", "Http t.example:80 http://t.example/announce?passkey=1"),
            ("HTTPS://T.Example:8443/a", "Http t.example:8443 https://t.example:8443/a"),
            (" https://t.example/a ", "Http t.example:443 https://t.example/a"),
            ("udp://t.example:6969", "Udp t.example:6969 udp://t.example:6969"),
            ("udp://T.Example:6969/announce", "Udp t.example:6969 udp://T.Example:6969/announce"),
            ("udp://192.0.2.1:80/a", "Udp 192.0.2.1:80 udp://192.0.2.1:80/a"),
            ("udp://[2001:db8::1]:80/a", "Udp [2001:db8::1]:80 udp://[2001:db8::1]:80/a"),
            ("http://[::ffff:192.0.2.1]/a", "Http 192.0.2.1:80 http://[::ffff:c000:201]/a"),
            ("udp://t.example/announce", "NoPort"),
            ("udp://t.example:0/announce", "NoPort"),
            ("wss://t.example/", "Scheme"),
            ("dht://x/", "Scheme"),
            ("udp:t.example:1", "NotAUrl"),
            ("t.example/announce", "NotAUrl"),
            ("", "NotAUrl"),
            (&long, "TooLong"),
        ];
        for &(text, want) in cases {
            let got = match Target::parse(text) {
                Ok(target) => format!("{:?} {} {}", target.scheme, target.authority(), target.url),
                Err(why) => format!("{why:?}"),
            };
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn unreachable_addresses_by_table() {
        let no = ["0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "::", "ff02::1"];
        let yes = ["127.0.0.1", "10.0.0.1", "192.0.2.1", "::1", "fe80::1", "2001:db8::1"];
        for addr in no {
            assert!(!is_reachable(addr.parse().unwrap()), "{addr}");
        }
        for addr in yes {
            assert!(is_reachable(addr.parse().unwrap()), "{addr}");
        }
    }
}
