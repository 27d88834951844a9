//! Addresses that sent corrupt data to one torrent are banned by all of the node.
//!
//! A swarm bans by itself; the hub carries it to every shard. Other swarms learn it here, and only
//! when they deal with the address: telling all of them would cost each ban all torrents.

use super::*;

/// Most addresses banned by a node; more are banned by their torrent only.
pub(crate) const BANNED_MAX: usize = 5_000;

impl Shard {
    /// Ends everything that is under way with `ip`.
    pub(super) fn ban(&mut self, ip: IpAddr, now: Instant) {
        let ip = ip.to_canonical();
        if self.banned.len() >= BANNED_MAX || !self.banned.insert(ip) {
            return;
        }
        let is_it = |addr: &SocketAddr| addr.ip().to_canonical() == ip;
        let concerned: BTreeSet<TorrentId> =
            self.conns.values().filter(|conn| is_it(&conn.addr)).map(|conn| conn.torrent).collect();
        let (dropped, kept): (VecDeque<_>, VecDeque<_>) =
            self.dials_waiting.drain(..).partition(|(_, addr)| is_it(addr));
        self.dials_waiting = kept;
        for (torrent, addr) in dropped {
            if let Some(entry) = self.torrents.get_mut(&torrent) {
                entry.swarm.ban(ip);
                entry.swarm.on_dial_failed(addr, now);
                self.settle(torrent, now);
            }
        }
        for torrent in concerned {
            if let Some(entry) = self.torrents.get_mut(&torrent) {
                entry.swarm.ban(ip);
                self.settle(torrent, now);
            }
        }
    }
}
