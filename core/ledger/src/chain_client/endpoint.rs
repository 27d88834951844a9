//! A node, as far as we know it.

use core::time::Duration;

use base::Instant;

use super::fault::Fault;

/// Rest after the first fault in a row; doubles with each.
const REST: Duration = Duration::from_secs(1);

/// Longest rest.
const REST_MAX: Duration = Duration::from_secs(60);

/// Whether a node is of our chain.
#[derive(Debug)]
pub(super) enum Standing {
    Unchecked,
    Checking,
    Good,
    /// Not asked any more.
    Wrong(Fault),
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) standing: Standing,
    /// It was outvoted, and not for being a block behind.
    pub(super) is_doubted: bool,
    faults: u32,
    resting_until: Option<Instant>,
}

impl Endpoint {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            standing: Standing::Unchecked,
            is_doubted: false,
            faults: 0,
            resting_until: None,
        }
    }

    pub(super) fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.url.trim_end_matches('/'))
    }

    pub(super) fn is_wrong(&self) -> bool {
        matches!(self.standing, Standing::Wrong(_))
    }

    pub(super) fn is_resting(&self, now: Instant) -> bool {
        self.resting_until.is_some_and(|until| now < until)
    }

    pub(super) fn on_answer(&mut self) {
        self.faults = 0;
        self.resting_until = None;
    }

    pub(super) fn on_fault(&mut self, now: Instant) {
        if matches!(self.standing, Standing::Checking) {
            self.standing = Standing::Unchecked;
        }
        let rest = REST.saturating_mul(1 << self.faults.min(6)).min(REST_MAX);
        self.faults = self.faults.saturating_add(1);
        self.resting_until = Some(now.after(rest));
    }
}
