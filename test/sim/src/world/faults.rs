//! What the world does around a disk that fails once.

use core::time::Duration;

use super::{Event, World};
use crate::fault::Then;

/// Between the fault and what comes of it: long enough for a retry to be under way in some runs.
const AFTER_MAX_MS: u32 = 4_000;

impl World {
    /// Looks whether the fault has come.
    pub(super) fn watch_for_fault(&mut self) {
        let Some(fault) = self.scenario.fault else { return };
        if !self.nodes[fault.node].disk.countdown.take_news() {
            return;
        }
        self.fault_came = true;
        self.nodes[fault.node].tally.on_fault();
        let after = self.millis(AFTER_MAX_MS);
        match fault.then {
            Then::GoesOn => {}
            Then::Kill => self.at(after, fault.node, Event::Kill { power_cut: false }),
            Then::PowerCut => self.at(after, fault.node, Event::Kill { power_cut: true }),
        }
    }

    /// A torrent cannot go on: its user starts the program again.
    pub(super) fn on_failed(&mut self, node: usize, why: &str) {
        assert!(self.fault_came, "seed {}: node {node} failed: {why}", self.seed);
        self.at(Duration::from_secs(1), node, Event::Kill { power_cut: false });
    }

    /// Ends a node without a word, and starts it again later.
    pub(super) fn kill(&mut self, index: usize, power_cut: bool) {
        if self.finishing || self.nodes[index].machines.is_none() {
            return;
        }
        for id in self.network.of_node(index) {
            self.close(id);
        }
        let node = &mut self.nodes[index];
        node.machines = None;
        node.epoch += 1;
        node.settled = false;
        node.letters_at.clear();
        if power_cut {
            node.disk.crash();
        }
        let pause = self.millis(20_000);
        self.at(pause, index, Event::Restart(index));
    }
}
