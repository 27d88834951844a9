//! From pieces to files: what to write, hash, sync and remember, and in which order.
//!
//! Order on disk (architecture, rule 8): data, then data sync, then have-bit. Machines here
//! return [`job::DiskJob`]s and take [`job::DiskDone`]s; they touch no file. Start at
//! [`store`], one per torrent.

pub mod assembly;
pub mod autopsy;
pub mod digests;
pub mod durability;
pub mod job;
pub mod layout;
pub mod part;
pub mod recheck;
pub mod store;
pub mod watch;
