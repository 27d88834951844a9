//! Which network a command is about: one that we know, or the user's own in a file.

use std::path::Path;

use clap::Args;
use ledger::address::Address;
use ledger::network::{Kind, Profile, Worth, built_in};
use ledger::transaction::BlockId;
use serde_json::Value;
use url::Url;
use wire::unhex;

use crate::failure::{Failure, reason, shown};
use crate::redact;

/// Longest file of a network, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Which network, and which of its nodes.
#[derive(Clone, Debug, Args)]
pub(crate) struct NetworkArgs {
    /// Which network: local, nile, shasta, mainnet, bttc, or a file that describes one
    #[arg(long, value_name = "NETWORK", default_value = "local")]
    pub(crate) network: String,
    /// A node to ask instead of the network's usual ones; of several, more than half must agree
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub(crate) node: Vec<String>,
}

/// The profile of the chosen network.
///
/// # Errors
/// There is none of that name, or its file is wrong.
pub(crate) fn chosen(args: &NetworkArgs) -> Result<Profile, Failure> {
    let known = built_in();
    let named = known.iter().find(|profile| profile.name.eq_ignore_ascii_case(&args.network));
    let mut profile = match named {
        Some(profile) => profile.clone(),
        None => from_file(Path::new(&args.network), &known)?,
    };
    if !args.node.is_empty() {
        // As `shoal chain` prints it and its own commands take it.
        let whole = |node: &String| match node.contains("://") {
            true => node.clone(),
            false => format!("http://{node}"),
        };
        profile.endpoints = args.node.iter().map(whole).collect();
        profile.endpoints.iter().try_for_each(|url| judge_url(url))?;
    }
    Ok(profile)
}

/// A node that one can talk to.
fn judge_url(text: &str) -> Result<(), Failure> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    match url {
        Some(_) => Ok(()),
        None => Err(Failure::misused(
            format!("not the URL of a node: {}", redact::link(text)),
            "as in --node http://127.0.0.1:9090",
        )),
    }
}

fn from_file(path: &Path, known: &[Profile]) -> Result<Profile, Failure> {
    let look = std::fs::metadata(path).map_err(|error| {
        let names: Vec<&str> = known.iter().map(|profile| profile.name.as_str()).collect();
        Failure::with_hint(
            format!("no network is called {}, and no file: {}", shown(path), reason(&error)),
            format!("there are {}", names.join(", ")),
        )
    })?;
    let wrong = |why: &str| {
        Failure::with_hint(
            format!("cannot use the network file {}: {why}", shown(path)),
            "docs/formats.md says what is in it",
        )
    };
    if !look.is_file() || look.len() > FILE_BYTES_MAX {
        return Err(wrong("it is not a short file"));
    }
    let bytes = std::fs::read(path).map_err(|error| Failure::reading(path, &error))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_bad| wrong("it is not JSON"))?;
    let profile = profile(&value).map_err(|key| wrong(&format!("its `{key}` cannot be used")))?;
    profile.endpoints.iter().try_for_each(|url| judge_url(url))?;
    Ok(profile)
}

/// The profile of a file, or the key that is wrong.
fn profile(value: &Value) -> Result<Profile, &'static str> {
    let text = |key: &'static str| value.get(key).and_then(Value::as_str).ok_or(key);
    let address = |key: &'static str| match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(text) => {
            text.as_str().and_then(|text| text.parse::<Address>().ok()).ok_or(key).map(Some)
        }
    };
    let name = text("name")?;
    let plain = name.chars().all(|char| char.is_ascii_alphanumeric() || char == '-');
    // A file must not pass play money off as another network, or the other way round.
    let taken = built_in().iter().any(|known| known.name.eq_ignore_ascii_case(name));
    if name.is_empty() || name.len() > 40 || !plain || taken {
        return Err("name");
    }
    let kind = match text("kind")? {
        "tron" => Kind::Tron,
        "evm" => Kind::Evm,
        _ => return Err("kind"),
    };
    let worth = match text("worth")? {
        "play" => Worth::Play,
        "real" => Worth::Real,
        _ => return Err("worth"),
    };
    let list = value.get("endpoints").and_then(Value::as_array).ok_or("endpoints")?;
    let endpoints: Option<Vec<String>> =
        list.iter().map(|url| url.as_str().map(str::to_owned)).collect();
    let genesis = match value.get("genesis") {
        None | Some(Value::Null) => None,
        Some(text) => Some(BlockId(text.as_str().and_then(unhex).ok_or("genesis")?)),
    };
    let chain_id = match value.get("chain_id") {
        None | Some(Value::Null) => None,
        Some(number) => Some(number.as_u64().ok_or("chain_id")?),
    };
    let confirmations = match value.get("confirmations") {
        None => 0,
        Some(number) => {
            number.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or("confirmations")?
        }
    };
    Ok(Profile {
        name: name.to_owned(),
        kind,
        worth,
        endpoints: endpoints.filter(|list| !list.is_empty()).ok_or("endpoints")?,
        chain_id,
        genesis,
        btt: address("btt")?,
        vault: address("vault")?,
        confirmations,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_describes_a_network_or_says_what_is_wrong() {
        let good = json!({
            "name": "mine", "kind": "tron", "worth": "play", "endpoints": ["http://127.0.0.1:1"],
            "btt": "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4", "chain_id": 5,
        });
        let mine = profile(&good).unwrap();
        assert_eq!((mine.to_string().as_str(), mine.chain_id), ("mine (play money)", Some(5)));
        for (key, value) in [
            ("name", json!("mainnet")),
            ("name", json!("a b")),
            ("kind", json!("bitcoin")),
            ("worth", json!(null)),
            ("endpoints", json!([])),
            ("endpoints", json!([1])),
            ("btt", json!("TAFj")),
            ("genesis", json!("00")),
            ("chain_id", json!(-1)),
            ("confirmations", json!(1_u64 << 40)),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert_eq!(profile(&bad), Err(key));
        }
    }

    #[test]
    fn nodes_on_the_command_line_replace_those_of_the_network() {
        let args = |network: &str, node: &[&str]| NetworkArgs {
            network: network.into(),
            node: node.iter().map(|url| (*url).to_owned()).collect(),
        };
        let profile = chosen(&args("Nile", &["http://127.0.0.1:1"])).unwrap();
        assert_eq!((profile.name.as_str(), profile.endpoints.len()), ("nile", 1));
        let profile = chosen(&args("local", &["127.0.0.1:9"])).unwrap();
        assert_eq!(profile.endpoints, ["http://127.0.0.1:9"]);
        assert!(chosen(&args("local", &["ftp://a"])).is_err());
        assert!(chosen(&args("nowhere", &[])).is_err());
    }
}
