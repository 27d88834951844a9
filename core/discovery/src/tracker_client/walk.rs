//! One torrent's trackers: whose turn it is, when, and with which event.
//!
//! Source: BEP 12 (tiers), BEP 7 (one announce per address family), BEP 3 (events).
//!
//! A torrent talks to one tracker at a time: the first *viable* one in the order of the tiers.
//! One that failed is not viable until its back-off is over, so the next in its tier is tried at
//! once, and the next tier when a whole tier has failed. When the tracker in use is due again,
//! the walk starts at the front, as BEP 12 says; one that works moves to the front of its tier.
//! A tracker counts as failed when no family reaches it; a family it has no address for is
//! absent and does not count.
//!
//! What we do differently: a tracker that keeps us waiting longer than `patience` is passed over
//! as if it had failed, though its answer is still taken. BEP 12 waits for the failure, which
//! takes four minutes over UDP.
//!
//! Not so for private torrents, whose trackers keep accounts: BEP 27 wants one tracker at a time, so
//! that the walk waits for the failure, and stays with a tracker that works instead of starting at
//! the front (`sticky`). Each of their trackers has one channel, and thus each event one announce:
//! a tracker that takes the two families for two clients would book the same bytes twice. The
//! family is the first by which the tracker was reached, and stays.
//!
//! Invariant: a channel is busy with at most one ask.

use core::time::Duration;

use base::{Family, Instant};
use wire::tracker::Event;

use super::ids::AskId;
use super::pace::Pace;
use super::target::Target;

/// How long we believe that a tracker has no address of a family.
pub(crate) const ABSENT_KEPT: Duration = Duration::from_secs(60 * 60);

/// Position of a tracker in [`Walk::trackers`]; stable while the torrent lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrackerIndex(pub(crate) usize);

/// Position of a channel in [`Tracker::channels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChannelIndex(pub(crate) usize);

/// What we expect of a tracker over one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    Untried,
    Working {
        next_at: Instant,
    },
    /// It has no address of this family.
    Absent {
        until: Instant,
    },
    Failing {
        times: u32,
        retry_at: Instant,
    },
    /// It told us never to come back (BEP 31).
    Dropped,
}

/// What a tracker knows about us over one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has not acknowledged `started`.
    Unknown,
    /// It heard `started` while we still missed something.
    Leecher,
    /// It heard `started` when we missed nothing.
    Seed,
}

/// Size of a swarm, as far as a tracker says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) seeders: Option<u32>,
    pub(crate) leechers: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy {
    pub(crate) ask: AskId,
    /// When the walk passes it over; `None` while it waits for a slot of ours.
    pub(crate) late_at: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) family: Family,
    /// The family to try instead if this one does not even reach the tracker, until an answer
    /// comes over one of them. Private torrents only.
    spare: Option<Family>,
    /// The two changed places since the last failure.
    swapped: bool,
    pub(crate) busy: Option<Busy>,
    pub(crate) outlook: Outlook,
    /// Until then only events may be announced: the minimum interval of the last good reply.
    pub(crate) quiet_until: Instant,
    pub(crate) standing: Standing,
    /// What the last good reply said of the swarm.
    pub(crate) counts: Counts,
    /// Which of a UDP tracker's addresses is next; moves on with each failure.
    pub(crate) address_turn: usize,
    pub(crate) scrape_at: Instant,
}

impl Channel {
    pub(crate) fn new(family: Family) -> Self {
        Self {
            family,
            spare: None,
            swapped: false,
            busy: None,
            outlook: Outlook::Untried,
            quiet_until: Instant::START,
            standing: Standing::Unknown,
            counts: Counts::default(),
            address_turn: 0,
            scrape_at: Instant::START,
        }
    }

    /// The only channel of a tracker that is reached over one family or the other, never both.
    pub(crate) fn single(family: Family, spare: Option<Family>) -> Self {
        Self { spare, ..Self::new(family) }
    }

    /// A tracker answered: it knows us over this family, which we keep.
    pub(crate) fn settle_family(&mut self) {
        self.spare = None;
    }

    /// Changes to the other family if there is one that was not tried since the last failure.
    /// After both, the first is next again, and the failure counts.
    pub(crate) fn try_spare(&mut self) -> bool {
        let Some(spare) = self.spare.replace(self.family) else {
            self.spare = None;
            return false;
        };
        self.family = spare;
        self.swapped = !self.swapped;
        self.swapped
    }

    fn is_working(&self) -> bool {
        matches!(self.outlook, Outlook::Working { .. })
    }
}

#[derive(Debug)]
pub(crate) struct Tracker {
    /// As the torrent spells it: how reports name it.
    pub(crate) name: String,
    pub(crate) target: Target,
    /// One or two.
    pub(crate) channels: Vec<Channel>,
    /// `completed` went out (and may have been heard), over whichever family.
    pub(crate) completed_told: bool,
    /// What it wants to hear back (BEP 3's custom `tracker id`).
    pub(crate) tracker_id: Option<Vec<u8>>,
}

