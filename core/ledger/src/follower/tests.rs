use super::*;

fn id(number: u64, branch: u8) -> [u8; 32] {
    let mut id = [branch; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

fn block(number: u64, branch: u8, parent_branch: u8) -> Block {
    Block {
        id: id(number, branch),
        parent: id(number.saturating_sub(1), parent_branch),
        number,
        time_ms: number * 3000,
    }
}

fn logs(block: Block) -> Result<Answer, ClientError> {
    let log = Log { contract: Address::new([7; 20]), topics: vec![], data: vec![] };
    let logs = vec![(TxId(block.id), 0, log)];
    Ok(Answer::BlockLogs(BlockLogs { block, logs }))
}

fn found(block: Block) -> Result<Answer, ClientError> {
    Ok(Answer::Block(Some(block)))
}

const NOW: Now = Now { instant: Instant::START, unix_ms: 0 };

/// In short: `?` a question, `s5a` seen, `u5a` undone, `f5` final with its events, `!` trouble.
fn drain(follower: &mut Follower) -> String {
    let letter = |id: [u8; 32]| char::from(b'`' + id[31]);
    let mut said = Vec::new();
    while let Some(output) = follower.poll_output() {
        said.push(match output {
            Output::Ask(Query::SolidBlock) => "?solid".to_owned(),
            Output::Ask(Query::HeadBlock) => "?head".to_owned(),
            Output::Ask(Query::BlockLogs { number, .. }) => format!("?{number}"),
            Output::Ask(other) => panic!("{other:?}"),
            Output::Seen(event) => format!("s{}{}", event.block.number, letter(event.block.id)),
            Output::Undone(block) => format!("u{}{}", block.number, letter(block.id)),
            Output::Final { cursor, events } => format!("f{}:{}", cursor.number, events.len()),
            Output::Trouble(_) => "!".to_owned(),
        });
    }
    said.join(" ")
}

fn wake(follower: &mut Follower) -> String {
    let until = follower.deadline().expect("it rests");
    follower.on_deadline(Now { instant: until, unix_ms: 0 });
    drain(follower)
}

fn told(follower: &mut Follower, answer: Result<Answer, ClientError>) -> String {
    follower.on_answer(answer, NOW);
    drain(follower)
}

/// At final block 5, with blocks 6 and 7 of branch `a` seen.
fn at_seven() -> Follower {
    let mut follower = Follower::new(vec![Address::new([7; 20])], None);
    assert_eq!(drain(&mut follower), "?solid");
    assert_eq!(told(&mut follower, found(block(5, 1, 1))), "f5:0 ?head");
    assert_eq!(told(&mut follower, found(block(7, 1, 1))), "?6");
    assert_eq!(told(&mut follower, logs(block(6, 1, 1))), "s6a ?7");
    assert_eq!(told(&mut follower, logs(block(7, 1, 1))), "s7a");
    follower
}

#[test]
fn what_was_seen_counts_once_it_is_final() {
    let mut follower = at_seven();
    assert_eq!(wake(&mut follower), "?solid");
    assert_eq!(told(&mut follower, found(block(6, 1, 1))), "?6");
    assert_eq!(told(&mut follower, logs(block(6, 1, 1))), "f6:1 ?head");
    assert_eq!(told(&mut follower, found(block(7, 1, 1))), "");
}

#[test]
fn a_replaced_block_is_taken_back_and_its_successor_seen() {
    let mut follower = at_seven();
    wake(&mut follower);
    assert_eq!(told(&mut follower, found(block(5, 1, 1))), "?head");
    assert_eq!(told(&mut follower, found(block(8, 2, 2))), "?8");
    // Block 8 follows another 7, which follows another 6.
    assert_eq!(told(&mut follower, logs(block(8, 2, 2))), "u7a ?7");
    assert_eq!(told(&mut follower, logs(block(7, 2, 2))), "u6a ?6");
    assert_eq!(told(&mut follower, logs(block(6, 2, 1))), "s6b ?7");
    assert_eq!(told(&mut follower, logs(block(7, 2, 2))), "s7b ?8");
    assert_eq!(told(&mut follower, logs(block(8, 2, 2))), "s8b");
}

#[test]
fn a_shorter_head_takes_back_what_it_replaces() {
    let mut follower = at_seven();
    wake(&mut follower);
    assert_eq!(told(&mut follower, found(block(5, 1, 1))), "?head");
    assert_eq!(told(&mut follower, found(block(6, 2, 1))), "u7a u6a ?6");
}

#[test]
fn another_block_made_final_takes_back_all_that_was_seen() {
    let mut follower = at_seven();
    wake(&mut follower);
    told(&mut follower, found(block(6, 2, 1)));
    assert_eq!(told(&mut follower, logs(block(6, 2, 1))), "u7a u6a f6:1 ?head");
}

#[test]
fn a_final_block_that_does_not_follow_the_last_ends_it() {
    let mut follower = at_seven();
    wake(&mut follower);
    told(&mut follower, found(block(6, 2, 2)));
    assert_eq!(told(&mut follower, logs(block(6, 2, 2))), "!");
    assert_eq!(follower.deadline(), None);
    let mut follower = at_seven();
    wake(&mut follower);
    assert_eq!(told(&mut follower, found(block(5, 2, 2))), "!");
}

#[test]
fn newest_blocks_apart_from_the_final_ones_are_not_seen() {
    let mut follower = at_seven();
    wake(&mut follower);
    told(&mut follower, found(block(5, 1, 1)));
    told(&mut follower, found(block(8, 2, 2)));
    told(&mut follower, logs(block(8, 2, 2)));
    told(&mut follower, logs(block(7, 2, 2)));
    assert_eq!(told(&mut follower, logs(block(6, 2, 2))), "!");
    assert_eq!(wake(&mut follower), "?solid");
}

/// Found by `test/sim`, a node with false ids of blocks: each block was seen and taken back for ever.
#[test]
fn blocks_that_do_not_follow_each_other_are_given_up() {
    let mut follower = at_seven();
    wake(&mut follower);
    told(&mut follower, found(block(5, 1, 1)));
    assert_eq!(told(&mut follower, found(block(9, 1, 1))), "?8");
    assert_eq!(told(&mut follower, logs(block(8, 2, 1))), "s8b ?9");
    for _ in 0..2 {
        assert_eq!(told(&mut follower, logs(block(9, 1, 1))), "u8b ?8");
        assert_eq!(told(&mut follower, logs(block(8, 2, 1))), "s8b ?9");
    }
    assert_eq!(told(&mut follower, logs(block(9, 1, 1))), "!");
    assert_eq!(wake(&mut follower), "?solid");
}

#[test]
fn a_cursor_that_was_stored_goes_on_without_a_gap() {
    let cursor = Some(Cursor { number: 3, id: id(3, 1) });
    let mut follower = Follower::new(vec![], cursor);
    drain(&mut follower);
    assert_eq!(told(&mut follower, found(block(5, 1, 1))), "?4");
    assert_eq!(told(&mut follower, logs(block(4, 1, 1))), "f4:1 ?5");
    assert_eq!(told(&mut follower, logs(block(5, 1, 1))), "f5:1 ?head");
}
