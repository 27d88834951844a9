//! Executes `storage`'s disk jobs on real files. Decides nothing.
//!
//! What to read, write, hash or sync, when, and what a failure means is `core/storage`'s matter;
//! this crate moves a [`storage::job::DiskJob`] to a thread, does exactly that, and answers with one
//! [`storage::job::DiskDone`]. Buffers and digests come home in the answer, whatever happened.
//!
//! Threads: N workers on one bounded queue; one thread for data syncs, so that a slow
//! `fdatasync` stalls no write; one for commits to the `SQLite` database of resume records, so
//! that it stalls no commit either.
//!
//! Nothing is opened outside a torrent's root folder: the kernel resolves every path beneath the
//! root's descriptor (`openat2`), or, where it can't, we walk and refuse symbolic links.
//!
//! Drive it: [`DiskPool::start`], one [`DiskPool::handle`] a shard, [`DiskHandle::submit`] until
//! it gives the job back, [`DiskPool::shutdown`].

mod beneath;
mod bring;
mod descriptors;
mod execute;
mod failure;
mod files;
mod known_files;
mod lockstep;
mod mapped;
pub mod money_db;
mod pool;
mod resident;
mod resume_db;
mod run;
#[cfg(test)]
mod tests;
mod worker;

pub use crate::files::can_reserve;
pub use crate::known_files::KnownFile;
pub use crate::lockstep::{Lane, LaneError, LaneFiles, LaneReader};
pub use crate::money_db::{
    Cursor, Kept, MoneyBatch, MoneyDb, MoneyError, MoneyRefusal, Spend, StoredStatement,
    StoredVoucher,
};
pub use crate::pool::{Completion, DiskConfig, DiskHandle, DiskPool};
pub use crate::resume_db::{Place, StartError};
