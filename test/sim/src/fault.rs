//! One disk operation that fails, once.
//!
//! Source: the loop "fail at the first, second, … operation until none fails", as `SQLite` tests its
//! own. Which operations there are, and what is lost when one fails, is the disk's matter.

use storage::job::DiskErrorKind;

/// What can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Looking at the files of a torrent when it is opened.
    Open,
    /// Making a file.
    Create,
    /// Bringing it to its full length.
    Extend,
    /// Writing: nothing of it is written.
    Write,
    /// Writing: half of it is written.
    WriteHalf,
    /// Reading, for a hash or for a peer.
    Read,
    /// Making data durable: what was to be is dropped from memory, as some file systems do.
    Sync,
    /// Recording what is done.
    Commit,
}

/// What happens to the node some time after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing, unless it says that its torrent failed: then it is started again.
    GoesOn,
    /// The process is killed and started again.
    Kill,
    /// The power fails: what is not durable may be lost.
    PowerCut,
}

/// A fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// On which node's disk.
    pub node: usize,
    /// What fails.
    pub operation: Operation,
    /// Which one of its kind, from 0.
    pub at: u32,
    /// How.
    pub kind: DiskErrorKind,
    /// What comes of it.
    pub then: Then,
}

/// Counts operations down to the one that fails.
#[derive(Debug, Default, Clone, Copy)]
pub struct Countdown {
    fault: Option<Fault>,
    seen: u32,
    news: bool,
}

impl Countdown {
    /// To this fault.
    pub fn new(fault: Fault) -> Self {
        Self { fault: Some(fault), seen: 0, news: false }
    }

    /// An operation takes place: does it fail?
    pub fn fails(&mut self, operation: Operation) -> Option<DiskErrorKind> {
        let fault = self.fault.filter(|fault| fault.operation == operation)?;
        self.seen += 1;
        if self.seen <= fault.at {
            return None;
        }
        self.fault = None;
        self.news = true;
        Some(fault.kind)
    }

    /// True once after the fault.
    pub fn take_news(&mut self) -> bool {
        core::mem::take(&mut self.news)
    }
}
