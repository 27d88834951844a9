//! The real program among trackers and peers that the tests play: good ones that keep books, and
//! hostile ones. One binary for all, since linking it takes longer than running it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

#[path = "network/hostile_peers.rs"]
mod hostile_peers;
#[path = "network/hostile_trackers.rs"]
mod hostile_trackers;
#[path = "network/private.rs"]
mod private;
#[path = "network/rig.rs"]
mod rig;
