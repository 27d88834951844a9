//! What happens to a swarm's peers, for somebody who keeps a log.
//!
//! A swarm writes entries only if [`Config::diary`](crate::swarm::Config::diary) says so: else
//! they cost nothing.

use std::net::SocketAddr;

use crate::swarm::CloseReason;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A dial failed or took too long.
    Unreachable(SocketAddr),
    /// A peer's handshake came.
    Joined {
        /// Where it is.
        addr: SocketAddr,
        /// We dialled it.
        outgoing: bool,
    },
    /// A peer said what its program is (BEP 10).
    Named {
        /// Where it is.
        addr: SocketAddr,
        /// Fit to be shown.
        client: String,
    },
    /// A connection is over.
    Left {
        /// Where the peer is.
        addr: SocketAddr,
        /// Why we closed it; `None`: it ended by itself.
        reason: Option<CloseReason>,
    },
    /// The choker chose anew (BEP 3).
    Rechoked {
        /// Whom we serve now.
        unchoked: Vec<SocketAddr>,
        /// Those of them that are there on trust.
        optimistic: Vec<SocketAddr>,
        /// How many want something of us.
        interested: usize,
    },
}
