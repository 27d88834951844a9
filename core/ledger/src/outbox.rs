//! Transactions that we send, from the wish until a block that can't be undone.

pub mod record;

pub use record::{
    Action, IntentId, NetworkId, REASON_BYTES_MAX, RECORD_BYTES_MAX, Record, RecordError, Settled,
    Status, Validity,
};
