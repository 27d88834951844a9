//! A live transaction: sent, watched, sent again, until a final block holds it or can't any more.

use core::time::Duration;

use super::record::{IntentId, Record, Settled, Status, Validity};
use super::{Entry, Outbox, Output, POLL, Progress, REBROADCAST, Stage, Watched};
use crate::chain_client::{Answer, ClientError, Echoed, Fate, Place, Query, Receipt, Word};
use crate::now::Now;

/// How far one node behind a shared address may be behind another.
const LAG_MAX: Duration = Duration::from_secs(600);

/// What a look at the chain says of a live transaction.
enum Verdict {
    /// It may still enter a block, or its block may be undone.
    Wait,
    /// It is not in a block: send it again.
    Absent,
    /// It has come to this end.
    End(Status),
}

impl Watched {
    pub(super) fn fate(&self) -> Query {
        Query::Fate { id: self.record.id, from: self.record.from }
    }
}

impl Outbox {
    /// Sends the recorded bytes to every node.
    pub(super) fn broadcast(&mut self, intent: IntentId, mut watched: Watched, now: Now) {
        let Some(entry) = self.orders.get_mut(&intent) else { return };
        watched.sent_at = Some(now.instant);
        let (id, bytes) = (watched.record.id, watched.record.bytes.clone());
        entry.stage = Stage::Broadcasting(watched);
        self.ask(intent, Query::Broadcast { id, bytes });
    }

    pub(super) fn on_watched(
        &mut self,
        intent: IntentId,
        answer: Result<Answer, ClientError>,
        now: Now,
    ) {
        let watched = match self.orders.get(&intent).map(|entry| &entry.stage) {
            Some(Stage::Broadcasting(watched) | Stage::Looking(watched)) => watched.clone(),
            _ => return,
        };
        match answer {
            Ok(Answer::Broadcast(words)) => {
                self.tell_words(intent, &words);
                // A development chain may have it in a block already.
                self.look(intent, watched);
            }
            Ok(Answer::Fate(fate)) => self.on_fate(intent, watched, &fate, now),
            Ok(_) => self.rest(intent, watched, now),
            Err(error) => {
                self.progress(intent, Progress::Trouble(error.to_string()));
                self.rest(intent, watched, now);
            }
        }
    }

    pub(super) fn wake(&mut self, intent: IntentId, now: Now) {
        let Some(entry) = self.orders.get_mut(&intent) else { return };
        match &mut entry.stage {
            Stage::Resting { watched, .. } => {
                let watched = watched.clone();
                let is_old =
                    watched.sent_at.is_none_or(|sent| sent.after(REBROADCAST) <= now.instant);
                if is_old && watched.seen_in.is_none() && !is_late(&watched.record, now) {
                    self.broadcast(intent, watched, now);
                } else {
                    self.look(intent, watched);
                }
            }
            Stage::Ending { record, again_at, .. } => {
                *again_at = None;
                let record = record.as_ref().clone();
                self.outputs.push_back(Output::Store(record));
            }
            Stage::Network
            | Stage::Quoting { .. }
            | Stage::Referring { .. }
            | Stage::Signing { .. }
            | Stage::Recording(_)
            | Stage::Broadcasting(_)
            | Stage::Looking(_) => {}
        }
    }

    fn look(&mut self, intent: IntentId, watched: Watched) {
        let Some(entry) = self.orders.get_mut(&intent) else { return };
        let query = watched.fate();
        entry.stage = Stage::Looking(watched);
        self.ask(intent, query);
    }

    fn rest(&mut self, intent: IntentId, watched: Watched, now: Now) {
        let Some(entry) = self.orders.get_mut(&intent) else { return };
        entry.stage = Stage::Resting { watched, until: now.instant.after(POLL) };
    }

    fn on_fate(&mut self, intent: IntentId, mut watched: Watched, fate: &Fate, now: Now) {
        self.tell_place(intent, &mut watched, &fate.place);
        match judge(&watched.record, fate, now) {
            Verdict::Wait => self.rest(intent, watched, now),
            Verdict::Absent => {
                // A look after a restart comes before anything is sent.
                if watched.sent_at.is_none() && !is_late(&watched.record, now) {
                    self.broadcast(intent, watched, now);
                } else {
                    self.rest(intent, watched, now);
                }
            }
            Verdict::End(status) => {
                let record = Record { status, ..watched.record.as_ref().clone() };
                let anew = record.status == Status::Expired && self.may_make_anew(intent, fate);
                let Some(entry) = self.orders.get_mut(&intent) else { return };
                entry.stage =
                    Stage::Ending { record: Box::new(record.clone()), again_at: None, anew };
                self.outputs.push_back(Output::Store(record));
            }
        }
    }

