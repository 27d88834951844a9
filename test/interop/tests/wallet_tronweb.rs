//! Our wallet beside unmodified `tronweb` and `ethers`: each opens the other's keystores and verifies the
//! other's signatures, of texts and of structured data.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use interop::{Outcome, scene, wallet, wallet_tronweb};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);

/// Every kind of value that structured data can have.
fn typed() -> Value {
    json!({
        "types": {
            "Order": [
                { "name": "from", "type": "Party" },
                { "name": "lots", "type": "Lot[]" },
                { "name": "token", "type": "trcToken" },
                { "name": "note", "type": "string" },
                { "name": "tag", "type": "bytes4" },
                { "name": "blob", "type": "bytes" },
                { "name": "final", "type": "bool" },
                { "name": "delta", "type": "int64" },
                { "name": "grid", "type": "uint8[2][]" }
            ],
            "Party": [{ "name": "wallet", "type": "address" }],
            "Lot": [{ "name": "amount", "type": "uint256" }, { "name": "to", "type": "Party" }]
        },
        "primaryType": "Order",
        "domain": {
            "name": "Shop", "version": "1", "chainId": 728_126_428,
            "verifyingContract": "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4"
        },
        "message": {
            "from": { "wallet": "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH" },
            "lots": [
                { "amount": "115792089237316195423570985008687907853269984665640564039457584007913129639935",
                  "to": { "wallet": "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7" } },
                { "amount": 1, "to": { "wallet": "411a642f0e3c3af545e7acbd38b07251b3990914f1" } }
            ],
            "token": "1002000",
            "note": "Grüße",
            "tag": "0x01020304",
            "blob": "0xff",
            "final": true,
            "delta": -5,
            "grid": [[1, 2], [3, 4]]
        }
    })
}

fn prepare(folder: &Path) -> anyhow::Result<()> {
    std::fs::write(folder.join("passphrase"), "correct horse battery")?;
    std::fs::write(folder.join("typed.json"), typed().to_string())?;
    Ok(())
}

#[test]
fn what_our_wallet_writes_and_signs_is_good_for_tronweb() -> Outcome {
    scene(LIMIT, |scene| {
        let folder = scene.folder("wallet")?;
        prepare(&folder)?;
        let address = wallet(&folder, &["new"])?;
        let exported =
            ["export", "-o", "keystore.json", "--keystore-passphrase-file", "passphrase"];
        wallet(&folder, &exported)?;
        let text = "I am who I say";
        let ours = json!({
            "address": address,
            "key": wallet(&folder, &["export", "--as", "key"])?,
            "password": "correct horse battery",
            "text": text,
            "signature": wallet(&folder, &["sign", text])?,
            "typedSignature": wallet(&folder, &["sign", "--typed", "typed.json", "--yes"])?,
        });
        std::fs::write(folder.join("ours.json"), ours.to_string())?;
        wallet_tronweb(scene, &folder, "ours")
    })
}

#[test]
fn what_tronweb_and_ethers_write_and_sign_is_good_for_our_wallet() -> Outcome {
    scene(LIMIT, |scene| {
        let folder = scene.folder("wallet")?;
        prepare(&folder)?;
        wallet_tronweb(scene, &folder, "theirs")?;
        let theirs: Value = serde_json::from_slice(&std::fs::read(folder.join("theirs.json"))?)?;
        let field = |name: &str| theirs[name].as_str().unwrap_or_default().to_owned();
        let address = field("address");
        std::fs::write(folder.join("theirs"), "their password")?;
        let import =
            ["import", "their-keystore.json", "--source-passphrase-file", "theirs", "--json"];
        let imported: Value = serde_json::from_str(&wallet(&folder, &import)?)?;
        ensure!(imported["address"] == address.as_str(), "{imported} is not {address}");
        let signature = field("signature");
        let text = ["verify", &signature, "--file", "their-text", "--by", &address];
        ensure!(wallet(&folder, &text)? == address, "the text");
        let signature = field("typedSignature");
        let typed = ["verify", &signature, "--typed", "typed.json", "--by", &address];
        ensure!(wallet(&folder, &typed)? == address, "the structured data");
        // The same key signs the same.
        ensure!(wallet(&folder, &["sign", "--typed", "typed.json", "--yes"])? == signature);
        Ok(())
    })
}
