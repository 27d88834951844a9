//! What `shoal wallet` and `shoal vault` have in common: networks, coins, and talking to a chain.

pub(crate) mod network;
