//! The wallet as its users meet it: what it keeps, shows, refuses and signs; and `on_chain`, what it does
//! with the embedded chain.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

#[path = "wallet/on_chain.rs"]
mod on_chain;

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon about";

/// First account of these words, by every wallet for TRON.
const ADDRESS: &str = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH";

const PASSPHRASE: &str = "correct horse battery";

/// A folder of its own for a test, with a passphrase in it; gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shoal-wallet-{}-{number}", std::process::id());
        let path = std::env::temp_dir().canonicalize().unwrap().join(name);
        fs::create_dir_all(&path).unwrap();
        let folder = Self(path);
        folder.write("p", PASSPHRASE);
        folder
    }

    /// With the known words in its wallet.
    fn with_wallet() -> Self {
        let folder = Self::new();
        folder.write("words", WORDS);
        folder.ok(&["import", "words"]);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn shoal(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
        command.current_dir(&self.0).env_clear().stdin(Stdio::null());
        command.env("SHOAL_STATE_DIR", self.0.join("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.shoal();
        command.arg("wallet").args(arguments).args(["--passphrase-file", "p"]).output().unwrap()
    }

    /// Runs, and must succeed: the last line of its output.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{stdout}{stderr}");
        stdout.lines().last().unwrap_or_default().to_owned()
    }

    /// Runs, and must fail: what it says.
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stderr}");
        assert!(stderr.contains("error: "), "{stderr}");
        stderr
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn words_give_the_known_accounts_and_come_out_again() {
    let folder = Folder::with_wallet();
    assert_eq!(folder.ok(&["address"]), ADDRESS);
    assert_eq!(folder.ok(&["export", "--as", "words"]), WORDS);
    let second = folder.ok(&["new", "second"]);
    assert_eq!(folder.ok(&["address", "--account", "second"]), second);
    let event: Value = serde_json::from_str(&folder.ok(&["list", "--json"])).unwrap();
    assert_eq!(event["path"], "m/44'/195'/1'/0/0");
    folder.ok(&["use", "second"]);
    assert_eq!(folder.ok(&["address"]), second);
    assert!(folder.fails(&["new", "second"], 1).contains("there is an account of that name"));
    assert!(folder.fails(&["import", "words"], 1).contains("is in the wallet: main"));
}

#[test]
fn a_new_wallet_is_of_fresh_words_and_never_prints_them_unasked() {
    let (one, other) = (Folder::new(), Folder::new());
    let outputs = [one.run(&["new", "--words", "24"]), other.run(&["new"])];
    let words = [one.ok(&["export", "--as", "words"]), other.ok(&["export", "--as", "words"])];
    assert_eq!(words.each_ref().map(|words| words.split(' ').count()), [24, 12]);
    for (output, words) in outputs.iter().zip(&words) {
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("warning: write the words down"), "{said}");
        assert!(!said.contains(words.get(..30).unwrap()), "{said}");
    }
}

#[test]
fn the_file_is_ours_alone_and_holds_no_secret() {
    let folder = Folder::with_wallet();
    let path = folder.0.join("state/wallet.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let key = folder.ok(&["export", "--as", "key"]);
    assert_eq!(key.len(), 64);
    let kept = folder.read("state/wallet.json").to_lowercase();
    for secret in ["abandon", "about", key.as_str(), PASSPHRASE] {
        assert!(!kept.contains(secret), "{secret}");
    }
}

#[test]
fn a_backup_restores_everything_under_its_own_passphrase() {
    let folder = Folder::with_wallet();
    folder.ok(&["new", "second"]);
    folder.ok(&["import", "--watch", "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4", "--name", "token"]);
    folder.ok(&["backup", "copy"]);
    assert!(folder.fails(&["backup", "copy"], 1).contains("cannot write copy"));
    let list = text(&folder.run(&["list"]).stdout);
    let other = Folder::new();
    other.write("copy", &folder.read("copy"));
    other.ok(&["import", "copy"]);
    assert_eq!(text(&other.run(&["list"]).stdout), list);
    assert_eq!(other.ok(&["export", "--as", "words", "--account", "second"]), WORDS);
    // Into a wallet that has something else, only what is missing is added.
    let third = Folder::new();
    third.ok(&["new"]);
    third.write("copy", &folder.read("copy"));
    third.ok(&["import", "copy", "--source-passphrase-file", "p"]);
    let all = text(&third.run(&["list"]).stdout);
    assert_eq!(all.lines().count(), 4, "{all}");
    assert_eq!(third.ok(&["export", "--as", "words", "--account", ADDRESS]), WORDS);
}

#[test]
fn a_keystore_goes_out_and_in_by_its_password() {
    let folder = Folder::with_wallet();
    folder.write("q", "another passphrase");
    folder.ok(&["export", "-o", "keystore", "--keystore-passphrase-file", "q"]);
    let other = Folder::new();
    other.write("keystore", &folder.read("keystore"));
    other.write("q", "another passphrase");
    let wrong = other.fails(&["import", "keystore", "--source-passphrase-file", "p"], 1);
    assert!(wrong.contains("the password is wrong, or the file was changed"), "{wrong}");
    assert_eq!(other.ok(&["import", "keystore", "--source-passphrase-file", "q"]), ADDRESS);
    let none = other.fails(&["export", "--as", "words"], 1);
    assert!(none.contains("was imported as a key"), "{none}");
}

#[test]
fn another_passphrase_replaces_the_old_one() {
    let folder = Folder::with_wallet();
    folder.write("q", "a new passphrase");
    folder.ok(&["passphrase", "--new-passphrase-file", "q"]);
    let said = folder.fails(&["export", "--as", "key"], 1);
    assert!(said.contains("cannot open the wallet: the passphrase is wrong"), "{said}");
    folder.write("p", "a new passphrase");
    assert_eq!(folder.ok(&["export", "--as", "words"]), WORDS);
}

#[test]
fn whoever_changes_the_file_is_noticed_when_it_is_opened() {
    let folder = Folder::with_wallet();
    let other = "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7";
    let changed = folder.read("state/wallet.json").replace(ADDRESS, other);
    folder.write("state/wallet.json", &changed);
    assert!(folder.fails(&["sign", "x"], 1).contains("or the file was changed"));
    folder.write("state/wallet.json", "{\"format\":\"shoal-wallet\",\"version\":99}");
    assert!(folder.fails(&["list"], 1).contains("its version 99 is newer"));
    folder.write("state/wallet.json", "");
    assert!(folder.fails(&["list"], 1).contains("it is not a wallet of shoal, or damaged"));
}

#[test]
fn signatures_say_who_made_them_and_of_what() {
    let folder = Folder::with_wallet();
    let signature = folder.ok(&["sign", "hello"]);
    assert_eq!(folder.ok(&["verify", &signature, "hello"]), ADDRESS);
    folder.ok(&["verify", &signature, "hello", "--by", ADDRESS]);
    let other = folder.fails(&["verify", &signature, "hello ", "--by", ADDRESS], 1);
    assert!(other.contains("not signed by who should have"), "{other}");
    folder.fails(&["verify", "0x00", "hello"], 1);
    folder.write(
        "typed",
        r#"{"types":{"Note":[{"name":"text","type":"string"}]},"primaryType":"Note",
            "domain":{"name":"n"},"message":{"text":"hello"}}"#,
    );
    let refused = folder.fails(&["sign", "--typed", "typed"], 1);
    assert!(refused.contains("--yes signs it without asking"), "{refused}");
    let signature = folder.ok(&["sign", "--typed", "typed", "--yes"]);
    assert_eq!(folder.ok(&["verify", &signature, "--typed", "typed"]), ADDRESS);
}

