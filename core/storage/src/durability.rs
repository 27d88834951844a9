//! Which verified pieces would survive a power cut, and when to make more of them do.
//!
//! Source: architecture rule 8. Data, then data sync, then have-bit: a piece is `dirty` once
//! verified, `syncing` while a sync that began after its last write is under way, and its bit
//! is committed only after that sync succeeded.
//!
//! Invariant: a piece is in at most one of `dirty`, `syncing` and `durable`.

use core::time::Duration;

use base::{Bitfield, Instant, PieceIndex};

/// When to sync.
#[derive(Clone, Copy, Debug)]
pub struct SyncPolicy {
    /// Sync once this many verified bytes are unsynced: what a crash may cost at most.
    pub dirty_bytes_max: u64,
    /// Sync once a verified piece has waited this long.
    pub dirty_age_max: Duration,
}

impl Default for SyncPolicy {
    fn default() -> Self {
        Self { dirty_bytes_max: 256 << 20, dirty_age_max: Duration::from_secs(5) }
    }
}

/// What durability wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Sync the files of these pieces.
    Sync(Vec<PieceIndex>),
    /// Commit the record.
    Commit,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Durability {
    policy: SyncPolicy,
    durable: Bitfield,
    dirty: Vec<PieceIndex>,
    dirty_bytes: u64,
    dirty_since: Option<Instant>,
    syncing: Option<Vec<PieceIndex>>,
    uncommitted: bool,
    /// Since when totals wait for a commit.
    totals_since: Option<Instant>,
    committing: bool,
    /// The last commit failed: none is tried until [`Self::try_commit_again`].
    commit_failed: bool,
    /// A last look at the files is owed, dirty pieces or not: see [`Self::on_writing_ended`].
    last_sync_owed: bool,
}

impl Durability {
    /// Starts from the bits of the last committed record.
    pub fn new(policy: SyncPolicy, durable: Bitfield) -> Self {
        Self {
            policy,
            durable,
            dirty: Vec::new(),
            dirty_bytes: 0,
            dirty_since: None,
            syncing: None,
            uncommitted: false,
            totals_since: None,
            committing: false,
            commit_failed: false,
            last_sync_owed: false,
        }
    }

    /// A piece was verified on disk.
    pub fn on_verified(&mut self, piece: PieceIndex, length_bytes: u32, now: Instant) {
        self.dirty.push(piece);
        self.dirty_bytes += u64::from(length_bytes);
        self.dirty_since.get_or_insert(now);
    }

    /// Something else in the record changed (totals, the end of writing).
    pub fn on_record_changed(&mut self) {
        self.uncommitted = true;
    }

    /// The totals in the record grew. That is worth a commit after a while, but nobody waits for it:
    /// they grow all the time.
    pub fn on_totals_grown(&mut self, now: Instant) {
        self.totals_since.get_or_insert(now);
    }

    /// No write will follow: the record must carry the files' final modification times, or the
    /// next run would find them changed and compare every piece.
    pub fn on_writing_ended(&mut self) {
        self.last_sync_owed = true;
    }

    /// The next step. `force` asks for durability now, whatever the policy.
    pub fn next_step(&mut self, now: Instant, force: bool) -> Option<Next> {
        let waited = |since: Instant| since.after(self.policy.dirty_age_max) <= now;
        self.uncommitted |= self.totals_since.is_some_and(waited);
        if self.uncommitted && !self.committing && !self.commit_failed && !self.last_sync_owed {
            self.uncommitted = false;
            self.totals_since = None;
            self.committing = true;
            return Some(Next::Commit);
        }
        let due = force
            || self.last_sync_owed
            || self.dirty_bytes >= self.policy.dirty_bytes_max
            || self.dirty_since.is_some_and(waited);
        let wanted = !self.dirty.is_empty() || self.last_sync_owed;
        if due && wanted && self.syncing.is_none() {
            self.last_sync_owed = false;
            let pieces = core::mem::take(&mut self.dirty);
            self.dirty_bytes = 0;
            self.dirty_since = None;
            self.syncing = Some(pieces.clone());
            return Some(Next::Sync(pieces));
        }
        None
    }

    /// The sync succeeded: its pieces may be committed.
    pub fn on_synced(&mut self) {
        for piece in self.syncing.take().expect("a sync was under way") {
            self.durable.set(piece);
        }
        self.uncommitted = true;
    }

    /// The commit ended. A failed one is owed still.
    pub fn on_committed(&mut self, ok: bool) {
        assert!(self.committing, "a commit was under way");
        self.committing = false;
        self.uncommitted |= !ok;
        self.commit_failed = !ok;
    }

    /// A failed commit may be tried again.
    pub fn try_commit_again(&mut self) {
        self.commit_failed = false;
    }

    /// What could not be recorded stays unrecorded: the next run compares it with the disk.
    pub fn give_up_commit(&mut self) {
        self.uncommitted = false;
        self.totals_since = None;
        // A sync that is still out will ask for another one.
        self.commit_failed = false;
    }

