//! News that wait until the program has room for them.
//!
//! Invariant: at most `REPORTS_MAX` reports wait. A report more is lost, and how many were is told
//! as soon as there is room. What a program counts on (settled, failed, goal reached, removed,
//! fetched) is never lost: it comes at most once for each torrent or URL that the program named, and a
//! close look once for each time that it asked.

use std::collections::VecDeque;

use crossbeam_channel::Sender;
use discovery::dht::Answer;
use node::hub::Event;

use crate::hub_loop::NodeEvent;

/// Reports that wait: as many as the program's own queue holds.
const REPORTS_MAX: usize = 4096;

/// See the [module documentation](self).
#[derive(Debug, Default)]
pub(crate) struct News {
    waiting: VecDeque<NodeEvent>,
    /// How many of them are reports.
    reports: usize,
    lost: u64,
}

/// Whether an event only informs: who misses it misses nothing that was asked for.
fn is_report(event: &NodeEvent) -> bool {
    match event {
        NodeEvent::AcceptPaused | NodeEvent::AcceptResumed | NodeEvent::Lost(_) => true,
        NodeEvent::Torrent(event) => match event {
            Event::Trouble(..)
            | Event::Tracker(..)
            | Event::Peer(..)
            | Event::Doubted(..)
            | Event::Dht(
                _,
                Answer::Peers(_)
                | Answer::Immutable(_)
                | Answer::Mutable(_)
                | Answer::Nodes(_)
                | Answer::Samples { .. }
                | Answer::Scrape { .. },
            )
            | Event::Diary(..)
            | Event::PortMapped(_)
            | Event::PortMapFailed(_) => true,
            Event::Settled(..)
            | Event::Dht(_, Answer::Done(_))
            | Event::Metadata(..)
            | Event::Failed(..)
            | Event::GoalReached(_)
            | Event::Removed(..)
            | Event::Lost(..)
            | Event::Fetched(_)
            | Event::View(..) => false,
        },
    }
}

impl News {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0
    }

    /// Adds an event, or counts it as lost.
    pub(crate) fn push(&mut self, event: NodeEvent) {
        if is_report(&event) {
            if self.reports >= REPORTS_MAX {
                self.lost += 1;
                return;
            }
            self.reports += 1;
        }
        self.waiting.push_back(event);
    }

    /// Tells what there is room for.
    pub(crate) fn tell(&mut self, program: &Sender<NodeEvent>) {
        while let Some(event) = self.waiting.pop_front() {
            let report = is_report(&event);
            match program.try_send(event) {
                Err(full) if full.is_full() => return self.waiting.push_front(full.into_inner()),
                // Nobody listens any more.
                Ok(()) | Err(_) => self.reports -= usize::from(report),
            }
        }
        let lost = NodeEvent::Lost(self.lost);
        if self.lost > 0 && !program.try_send(lost).is_err_and(|full| full.is_full()) {
            self.lost = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use base::TorrentId;
    use crossbeam_channel::bounded;

    use super::*;

    #[test]
    fn a_program_that_is_behind_loses_reports_and_nothing_else() {
        let (program, inbox) = bounded(4);
        let mut news = News::default();
        let settled = |n| NodeEvent::Torrent(Event::Settled(TorrentId(n), Box::default()));
        for n in 0..5000 {
            news.push(NodeEvent::AcceptPaused);
            news.push(settled(n));
            news.tell(&program);
        }
        assert!(news.waiting.len() <= REPORTS_MAX + 5000);
        let mut heard = Vec::new();
        while !news.is_empty() {
            heard.extend(inbox.try_iter());
            news.tell(&program);
        }
        heard.extend(inbox.try_iter());
        let reports = heard.iter().filter(|&event| *event == NodeEvent::AcceptPaused).count();
        // Two were told at once, before the program's queue was full.
        assert_eq!(reports, REPORTS_MAX + 2);
        let lost = 5000 - reports as u64;
        assert_eq!(heard.last(), Some(&NodeEvent::Lost(lost)));
        let others: Vec<NodeEvent> = (0..5000).map(settled).collect();
        heard.retain(|event| !is_report(event));
        assert_eq!(heard, others);
    }

    #[test]
    fn a_program_that_is_gone_keeps_nothing_waiting() {
        let (program, inbox) = bounded(1);
        drop(inbox);
        let mut news = News::default();
        (0..5000).for_each(|_| news.push(NodeEvent::AcceptPaused));
        news.tell(&program);
        assert!(news.is_empty());
    }
}