#[test]
fn requests_are_links_that_name_their_network() {
    let folder = Folder::with_wallet();
    let btt = "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4";
    for (arguments, link) in [
        (&["1.5", "TRX"][..], format!("tron:{ADDRESS}?amount=1.5&network=local")),
        (
            &["1.50", "BTT", "--network", "mainnet"],
            format!("tron:{ADDRESS}?amount=1.5&token={btt}"),
        ),
        (
            &["2", "BTT", "--network", "bttc"],
            "ethereum:0xC8599111F29c1e1E061265b4AF93eA1F274aD78A@199?value=2000000000000000000"
                .to_owned(),
        ),
    ] {
        let asked: Vec<&str> = ["request"].iter().chain(arguments).copied().collect();
        let said = folder.ok(&asked);
        assert_eq!(said, link, "{arguments:?}");
    }
    folder.fails(&["request", "1,5"], 2);
    folder.fails(&["request", "0.0000001", "TRX"], 2);
    folder.fails(&["request", "1", "USDT"], 2);
}

#[test]
fn what_can_be_nobodys_wish_is_refused_with_a_hint() {
    let empty = Folder::new();
    let none = empty.fails(&["list"], 1);
    assert!(none.contains("there is no wallet yet\nhint: `shoal wallet new`"), "{none}");
    empty.write("p", "short");
    assert!(empty.fails(&["new"], 1).contains("is too short"));
    let folder = Folder::with_wallet();
    let closed = "127.0.0.1:1";
    for (arguments, code, said) in [
        (&["send", "1"][..], 2, "the coin and the recipient are missing"),
        (&["send", "1", "TRX", "nobody"], 2, "not a recipient: nobody"),
        (&["send", "1", "TRX", "main"], 1, "main would pay itself"),
        (&["send", "1", "TRX", "TUEZ"], 2, "not a recipient: TUEZ"),
        (&["send", "tron:TUEZ"], 2, "cannot use the request for a payment"),
        (
            &["send", "tron:TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4?amount=1"],
            1,
            "the request is for mainnet, not for local",
        ),
        (&["balance", "--node", closed], 1, "hint: `shoal chain` runs one on this machine"),
        (&["balance", "--network", "nowhere"], 1, "no network is called nowhere"),
        (&["use", "nobody"], 1, "no account of the wallet is called nobody"),
        (&["forget", "main"], 1, "main has a key, which would be lost"),
        (&["import", "--watch", "TUEZ"], 2, "the address has a wrong checksum"),
        (&["new", "a b"], 2, "a name has 1 to 40"),
        (&["caps", "TRX"], 2, "nothing to set"),
    ] {
        let told = folder.fails(arguments, code);
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    for (source, said) in [
        ("abandon abandon", "12, 15, 18, 21 or 24 words, not 2"),
        (&WORDS.replace("about", "zoo"), "the words do not fit together"),
        (&"0".repeat(64), "these digits are no key"),
        ("{\"crypto\":{},\"version\":3}", "it has no `cipher`"),
        ("{\"crypto\":{},\"version\":1}", "it is of version 1, not 3"),
        ("", "not 0"),
    ] {
        folder.write("source", source);
        let told = folder.fails(&["import", "source", "--source-passphrase-file", "p"], 1);
        assert!(told.contains(said), "{source}: {told}");
        assert!(!told.contains("zoo"), "a word mistyped may still be half a secret: {told}");
    }
}

#[test]
fn forgetting_takes_an_account_out_for_good() {
    let folder = Folder::with_wallet();
    folder.ok(&["new", "second"]);
    folder.ok(&["use", "second"]);
    folder.ok(&["forget", "second", "--yes"]);
    assert_eq!(folder.ok(&["address"]), ADDRESS);
    assert!(!text(&folder.run(&["list"]).stdout).contains("second"));
}
