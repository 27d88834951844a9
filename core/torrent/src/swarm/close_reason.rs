//! Why connections end by our doing.

use crate::receive::StreamError;

/// Why we close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// It broke the protocol.
    #[error("it broke the protocol: {0}")]
    Stream(#[from] StreamError),
    /// It speaks of a piece or range that does not exist.
    #[error("it spoke of something that does not exist")]
    OutOfRange,
    /// Its handshake names another torrent.
    #[error("it serves another torrent")]
    WrongTorrent,
    /// It is ourselves.
    #[error("it is ourselves")]
    Ourselves,
    /// There is another connection to the same peer.
    #[error("it is connected twice")]
    Twice,
    /// It sent bytes that do not match the torrent.
    #[error("it sent corrupt data")]
    Corrupt,
    /// It sent hashes that do not match the torrent (BEP 52).
    #[error("it sent wrong hashes")]
    WrongHashes,
    /// Its address is banned.
    #[error("its address is banned")]
    Banned,
    /// Neither side can give the other anything.
    #[error("both sides are complete")]
    NothingToGive,
    /// It said nothing for too long.
    #[error("it said nothing for too long")]
    Silent,
    /// Another got its place.
    #[error("it made room for another peer")]
    Replaced,
    /// We have connections enough.
    #[error("too many connections")]
    Full,
    /// It sends half a message and no more.
    #[error("it took too long over one message")]
    Stuck,
    /// It says too much.
    #[error("it sent too many messages")]
    Flood,
    /// It misbehaved a short time ago.
    #[error("it misbehaved a short time ago")]
    Shunned,
    /// It sends what nobody asked for.
    #[error("it sent blocks that nobody asked for")]
    Unasked,
    /// What it asked for cannot be read, and it speaks neither BEP 6 nor BEP 54: another
    /// connection tells it what we have.
    #[error("our copy cannot be read")]
    Unreadable,
    /// The torrent is stopped.
    #[error("the torrent is stopped")]
    Stopped,
}

impl CloseReason {
    /// Whether the peer did what no honest and working client does.
    pub fn is_misbehaviour(self) -> bool {
        match self {
            Self::Stream(_)
            | Self::OutOfRange
            | Self::WrongTorrent
            | Self::Corrupt
            | Self::WrongHashes
            | Self::Flood
            | Self::Unasked => true,
            Self::Banned
            | Self::Stuck
            | Self::Shunned
            | Self::Replaced
            | Self::Ourselves
            | Self::Twice
            | Self::NothingToGive
            | Self::Silent
            | Self::Full
            | Self::Unreadable
            | Self::Stopped => false,
        }
    }
}
