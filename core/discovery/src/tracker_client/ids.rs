//! Names of asks and exchanges.

use base::ExchangeId;

/// Top byte of every [`ExchangeId`] that the tracker client gives out, so that the hub can tell
/// whose reply it holds.
pub const EXCHANGE_TAG: u8 = b'T';

/// One announce or scrape, from its start until its result, over all hops and retransmissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AskId(pub(crate) u64);

/// A giver of exchange ids: tag, kind, 48 bits of counter (a million a second for 8 years).
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    prefix: u64,
    count: u64,
}

impl Ids {
    pub(crate) fn http() -> Self {
        Self { prefix: u64::from(EXCHANGE_TAG) << 56, count: 0 }
    }

    pub(crate) fn names() -> Self {
        Self { prefix: (u64::from(EXCHANGE_TAG) << 56) | (1 << 48), count: 0 }
    }

    pub(crate) fn next(&mut self) -> ExchangeId {
        self.count += 1;
        assert!(self.count < 1 << 48, "the counter must not run into the tag");
        ExchangeId(self.prefix | self.count)
    }
}

/// Whether the tracker client gave `id` out.
pub(crate) fn owns(id: ExchangeId) -> bool {
    id.0 >> 56 == u64::from(EXCHANGE_TAG)
}
