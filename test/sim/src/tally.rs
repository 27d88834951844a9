//! What crossed the network, counted by the world, to compare what a node counts with it.

use base::{BLOCK_BYTES, BlockId, Instant};
use node::limit::{LanLimit, QUANTUM, Rates};
use node::message::TorrentStatus;
use storage::layout::Layout;

/// Payload bytes.
#[derive(Debug, Default, Clone, Copy)]
struct Bytes {
    /// Blocks sent towards the node: it read at most these.
    down: u64,
    /// Blocks the node sent.
    up: u64,
}

/// The counts of one node.
#[derive(Debug, Default)]
pub struct Tally {
    /// When it booted.
    booted: Option<Instant>,
    /// Since it booted.
    now: Bytes,
    /// In all its lives.
    ever: Bytes,
    /// What it said last in this life.
    status: Option<TorrentStatus>,
    /// A disk failed: pieces may be fetched twice, and the last record may be lost.
    lossy: bool,
}

impl Tally {
    /// A new life begins.
    pub fn on_boot(&mut self, now: Instant) {
        self.booted = Some(now);
        self.now = Bytes::default();
        self.status = None;
    }

    /// Payload that was of no use, as it said last.
    pub fn wasted_bytes(&self) -> u64 {
        self.status.as_ref().map_or(0, |status| status.stats.wasted_bytes)
    }

    /// The node's disk failed.
    pub fn on_fault(&mut self) {
        self.lossy = true;
    }

    /// The node sent a block.
    pub fn on_sent(&mut self, block: BlockId) {
        self.now.up += u64::from(block.length_bytes);
        self.ever.up += u64::from(block.length_bytes);
    }

    /// A block was sent towards the node.
    pub fn on_sent_here(&mut self, block: BlockId) {
        self.now.down += u64::from(block.length_bytes);
        self.ever.down += u64::from(block.length_bytes);
    }

    /// Bytes that the node sent in this life beyond `limits`. It has one torrent, so that the
    /// smaller limit holds, and all nodes are in one local network.
    pub fn excess(&self, limits: Rates, now: Instant) -> u64 {
        let rate = match limits.lan {
            LanLimit::Shared => [limits.global, limits.torrent].into_iter().flatten().min(),
            LanLimit::Apart(rate) => rate,
        };
        let (Some(rate), Some(booted)) = (rate, self.booted) else {
            return 0;
        };
        // Two quanta in the hub's bucket or the torrent's, two with the shard, and a block.
        let time = now.since(booted) + 4 * QUANTUM;
        let allowed = u128::from(rate) * time.as_nanos() / 1_000_000_000;
        let allowed = u64::try_from(allowed).unwrap_or(u64::MAX);
        self.now.up.saturating_sub(allowed + u64::from(BLOCK_BYTES))
    }

    /// The node says how it does. Gives back what is wrong with that.
    pub fn on_status(&mut self, status: &TorrentStatus, layout: &Layout) -> Option<&'static str> {
        let stats = status.stats;
        let before = self.status.replace(status.clone()).unwrap_or_default();
        let sizes = layout.sizes();
        let usual = u64::from(sizes.usual());
        // What the last pieces of files may lack.
        let short = u64::from(sizes.count()) * usual - sizes.total();
        let pieces_bytes = u64::from(status.pieces_have) * usual;
        let full = status.pieces_have == status.pieces;
        // Peers here are honest: what was of use was of use once.
        let useful = stats.downloaded_bytes.saturating_sub(stats.wasted_bytes);
        let faults = [
            (status.have_bytes > pieces_bytes, "more bytes than its pieces have"),
            (status.have_bytes + short < pieces_bytes, "fewer bytes than its pieces have"),
            (full != (status.have_bytes == status.total_bytes), "all pieces are not all bytes"),
            (stats.downloaded_bytes > self.now.down, "more downloaded than was sent to it"),
            (stats.wasted_bytes > self.now.down, "more wasted than was sent to it"),
            (useful > status.total_bytes && !self.lossy, "more of use than there is"),
            (status.wanted_bytes > status.total_bytes, "more wanted than there is"),
            (status.wanted_have_bytes > status.wanted_bytes, "more of it than is wanted"),
            (status.wanted_have_bytes > status.have_bytes, "more of what is wanted than of all"),
            (full && status.wanted_have_bytes < status.wanted_bytes, "all but what is wanted"),
            (stats.uploaded_bytes > self.now.up, "more uploaded than it sent"),
            (
                status.downloaded_ever_bytes > self.ever.down,
                "more downloaded ever than was sent to it",
            ),
            (status.uploaded_ever_bytes > self.ever.up, "more uploaded ever than it sent"),
            (
                status.downloaded_ever_bytes < stats.downloaded_bytes,
                "this run is no part of all runs",
            ),
            (status.uploaded_ever_bytes < stats.uploaded_bytes, "this run is no part of all runs"),
            (stats.downloaded_bytes < before.stats.downloaded_bytes, "its downloads became fewer"),
            (stats.uploaded_bytes < before.stats.uploaded_bytes, "its uploads became fewer"),
        ];
        faults.into_iter().find_map(|(wrong, what)| wrong.then_some(what))
    }

    /// The node has closed its torrent. `recorded` is (downloaded, uploaded) on its disk. Gives
    /// back what is wrong.
    pub fn at_end(&self, recorded: Option<(u64, u64)>) -> Option<&'static str> {
        let Some(status) = &self.status else { return Some("it never said how it does") };
        let said = (status.downloaded_ever_bytes, status.uploaded_ever_bytes);
        let faults = [
            (status.stats.uploaded_bytes != self.now.up, "not all that it sent"),
            (recorded != Some(said) && !self.lossy, "what is recorded is not what was said"),
        ];
        faults.into_iter().find_map(|(wrong, what)| wrong.then_some(what))
    }
}