impl Tracker {
    /// Largest counts over the families: the swarms overlap, so a sum would be too much.
    pub(crate) fn counts(&self) -> Counts {
        self.channels.iter().fold(Counts::default(), |most, channel| Counts {
            seeders: most.seeders.max(channel.counts.seeders),
            leechers: most.leechers.max(channel.counts.leechers),
        })
    }
}

/// An announce that should go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) tracker: TrackerIndex,
    pub(crate) channel: ChannelIndex,
    pub(crate) event: Event,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) trackers: Vec<Tracker>,
    pub(crate) tiers: Vec<Vec<TrackerIndex>>,
    /// The download ended while we were here: `completed` is owed to those who know us as a
    /// leecher.
    pub(crate) finished: bool,
    /// We want no more, and are not complete (BEP 21).
    pub(crate) paused: bool,
    /// The swarm is short of peers: the next announce is wanted as early as allowed.
    pub(crate) hungry: bool,
    /// Stay with a tracker as long as it works. For private torrents.
    pub(crate) sticky: bool,
}

impl Walk {
    pub(crate) fn channel(&self, tracker: TrackerIndex, channel: ChannelIndex) -> &Channel {
        &self.trackers[tracker.0].channels[channel.0]
    }

    pub(crate) fn channel_mut(
        &mut self,
        tracker: TrackerIndex,
        channel: ChannelIndex,
    ) -> &mut Channel {
        &mut self.trackers[tracker.0].channels[channel.0]
    }

