//! Every case of the suite on a node that others wrote, through the product's JSON-RPC client.

use contracts::artifact::has_packages;
use contracts::node::Node;
use contracts::stage::{Stage, cast};
use contracts::world::World;
use contracts::{for_each_case, suite};

macro_rules! cases {
    ($($case:ident,)*) => {
        [$((stringify!($case), suite::$case as fn(&mut Stage)),)*]
    };
}

#[test]
fn the_contracts_do_the_same_on_hardhat_through_our_client() {
    if !has_packages("the_contracts_do_the_same_on_hardhat_through_our_client") {
        return;
    }
    let mut node = Node::start();
    for party in cast().all() {
        node.fund(party);
    }
    let mut stage = Stage::new(World::Node(Box::new(node)));
    let model = stage.model.clone();
    for (name, case) in for_each_case!(cases) {
        let snapshot = node_of(&mut stage).snapshot();
        println!("{name}");
        case(&mut stage);
        node_of(&mut stage).go_back(snapshot);
        stage.model.clone_from(&model);
    }
}

fn node_of(stage: &mut Stage) -> &mut Node {
    let World::Node(node) = &mut stage.world else { unreachable!("the stage is on a node") };
    node
}
