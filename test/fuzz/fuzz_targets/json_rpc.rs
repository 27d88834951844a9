//! Replies of Ethereum's nodes. Words come out printable, lists bounded, and only the answer to our
//! question counts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::json_rpc::{
    LOGS_MAX, ReplyError, TEXT_CHARS_MAX, decode_block, decode_bytes, decode_is_known,
    decode_logs, decode_number, decode_receipt, decode_sent,
};

fuzz_target!(|body: &[u8]| {
    check(decode_bytes(body, 1));
    check(decode_sent(body, 1));
    check(decode_block(body, 1));
    check(decode_is_known(body, 1));
    if let Some(receipt) = check(decode_receipt(body, 1)).flatten() {
        assert!(receipt.logs.len() <= LOGS_MAX);
    }
    if let Some(logs) = check(decode_logs(body, 1)) {
        assert!(logs.len() <= LOGS_MAX);
    }
    if check(decode_number(body, 1)).is_some() {
        assert_eq!(decode_number(body, 2), Err(ReplyError::Wrong("id")));
    }
});

fn check<T>(decoded: Result<T, ReplyError>) -> Option<T> {
    if let Err(ReplyError::Refused { text, .. }) = &decoded {
        assert!(text.chars().count() <= TEXT_CHARS_MAX);
        assert!(!text.contains(char::is_control));
    }
    decoded.ok()
}
