//! Options that limit rates.

use clap::Args;
use node::limit::{LanLimit, Rates};

use crate::units::parse_rate;

/// Limits of what is sent.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Most bytes per second to upload, as in 500k or 2M
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = parse_rate)]
    up: Option<u64>,
    /// Most bytes per second to upload of each torrent
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = parse_rate)]
    torrent_up: Option<u64>,
    /// Most bytes per second to upload to peers in the local network, who then count for no
    /// other limit; `unlimited` is for none [default: they count like all others]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = parse_lan)]
    lan_up: Option<LanLimit>,
}

/// Limits of what is received.
#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Most bytes per second to download, as in 500k or 2M
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = parse_rate)]
    down: Option<u64>,
    /// Most bytes per second to download of each torrent
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = parse_rate)]
    torrent_down: Option<u64>,
    /// Most bytes per second to download from peers in the local network, who then count for no
    /// other limit; `unlimited` is for none [default: they count like all others]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = parse_lan)]
    lan_down: Option<LanLimit>,
}

impl UpArgs {
    /// What they mean.
    pub(crate) fn rates(&self) -> Rates {
        let lan = self.lan_up.unwrap_or_default();
        Rates { global: self.up, torrent: self.torrent_up, lan }
    }
}

impl DownArgs {
    /// What they mean.
    pub(crate) fn rates(&self) -> Rates {
        let lan = self.lan_down.unwrap_or_default();
        Rates { global: self.down, torrent: self.torrent_down, lan }
    }
}

/// A rate, or a word for none.
fn parse_lan(text: &str) -> Result<LanLimit, String> {
    match text.trim() {
        "unlimited" => Ok(LanLimit::Apart(None)),
        "0" => Err("must be at least 1 byte per second, or `unlimited`".into()),
        rate => match parse_rate(rate) {
            Ok(rate) => Ok(LanLimit::Apart(Some(rate))),
            Err(why) => Err(format!("{why}, or `unlimited`")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_network_has_a_rate_or_none() {
        for (text, expected) in [
            ("unlimited", Some(LanLimit::Apart(None))),
            ("2M", Some(LanLimit::Apart(Some(2 << 20)))),
            ("0", None),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(parse_lan(text).ok(), expected, "{text}");
        }
    }
}
