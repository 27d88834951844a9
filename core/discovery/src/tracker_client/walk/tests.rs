use super::*;

const PACE: Pace = Pace { regular: Duration::from_secs(1800), hungry: Duration::from_secs(300) };

fn at(s: u64) -> Instant {
    Instant::START.after(Duration::from_secs(s))
}

/// Trackers named by letters: `"ab c"` is a tier of two and a tier of one; capitals have two
/// families.
fn walk(tiers: &str) -> Walk {
    let mut walk = Walk {
        trackers: Vec::new(),
        tiers: Vec::new(),
        finished: false,
        paused: false,
        hungry: false,
        sticky: false,
    };
    for tier in tiers.split(' ') {
        let mut order = Vec::new();
        for name in tier.chars() {
            order.push(TrackerIndex(walk.trackers.len()));
            let mut channels = vec![Channel::new(Family::V4)];
            if name.is_uppercase() {
                channels.push(Channel::new(Family::V6));
            }
            walk.trackers.push(Tracker {
                name: name.to_string(),
                target: Target::parse("udp://t:1").unwrap(),
                channels,
                completed_told: false,
                tracker_id: None,
            });
        }
        walk.tiers.push(order);
    }
    walk
}

/// Plays a script of steps `<second><tracker><family 4|6><what>`, where what is `+` for a good
/// reply, `-` for a failure (back-off 15 s), `0` for no address; answers with the picks after
/// each step.
fn play(walk: &mut Walk, script: &str) -> String {
    let mut picks = String::new();
    for step in script.split(' ') {
        let split = step.find(|c: char| !c.is_ascii_digit()).unwrap();
        let (second, what) = step.split_at(split);
        let now = at(second.parse().unwrap());
        let mut rest = what.chars();
        let name = rest.next().unwrap().to_string();
        let tracker = walk.trackers.iter().position(|tracker| tracker.name == name).unwrap();
        let tracker = TrackerIndex(tracker);
        let channel = ChannelIndex(usize::from(rest.next() == Some('6')));
        match rest.next() {
            Some('+') => walk.on_success(tracker, channel, PACE, now),
            Some('-') => {
                walk.on_failure(tracker, channel, now.after(Duration::from_secs(15)));
            }
            _ => {
                if walk.on_absent(tracker, channel, now) {
                    walk.on_no_address(tracker, 1, now.after(Duration::from_secs(15)));
                }
            }
        }
        picks.push_str(walk.pick(now).map_or("-", |at| &walk.trackers[at.0].name));
    }
    picks
}

#[test]
fn picks_by_table() {
    #[rustfmt::skip]
    let cases = [
        // The next of the tier, then the next tier, then nobody until a back-off ends.
        ("ab c", "0a4- 1b4- 2c4- 15c4-", "bc-a"),
        // One that works is used and goes to the front of its tier.
        ("ab c", "0a4- 1b4+ 20b4+", "bbb"),
        ("ab c", "0a4- 1b4- 2c4+ 14c4+ 15c4+ 16a4+", "bcccaa"),
        // A tracker works while one family does; one without addresses fails.
        ("Ab", "0A4- 0A6+ 1A6-", "AAb"),
        ("Ab", "0A4+ 0A60 1A4-", "AAb"),
        ("Ab", "0A40 0A60 15b4-", "AbA"),
        ("a", "0a40 14a40 15a40", "---"),
    ];
    for (tiers, script, want) in cases {
        assert_eq!(play(&mut walk(tiers), script), want, "{tiers}: {script}");
    }
}

#[test]
fn a_late_tracker_is_passed_over_until_it_answers() {
    let mut walk = walk("a b");
    let a = (TrackerIndex(0), ChannelIndex(0));
    walk.channel_mut(a.0, a.1).busy = Some(Busy { ask: AskId(1), late_at: Some(at(6)) });
    assert_eq!(walk.pick(at(5)), Some(TrackerIndex(0)));
    assert_eq!(walk.due(at(5)), None);
    assert_eq!(walk.wake_at(at(5)), Some(at(6)));
    let due = walk.due(at(6)).unwrap();
    assert_eq!((due.tracker, due.event), (TrackerIndex(1), Event::Started));
    walk.channel_mut(a.0, a.1).busy = None;
    walk.on_success(a.0, a.1, PACE, at(7));
    assert_eq!(walk.pick(at(7)), Some(TrackerIndex(0)));
}

#[test]
fn hunger_brings_the_next_announce_forward_to_the_minimum() {
    let mut walk = walk("a");
    walk.on_success(TrackerIndex(0), ChannelIndex(0), PACE, at(0));
    assert_eq!(walk.wake_at(at(0)), Some(at(1800)));
    walk.hungry = true;
    assert_eq!(walk.wake_at(at(0)), Some(at(300)));
    assert_eq!(walk.due(at(299)), None);
    assert!(walk.due(at(300)).is_some());
    walk.on_failure(TrackerIndex(0), ChannelIndex(0), at(900));
    assert_eq!(walk.due(at(899)), None);
}

#[test]
fn who_wants_no_more_says_paused_after_it_said_started() {
    let mut walk = walk("a");
    walk.paused = true;
    let event = |walk: &Walk, seconds| walk.due(at(seconds)).map(|due| due.event);
    assert_eq!(event(&walk, 0), Some(Event::Started));
    walk.on_success(TrackerIndex(0), ChannelIndex(0), PACE, at(0));
    walk.channel_mut(TrackerIndex(0), ChannelIndex(0)).standing = Standing::Leecher;
    assert_eq!((event(&walk, 1799), event(&walk, 1800)), (None, Some(Event::Paused)));
}

#[test]
fn completed_is_owed_only_to_those_that_knew_a_leecher_and_once() {
    let mut walk = walk("A bc");
    for (tracker, standing) in [(0, Standing::Leecher), (1, Standing::Seed), (2, Standing::Leecher)]
    {
        let tracker = TrackerIndex(tracker);
        walk.on_success(tracker, ChannelIndex(0), PACE, at(0));
        walk.channel_mut(tracker, ChannelIndex(0)).standing = standing;
    }
    assert_eq!(walk.due_completed(), None);
    walk.finished = true;
    let mut told = Vec::new();
    while let Some(due) = walk.due_completed() {
        walk.trackers[due.tracker.0].completed_told = true;
        told.push(due.tracker.0);
    }
    assert_eq!(told, [0, 2]);
}
