//! Who may name peers of a torrent: the one place that is asked.
//!
//! Source: BEP 27. The tracker of a private torrent decides who is in its swarm, and keeps accounts
//! of what they send each other. A peer from elsewhere takes bytes that nobody booked as received,
//! which to the tracker looks like a cheat; so of such a torrent only the tracker's peers are
//! dialled. Who dials us was sent by the tracker and is served.
//!
//! An address that the user named is refused too, as long as trackers are told: he means well, and
//! it is his account that gets closed. If none is told (`--no-discovery`), there are no accounts,
//! and he may copy between his own machines.
//!
//! A new source of peers (DHT, peer exchange, the local network) is a new [`Source`], and does not
//! compile before it is judged here.

pub use torrent::peers::Source;

/// Whether addresses of `source` may be dialled for a torrent that is `private` or not, while
/// trackers are `announced` to or not.
pub fn may_name_peers(source: Source, private: bool, announced: bool) -> bool {
    match source {
        Source::Tracker => true,
        Source::User => !(private && announced),
        Source::Link | Source::Dht | Source::Pex | Source::Lan => !private,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_by_table() {
        for (source, private, announced, expected) in [
            (Source::Tracker, false, true, true),
            (Source::Tracker, true, true, true),
            (Source::User, false, true, true),
            (Source::User, true, true, false),
            (Source::User, true, false, true),
            (Source::Link, false, true, true),
            (Source::Link, true, false, false),
            (Source::Dht, false, true, true),
            (Source::Dht, true, false, false),
            (Source::Pex, false, true, true),
            (Source::Pex, true, false, false),
            (Source::Lan, false, true, true),
            (Source::Lan, true, false, false),
        ] {
            let got = may_name_peers(source, private, announced);
            assert_eq!(got, expected, "{source:?} private {private} announced {announced}");
        }
    }
}