    /// All channels, by tracker.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (TrackerIndex, ChannelIndex, &Channel)> {
        self.trackers.iter().enumerate().flat_map(|(tracker, known)| {
            let channels = known.channels.iter().enumerate();
            channels.map(move |(at, channel)| (TrackerIndex(tracker), ChannelIndex(at), channel))
        })
    }

    /// The tracker in use: the first viable one.
    pub(crate) fn pick(&self, now: Instant) -> Option<TrackerIndex> {
        let mut order = self.tiers.iter().flatten().copied();
        // Found by `world`, seed 3: an earlier one whose back-off is over must not be asked while
        // the answer of another is still to come.
        let in_use = |at: &TrackerIndex| {
            let mut channels = self.trackers[at.0].channels.iter();
            channels.any(|channel| channel.is_working() || channel.busy.is_some())
        };
        let kept = if self.sticky { order.clone().find(in_use) } else { None };
        kept.or_else(|| order.find(|&at| self.is_viable(at, now)))
    }

    /// The next announce that should go out now.
    pub(crate) fn due(&self, now: Instant) -> Option<Due> {
        let tracker = self.pick(now)?;
        let channels = self.trackers[tracker.0].channels.iter().enumerate();
        let mut ready = channels.filter(|(_, channel)| {
            channel.busy.is_none() && self.due_at(tracker, channel).is_some_and(|at| at <= now)
        });
        ready.next().map(|(at, channel)| {
            let event = self.event(tracker, channel);
            Due { tracker, channel: ChannelIndex(at), event }
        })
    }

    /// `completed` for the trackers that know us and are not in use: they hear it at once, with
    /// one try, since they would not hear of us again.
    pub(crate) fn due_completed(&self) -> Option<Due> {
        self.channels().find_map(|(tracker, at, channel)| {
            let owed = self.owes_completed(tracker, channel);
            let idle = channel.busy.is_none() && channel.is_working();
            (owed && idle).then_some(Due { tracker, channel: at, event: Event::Completed })
        })
    }

    /// When [`Self::due`] may change by time alone.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let picked = self.pick(now);
        let relevant = self.channels().filter(|&(at, _, _)| picked.is_none_or(|it| it == at));
        relevant
            .filter_map(|(at, _, channel)| match channel.busy {
                // Once it is late, only its end changes anything.
                Some(busy) => busy.late_at.filter(|&late_at| now < late_at),
                None => self.due_at(at, channel),
            })
            .min()
    }

    /// Whether some family of the tracker works, is due or is on its way.
    fn is_viable(&self, tracker: TrackerIndex, now: Instant) -> bool {
        self.trackers[tracker.0].channels.iter().any(|channel| match channel.busy {
            Some(busy) => busy.late_at.is_none_or(|late_at| now < late_at),
            None => {
                let due = || self.due_at(tracker, channel).is_some_and(|at| at <= now);
                channel.is_working() || due()
            }
        })
    }

    fn owes_completed(&self, tracker: TrackerIndex, channel: &Channel) -> bool {
        self.finished
            && !self.trackers[tracker.0].completed_told
            && channel.standing == Standing::Leecher
    }

    fn event(&self, tracker: TrackerIndex, channel: &Channel) -> Event {
        if channel.standing == Standing::Unknown {
            Event::Started
        } else if self.owes_completed(tracker, channel) {
            Event::Completed
        } else if self.paused {
            Event::Paused
        } else {
            Event::None
        }
    }

    /// When an idle channel of the tracker in use wants to announce.
    fn due_at(&self, tracker: TrackerIndex, channel: &Channel) -> Option<Instant> {
        match channel.outlook {
            Outlook::Untried => Some(Instant::START),
            Outlook::Working { .. } if self.owes_completed(tracker, channel) => {
                Some(Instant::START)
            }
            Outlook::Working { .. } if self.hungry => Some(channel.quiet_until),
            Outlook::Working { next_at } => Some(next_at),
            Outlook::Absent { until } => Some(until),
            Outlook::Failing { retry_at, .. } => Some(self.retry_at(tracker, channel, retry_at)),
            Outlook::Dropped => None,
        }
    }

    /// A good reply: the tracker works, and goes to the front of its tier.
    pub(crate) fn on_success(
        &mut self,
        tracker: TrackerIndex,
        channel: ChannelIndex,
        pace: Pace,
        now: Instant,
    ) {
        let next_at = now.after(pace.regular);
        let channel = self.channel_mut(tracker, channel);
        channel.outlook = Outlook::Working { next_at };
        channel.quiet_until = now.after(pace.hungry);
        for tier in &mut self.tiers {
            if let Some(place) = tier.iter().position(|&at| at == tracker) {
                tier[..=place].rotate_right(1);
            }
        }
    }

    /// The tracker has no address of this family. True if it has none at all.
    pub(crate) fn on_absent(
        &mut self,
        tracker: TrackerIndex,
        channel: ChannelIndex,
        now: Instant,
    ) -> bool {
        let until = now.after(ABSENT_KEPT);
        self.channel_mut(tracker, channel).outlook = Outlook::Absent { until };
        let mut channels = self.trackers[tracker.0].channels.iter();
        channels.all(|channel| matches!(channel.outlook, Outlook::Absent { .. }))
    }

    /// How often in a row this channel failed, counting one more.
    pub(crate) fn failures_with_next(&self, tracker: TrackerIndex, channel: ChannelIndex) -> u32 {
        match self.channel(tracker, channel).outlook {
            Outlook::Failing { times, .. } => times.saturating_add(1),
            Outlook::Untried
            | Outlook::Working { .. }
            | Outlook::Absent { .. }
            | Outlook::Dropped => 1,
        }
    }

    /// A failure over one family. Answers with when it is retried: `retry_at` or later.
    pub(crate) fn on_failure(
        &mut self,
        tracker: TrackerIndex,
        channel: ChannelIndex,
        retry_at: Instant,
    ) -> Instant {
        let times = self.failures_with_next(tracker, channel);
        let failed = self.channel_mut(tracker, channel);
        failed.outlook = Outlook::Failing { times, retry_at };
        failed.address_turn = failed.address_turn.wrapping_add(1);
        self.retry_at(tracker, self.channel(tracker, channel), retry_at)
    }

    /// When a channel whose back-off ends at `retry_at` may announce.
    ///
    /// Found by `world`, seeds 1 and 25: a `completed` may break the tracker's minimum interval,
    /// but when it fails, the usual announce that follows may not.
    fn retry_at(&self, tracker: TrackerIndex, channel: &Channel, retry_at: Instant) -> Instant {
        match self.event(tracker, channel) {
            Event::Started | Event::Completed => retry_at,
            Event::None | Event::Stopped | Event::Paused => retry_at.max(channel.quiet_until),
        }
    }

    /// Not one family has an address: all fail together, and are retried together.
    pub(crate) fn on_no_address(&mut self, tracker: TrackerIndex, times: u32, retry_at: Instant) {
        for channel in &mut self.trackers[tracker.0].channels {
            channel.outlook = Outlook::Failing { times, retry_at };
        }
    }

    /// The tracker told us never to come back, over whichever family.
    pub(crate) fn on_dropped(&mut self, tracker: TrackerIndex) {
        for channel in &mut self.trackers[tracker.0].channels {
            channel.outlook = Outlook::Dropped;
        }
    }

    /// Whether a failure over `channel` is the failure of the tracker: no other family works or
    /// may still work.
    pub(crate) fn is_failed_without(&self, tracker: TrackerIndex, channel: ChannelIndex) -> bool {
        let mut others = self.trackers[tracker.0].channels.iter().enumerate();
        !others.any(|(at, other)| at != channel.0 && (other.busy.is_some() || other.is_working()))
    }
}

#[cfg(test)]
mod tests;