    /// Whether an expired transaction may be made anew without asking anybody.
    fn may_make_anew(&self, intent: IntentId, fate: &Fate) -> bool {
        let believed = self.is_play_chain || (fate.voices >= 2 && fate.dissent == 0);
        let wanted = |entry: &Entry| {
            entry.order.as_ref().is_some_and(|order| entry.attempt <= order.rebuilds_max)
        };
        believed && self.orders.get(&intent).is_some_and(wanted)
    }

    fn tell_place(&mut self, intent: IntentId, watched: &mut Watched, place: &Place) {
        let now_in = match place {
            Place::Nowhere => None,
            Place::Head(receipt) | Place::Solid(receipt) => Some(receipt),
        };
        let number = now_in.map(|receipt| receipt.block_number);
        if number == watched.seen_in {
            return;
        }
        watched.seen_in = number;
        let progress = match now_in {
            None => Progress::Undone,
            Some(receipt) => Progress::InBlock {
                number: receipt.block_number,
                failure: receipt.failure.as_ref().map(|revert| revert.reason.clone()),
            },
        };
        self.progress(intent, progress);
    }

    fn tell_words(&mut self, intent: IntentId, words: &[Echoed]) {
        let taken = words.iter().filter(|echoed| matches!(echoed.word, Word::Taken | Word::Known));
        let taken = taken.count();
        self.progress(intent, Progress::Sent { taken, of: words.len() });
        for echoed in words {
            let trouble = match &echoed.word {
                Word::Taken | Word::Known => continue,
                Word::Refused(refusal) => {
                    format!(
                        "node {} refuses it: {} {}",
                        echoed.endpoint, refusal.code, refusal.text
                    )
                }
                Word::NotNow(why) => {
                    format!("node {} does not take it now: {why}", echoed.endpoint)
                }
            };
            self.progress(intent, Progress::Trouble(trouble));
        }
    }

    fn progress(&mut self, intent: IntentId, progress: Progress) {
        self.outputs.push_back(Output::Progress(intent, progress));
    }
}

/// By our clock no block takes it any more, so there is no use in sending it.
fn is_late(record: &Record, now: Now) -> bool {
    match record.validity {
        Validity::Until { expiration_ms } => now.unix_ms >= expiration_ms,
        Validity::Nonce(_) => false,
    }
}

fn judge(record: &Record, fate: &Fate, now: Now) -> Verdict {
    let is_over = match record.validity {
        // Our own clock must agree, so that a false block time alone ends nothing.
        Validity::Until { expiration_ms } => {
            fate.solid.time_ms > expiration_ms && now.unix_ms > expiration_ms
        }
        Validity::Nonce(nonce) => fate.nonce.is_some_and(|used| used > nonce),
    };
    match &fate.place {
        Place::Solid(receipt) => Verdict::End(status_of(receipt)),
        Place::Nowhere if is_over => Verdict::End(Status::Expired),
        // Blocks after that final one are too late to hold it. But one address may be many nodes, of
        // which one shows the newest block and another lags: a payment that somebody has seen in a
        // block is not made anew before they all had their time.
        Place::Head(_) if is_over && is_long_over(record, fate) => Verdict::End(Status::Expired),
        Place::Head(_) => Verdict::Wait,
        Place::Nowhere => Verdict::Absent,
    }
}

/// Whether the chain has gone on for so long that nobody lags behind any more.
fn is_long_over(record: &Record, fate: &Fate) -> bool {
    let lag_ms = u64::try_from(LAG_MAX.as_millis()).unwrap_or(u64::MAX);
    match record.validity {
        Validity::Until { expiration_ms } => {
            fate.solid.time_ms > expiration_ms.saturating_add(lag_ms)
        }
        Validity::Nonce(_) => true,
    }
}

fn status_of(receipt: &Receipt) -> Status {
    let settled = Settled {
        block_number: receipt.block_number,
        block_time_ms: receipt.block_time_ms,
        fee: receipt.fee,
        energy: receipt.energy,
        contract: receipt.contract,
    };
    match &receipt.failure {
        None => Status::Confirmed(settled),
        Some(revert) => Status::Failed { settled, reason: revert.reason.clone() },
    }
}
