//! The committed artifacts are what the sources compile to.

use std::process::Command;

use contracts::artifact::repository;

#[test]
fn artifacts_match_their_sources() {
    let root = repository();
    let installed = root.join(".local/contracts/node_modules/solc");
    assert!(installed.is_dir(), "the compiler is missing\nhint: run test/setup/peers.sh");
    let output = Command::new("node")
        .args(["contracts/compile.mjs", "--check"])
        .current_dir(root)
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
