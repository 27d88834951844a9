//! Replies of TRON's full nodes. Words come out printable, lists bounded, and a block's id is of its
//! number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::tron_http::{
    LOGS_MAX, RECEIPTS_MAX, Receipt, ReplyError, TEXT_CHARS_MAX, decode_account, decode_block,
    decode_broadcast, decode_chain_parameters, decode_constant, decode_estimate, decode_is_known,
    decode_receipt, decode_receipts, decode_resources,
};

fuzz_target!(|body: &[u8]| {
    if let Some(block) = check(decode_block(body)).flatten() {
        assert_eq!(block.id[..8], block.number.to_be_bytes());
    }
    if let Some(account) = check(decode_account(body)) {
        assert!(account.address.is_some() || account.balance == 0);
    }
    if let Some(constant) = check(decode_constant(body)) {
        check_text(constant.failure.as_deref().unwrap_or_default());
    }
    if let Some(broadcast) = check(decode_broadcast(body))
        && let Err(refusal) = broadcast.taken
    {
        assert!(!refusal.code.is_empty());
        check_text(&refusal.code);
        check_text(&refusal.text);
    }
    if let Some(receipt) = check(decode_receipt(body)).flatten() {
        check_receipt(&receipt);
    }
    if let Some(receipts) = check(decode_receipts(body)) {
        assert!(receipts.len() <= RECEIPTS_MAX);
        receipts.iter().for_each(check_receipt);
    }
    check(decode_chain_parameters(body));
    check(decode_estimate(body));
    check(decode_is_known(body));
    check(decode_resources(body));
});

fn check<T>(decoded: Result<T, ReplyError>) -> Option<T> {
    decoded
        .inspect_err(|error| assert!(!error.to_string().contains(char::is_control)))
        .ok()
}

fn check_receipt(receipt: &Receipt) {
    assert!(receipt.logs.len() <= LOGS_MAX);
    assert!(receipt.logs.iter().all(|log| log.topics.len() <= 4));
    let failure = receipt.failure.as_deref().unwrap_or_default();
    assert!(!failure.contains(char::is_control));
}

fn check_text(text: &str) {
    assert!(text.chars().count() <= TEXT_CHARS_MAX);
    assert!(!text.contains(char::is_control));
}
