use super::*;

const OWNER: [u8; 20] = [0xdd; 20];

#[test]
fn questions_are_as_nodes_read_them() {
    let call =
        ConstantCall { owner: OWNER, contract: Some([1; 20]), value: 7, data: vec![0x70, 0xa0] };
    let deploy = ConstantCall { contract: None, ..call.clone() };
    let dd = "dd".repeat(20);
    for (request, path, body) in [
        (Request::NowBlock(View::Solid), "walletsolidity/getnowblock", "{}".to_owned()),
        (Request::BlockByNumber(5), "wallet/getblockbynum", r#"{"num":5}"#.to_owned()),
        (
            Request::Account(OWNER, View::Head),
            "wallet/getaccount",
            format!(r#"{{"address":"41{dd}"}}"#),
        ),
        (
            Request::Constant(call, View::Head),
            "wallet/triggerconstantcontract",
            format!(
                r#"{{"call_value":7,"contract_address":"41{}","data":"70a0","owner_address":"41{dd}","visible":false}}"#,
                "01".repeat(20)
            ),
        ),
        (
            Request::EstimateEnergy(deploy),
            "wallet/estimateenergy",
            format!(r#"{{"call_value":7,"data":"70a0","owner_address":"41{dd}","visible":false}}"#),
        ),
        (
            Request::Broadcast(vec![0xab]),
            "wallet/broadcasthex",
            r#"{"transaction":"ab"}"#.to_owned(),
        ),
    ] {
        assert_eq!(request.path(), path);
        assert_eq!(String::from_utf8(request.body()).unwrap(), body);
    }
}

fn block_json(number: u64, id_number: u64) -> String {
    format!(
        r#"{{"blockID":"{id_number:016x}{}","block_header":{{"raw_data":{{"number":{number},
        "timestamp":1777447168009,"parentHash":"{}"}}}}}}"#,
        "ab".repeat(24),
        "cd".repeat(32)
    )
}

#[test]
fn a_block_whose_id_is_of_another_number_is_refused() {
    let block = decode_block(block_json(9, 9).as_bytes()).unwrap().unwrap();
    assert_eq!((block.number, block.time_ms), (9, 1_777_447_168_009));
    assert_eq!(decode_block(block_json(9, 8).as_bytes()), Err(ReplyError::Wrong("blockID")));
    assert_eq!(decode_block(b"{}"), Ok(None));
}

