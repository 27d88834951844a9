//! What goes wrong between us and nodes, sorted by culprit.

use base::HttpError;
use wire::json_rpc::ReplyError;

use crate::transaction::BlockId;

/// What one node did wrong with one question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It could not be asked, or did not answer.
    #[error("{0}")]
    Http(HttpError),
    /// It answered by a status that is no success.
    #[error("it answers with HTTP status {0}")]
    Status(u16),
    /// Its answer is broken, or it refuses.
    #[error("{0}")]
    Reply(#[from] ReplyError),
    /// It is of another chain: by the first block's id.
    #[error("it is of another chain: its first block is {got}, not {expected}")]
    OtherGenesis {
        /// What we know.
        expected: BlockId,
        /// What it says.
        got: BlockId,
    },
    /// What would be signed as play money could be worth something.
    #[error(
        "it is of a chain with real money (chain id {chain_id}), and the profile says play money"
    )]
    RealMoney {
        /// What it says.
        chain_id: u64,
    },
    /// It is of another chain: by the chain's id.
    #[error("it is of another chain: its chain id is {got}, not {expected}")]
    OtherChain {
        /// What we know.
        expected: u64,
        /// What it says.
        got: u64,
    },
    /// It answered for something that was not asked for.
    #[error("it answers for another {what}: {got}, not {expected}")]
    Another {
        /// What kind of thing.
        what: &'static str,
        /// What was asked for.
        expected: String,
        /// What it answered for.
        got: String,
    },
    /// A value that can't be.
    #[error("it says {0}, which cannot be")]
    Impossible(&'static str),
    /// Its newest block is later than our clock.
    #[error("its newest block is {ahead_s} s later than our clock: one of the two clocks is wrong")]
    Ahead {
        /// By how much.
        ahead_s: u64,
    },
    /// Its newest block is too old for a chain that makes one every few seconds.
    #[error("its newest block is {behind_s} s old: it is behind, or our clock is wrong")]
    Behind {
        /// By how much.
        behind_s: u64,
    },
}

impl Fault {
    /// Whether the node is not to be asked again: it is of another chain, or it answered for
    /// something else than it was asked for.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::OtherGenesis { .. }
            | Self::OtherChain { .. }
            | Self::RealMoney { .. }
            | Self::Another { .. }
            | Self::Impossible(_) => true,
            Self::Http(_)
            | Self::Status(_)
            | Self::Reply(_)
            | Self::Ahead { .. }
            | Self::Behind { .. } => false,
        }
    }

    /// The node understood and said no. Not a sign of ill health.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Reply(ReplyError::Refused { text, .. }) => Some(text),
            Self::Reply(_)
            | Self::Http(_)
            | Self::Status(_)
            | Self::OtherGenesis { .. }
            | Self::OtherChain { .. }
            | Self::RealMoney { .. }
            | Self::Another { .. }
            | Self::Impossible(_)
            | Self::Ahead { .. }
            | Self::Behind { .. } => None,
        }
    }
}

/// What one node said or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T> {
    /// The node.
    pub endpoint: String,
    /// Its word or deed.
    pub what: T,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The profile names no node.
    #[error("the network has no node to ask")]
    NoEndpoint,
    /// Nobody answered. The list has each node's last fault.
    #[error("no node answers: {}", list(.0))]
    Unreachable(Vec<Said<Fault>>),
    /// All nodes that answered say no.
    #[error("node {} refuses: {}", .0.endpoint, .0.what)]
    Refused(Said<String>),
    /// Fewer nodes answered than must agree where money depends on it.
    #[error("{answered} of the {needed} nodes that must agree on {what} answered: {}", list(.faults))]
    TooFew {
        /// On what.
        what: &'static str,
        /// How many did.
        answered: usize,
        /// How many must.
        needed: usize,
        /// What the others did.
        faults: Vec<Said<Fault>>,
    },
    /// Nodes contradict each other, and went on doing so.
    #[error("node {} says of {what}: {}, but node {} says: {}", .one.endpoint, .one.what, .other.endpoint, .other.what)]
    Disagree {
        /// About what.
        what: &'static str,
        /// One word.
        one: Box<Said<String>>,
        /// Another.
        other: Box<Said<String>>,
    },
    /// What is called a token does not answer as one.
    #[error("that contract is no token: {0}")]
    NotToken(String),
    /// There is no block of this number yet.
    #[error("there is no block {0}")]
    NoBlock(u64),
    /// This kind of chain has no such thing.
    #[error("this kind of chain has no {0}")]
    Unsupported(&'static str),
    /// What is to be done can't be written down as a transaction of this chain.
    #[error("no such transaction can be made: {0}")]
    Unbuildable(String),
    /// Who asked does not want to know any more.
    #[error("interrupted")]
    Interrupted,
    /// Too many questions at once.
    #[error("{0} questions are under way; ask later")]
    Busy(usize),
}

fn list(faults: &[Said<Fault>]) -> String {
    let all: Vec<String> =
        faults.iter().map(|said| format!("{}: {}", said.endpoint, said.what)).collect();
    all.join("; ")
}
