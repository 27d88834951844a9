//! The committed artifacts are what the sources compile to.

use std::process::Command;

use contracts::artifact::{has_packages, repository};

#[test]
fn artifacts_match_their_sources() {
    if !has_packages("artifacts_match_their_sources") {
        return;
    }
    let output = Command::new("node")
        .args(["contracts/compile.mjs", "--check"])
        .current_dir(repository())
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