#[test]
fn the_genesis_block_needs_no_number_and_no_parent() {
    let id = format!("{:016x}{}", 0, "01".repeat(24));
    let body = format!(r#"{{"blockID":"{id}","block_header":{{"raw_data":{{}}}}}}"#);
    assert_eq!(decode_block(body.as_bytes()).unwrap().unwrap().number, 0);
}

#[test]
fn accounts_that_are_not_there_have_nothing() {
    assert_eq!(decode_account(b"{}"), Ok(Account { address: None, balance: 0 }));
    let body = format!(r#"{{"address":"41{}","balance":"12"}}"#, "dd".repeat(20));
    let account = decode_account(body.as_bytes()).unwrap();
    assert_eq!(account, Account { address: Some(OWNER), balance: 12 });
    for wrong in ["-1", "1.5", "18446744073709551616", "\"0x1\"", "\"\"", "true"] {
        let body = format!(r#"{{"address":"41{}","balance":{wrong}}}"#, "dd".repeat(20));
        assert_eq!(decode_account(body.as_bytes()), Err(ReplyError::Wrong("balance")), "{wrong}");
    }
    let foreign = format!(r#"{{"address":"a0{}"}}"#, "dd".repeat(20));
    assert_eq!(decode_account(foreign.as_bytes()), Err(ReplyError::Wrong("address")));
}

#[test]
fn errors_in_a_good_reply_are_refusals() {
    let body = br#"{"Error":"class java.lang.NullPointerException : null\u001b[2J"}"#;
    let Err(ReplyError::Refused { text, .. }) = decode_block(body) else { panic!("a refusal") };
    assert_eq!(text, "class java.lang.NullPointerException : null[2J");
    assert_eq!(decode_block(b"[]"), Err(ReplyError::NotJson));
    assert_eq!(decode_block(b"<html>"), Err(ReplyError::NotJson));
}

#[test]
fn a_revert_is_a_result() {
    let reverted = br#"{"result":{"result":true,"message":"524556455254206f70636f6465206578656375746564"},
        "energy_used":935,"constant_result":["08c379a0"],"transaction":{"ret":[{"ret":"FAILED"}]}}"#;
    let result = decode_constant(reverted).unwrap();
    assert_eq!(result.failure.as_deref(), Some("REVERT opcode executed"));
    assert_eq!(result.output, [0x08, 0xc3, 0x79, 0xa0]);
    let good = br#"{"result":{"result":true},"energy_used":5,"constant_result":["01"],
        "transaction":{"ret":[{}]}}"#;
    assert_eq!(decode_constant(good).unwrap().failure, None);
    let silent = br#"{"result":{"result":true},"constant_result":[],"transaction":{"ret":[{"ret":"FAILED"}]}}"#;
    assert!(decode_constant(silent).unwrap().failure.is_some());
    let refused = br#"{"result":{"code":"CONTRACT_VALIDATE_ERROR","message":"6e6f"}}"#;
    assert!(matches!(decode_constant(refused), Err(ReplyError::Refused { .. })));
}

#[test]
fn a_broadcast_is_taken_or_says_why_not() {
    let id = "ab".repeat(32);
    let good = format!(r#"{{"result":true,"code":"SUCCESS","message":"","txid":"{id}"}}"#);
    let answer = decode_broadcast(good.as_bytes()).unwrap();
    assert_eq!((answer.id, answer.taken), (Some([0xab; 32]), Ok(())));
    let bad = br#"{"code":"DUP_TRANSACTION_ERROR","message":"647570"}"#;
    let refusal = decode_broadcast(bad).unwrap().taken.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.text.as_str()), ("DUP_TRANSACTION_ERROR", "dup"));
    // "true" with an error's code is no success.
    let both = br#"{"result":true,"code":"SIGERROR"}"#;
    assert!(decode_broadcast(both).unwrap().taken.is_err());
    assert_eq!(decode_broadcast(b"{}"), Err(ReplyError::Missing("code")));
}

#[test]
fn a_failure_may_be_told_in_either_place() {
    let receipt = |more: &str| {
        let body = format!(r#"{{"id":"{}","blockNumber":3,{more}}}"#, "ab".repeat(32));
        decode_receipt(body.as_bytes()).unwrap().unwrap().failure
    };
    assert_eq!(receipt(r#""receipt":{"result":"SUCCESS"}"#), None);
    assert_eq!(receipt(r#""receipt":{}"#), None);
    assert_eq!(receipt(r#""receipt":{"result":"REVERT"}"#).as_deref(), Some("REVERT"));
    let both = r#""result":"FAILED","resMessage":"6f6f70","receipt":{"result":"OUT_OF_ENERGY"}"#;
    assert_eq!(receipt(both).as_deref(), Some("OUT_OF_ENERGY: oop"));
    let half = r#""result":"FAILED","receipt":{"result":"SUCCESS"}"#;
    assert_eq!(receipt(half).as_deref(), Some("FAILED"));
    assert_eq!(decode_receipt(b"{}"), Ok(None));
}

#[test]
fn prices_must_be_there() {
    let body = br#"{"chainParameter":[{"key":"getEnergyFee","value":100},{"key":"getTransactionFee","value":1000},{"key":"getAllowX"}]}"#;
    let parameters = decode_chain_parameters(body).unwrap();
    assert_eq!((parameters.energy_price, parameters.byte_price), (100, 1000));
    let none = decode_chain_parameters(br#"{"chainParameter":[]}"#);
    assert_eq!(none, Err(ReplyError::Missing("getEnergyFee")));
}