    /// These pieces, ascending, may not be there any more: none is claimed until it is verified
    /// again.
    pub fn on_doubted(&mut self, pieces: &[PieceIndex]) {
        for &piece in pieces {
            self.uncommitted |= self.durable.clear(piece);
        }
        let keep = |piece: &PieceIndex| pieces.binary_search(piece).is_err();
        self.dirty.retain(keep);
        if self.dirty.is_empty() {
            self.dirty_bytes = 0;
            self.dirty_since = None;
        }
        if let Some(syncing) = &mut self.syncing {
            syncing.retain(keep);
        }
    }

    /// A sync failed: gives back every piece that was not durable before, which may all be gone.
    pub fn on_sync_failed(&mut self) -> Vec<PieceIndex> {
        let mut pieces = self.syncing.take().expect("a sync was under way");
        pieces.append(&mut self.dirty);
        self.dirty_bytes = 0;
        self.dirty_since = None;
        pieces
    }

    /// The bits that may be committed.
    pub fn durable(&self) -> &Bitfield {
        &self.durable
    }

    /// Whether everything verified is synced and committed.
    pub fn is_settled(&self) -> bool {
        self.dirty.is_empty()
            && self.syncing.is_none()
            && !self.uncommitted
            && !self.committing
            && !self.last_sync_owed
    }

    /// When the policy asks for a sync at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let dirty = self.dirty_since.filter(|_| self.syncing.is_none());
        // While a commit is under way, its end is the next occasion; after a failed one, the next try.
        let blocked = self.committing || self.commit_failed || self.last_sync_owed;
        let totals = self.totals_since.filter(|_| !blocked);
        let since = dirty.into_iter().chain(totals).min()?;
        Some(since.after(self.policy.dirty_age_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::START;

    /// Found by `test/sim`, failing commits: time stood still.
    #[test]
    fn totals_wait_for_the_next_try_after_a_commit_that_failed() {
        let mut durability = Durability::new(SyncPolicy::default(), Bitfield::empty(1));
        let later = NOW.after(Duration::from_secs(60));
        durability.on_totals_grown(NOW);
        assert_eq!(durability.next_step(later, false), Some(Next::Commit));
        durability.on_totals_grown(later);
        durability.on_committed(false);
        assert_eq!((durability.deadline(), durability.next_step(later, true)), (None, None));
        durability.give_up_commit();
        let much_later = later.after(Duration::from_secs(60));
        assert_eq!(durability.next_step(much_later, true), None);
        assert!(durability.is_settled(), "a stop need not wait for it");
    }

    #[test]
    fn a_bit_is_committed_only_after_a_sync_that_began_after_the_piece() {
        let mut durability = Durability::new(SyncPolicy::default(), Bitfield::empty(3));
        durability.on_verified(PieceIndex(0), 10, NOW);
        assert_eq!(durability.next_step(NOW, false), None);
        assert_eq!(durability.next_step(NOW, true), Some(Next::Sync(vec![PieceIndex(0)])));
        durability.on_verified(PieceIndex(1), 10, NOW);
        assert_eq!(durability.next_step(NOW, true), None, "one sync at a time");
        durability.on_synced();
        assert_eq!(durability.next_step(NOW, false), Some(Next::Commit));
        assert!(durability.durable().has(PieceIndex(0)));
        assert!(!durability.durable().has(PieceIndex(1)), "it was written after the sync began");
        durability.on_committed(true);
        assert!(!durability.is_settled());
    }

    #[test]
    fn totals_are_committed_after_a_while_without_a_sync_and_keep_nobody_waiting() {
        let policy = SyncPolicy::default();
        let late = NOW.after(policy.dirty_age_max);
        let mut durability = Durability::new(policy, Bitfield::empty(3));
        durability.on_totals_grown(NOW);
        assert!(durability.is_settled());
        assert_eq!(durability.next_step(NOW, true), None);
        durability.on_totals_grown(late);
        assert_eq!(durability.deadline(), Some(late));
        assert_eq!(durability.next_step(late, false), Some(Next::Commit));
        durability.on_totals_grown(late);
        assert_eq!(durability.deadline(), None, "the end of the commit comes first");
        durability.on_committed(true);
        assert_eq!(durability.deadline(), Some(late.after(policy.dirty_age_max)));
    }

    #[test]
    fn age_and_amount_make_a_sync_due() {
        let policy = SyncPolicy { dirty_bytes_max: 20, dirty_age_max: Duration::from_secs(5) };
        let mut durability = Durability::new(policy, Bitfield::empty(3));
        durability.on_verified(PieceIndex(0), 10, NOW);
        assert_eq!(durability.deadline(), Some(NOW.after(Duration::from_secs(5))));
        assert_eq!(durability.next_step(NOW, false), None);
        durability.on_verified(PieceIndex(1), 10, NOW);
        assert!(durability.next_step(NOW, false).is_some());
    }
}
