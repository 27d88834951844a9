//! What `shoal wallet` and `shoal vault` have in common: networks, coins, and sending something.

pub(crate) mod booking;
pub(crate) mod coin;
pub(crate) mod confirm;
pub(crate) mod known_vaults;
pub(crate) mod network;
pub(crate) mod send;
pub(crate) mod teller;
