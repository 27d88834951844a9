//! What the ABI of a contract, as it is kept on the chain, says of calls and events.
//!
//! Source: `SmartContract.ABI` of TRON's `smart_contract.proto`, which has no room for the components
//! of tuples: what has one is shown undecoded. Values look as TronGrid shows them: all text,
//! addresses in 20 bytes behind `0x`, other bytes in bare hexadecimal digits.

use alloy_dyn_abi::{DynSolEvent, DynSolType, DynSolValue};
use serde_json::{Map, Value, json};

use super::proto_json::{Form, hex, to_json};
use super::schema::ABI;
use crate::receipt::Log;

/// Longest name of a type that is looked at; a chain of brackets nests as deep as it is long.
const TYPE_BYTES_MAX: usize = 64;

/// Most elements that the fixed arrays of a type have: alloy makes room for all of them before it looks
/// at the data.
const ELEMENTS_MAX: usize = 1_000;

/// Most parameters of an event that is decoded; Solidity's compiler allows 17.
const PARAMETERS_MAX: usize = 64;

/// An event that a contract may log.
#[derive(Clone, Debug)]
pub(super) struct EventShape {
    pub(super) name: String,
    parameters: Vec<Parameter>,
    /// Keccak-256 of its signature; none if it is anonymous.
    pub(super) topic: Option<[u8; 32]>,
}

#[derive(Clone, Debug)]
struct Parameter {
    name: String,
    solidity: String,
    indexed: bool,
}

/// Name, parameters by name and type, and how many of them are indexed.
type Known = (&'static str, &'static [(&'static str, &'static str)], usize);

/// Events that are decoded whatever the ABI says: those of TRC-20 and of the Vault. Each by name and
/// parameters, the indexed ones first.
const KNOWN: [Known; 8] = [
    ("Transfer", &[("from", "address"), ("to", "address"), ("value", "uint256")], 2),
    ("Approval", &[("owner", "address"), ("spender", "address"), ("value", "uint256")], 2),
    (
        "Deposited",
        &[
            ("account", "bytes32"),
            ("owner", "address"),
            ("signer", "address"),
            ("amount", "uint256"),
        ],
        3,
    ),
    ("Withdrawn", &[("account", "bytes32"), ("owner", "address"), ("amount", "uint256")], 2),
    (
        "Locked",
        &[
            ("channel", "bytes32"),
            ("account", "bytes32"),
            ("payee", "address"),
            ("amount", "uint256"),
            ("delay", "uint64"),
        ],
        3,
    ),
    (
        "UnlockAnnounced",
        &[
            ("channel", "bytes32"),
            ("account", "bytes32"),
            ("payee", "address"),
            ("unlockAt", "uint64"),
        ],
        3,
    ),
    (
        "Unlocked",
        &[
            ("channel", "bytes32"),
            ("account", "bytes32"),
            ("payee", "address"),
            ("amount", "uint256"),
        ],
        3,
    ),
    (
        "Redeemed",
        &[
            ("channel", "bytes32"),
            ("account", "bytes32"),
            ("payee", "address"),
            ("amount", "uint256"),
            ("cumulative", "uint256"),
        ],
        3,
    ),
];

fn entries(abi: &[u8]) -> Vec<Value> {
    let shown = to_json(&ABI, abi, Form::default()).unwrap_or_default();
    shown["entrys"].as_array().cloned().unwrap_or_default()
}

fn types_of(list: &Value) -> Vec<&str> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|parameter| parameter["type"].as_str().unwrap_or_default()).collect()
}

/// Whether the function that call data begins with only reads, as far as the ABI says.
pub(super) fn is_constant(abi: &[u8], data: &[u8]) -> bool {
    let Some(selector) = data.first_chunk::<4>() else { return false };
    entries(abi).iter().any(|entry| {
        let reads = entry["constant"] == true
            || matches!(entry["stateMutability"].as_str(), Some("View" | "Pure"));
        if entry["type"] != "Function" || !reads {
            return false;
        }
        let name = entry["name"].as_str().unwrap_or_default();
        let signature = format!("{name}({})", types_of(&entry["inputs"]).join(","));
        keys::keccak256(signature.as_bytes())[..4] == *selector
    })
}

/// The events of an ABI, and those that everybody knows.
pub(super) fn events(abi: &[u8]) -> Vec<EventShape> {
    let own = entries(abi).into_iter().filter(|entry| entry["type"] == "Event").map(|entry| {
        let inputs = entry["inputs"].as_array().cloned().unwrap_or_default();
        let parameters = inputs.iter().map(|input| Parameter {
            name: input["name"].as_str().unwrap_or_default().to_owned(),
            solidity: input["type"].as_str().unwrap_or_default().to_owned(),
            indexed: input["indexed"] == true,
        });
        let name = entry["name"].as_str().unwrap_or_default().to_owned();
        EventShape::new(name, parameters.collect(), entry["anonymous"] == true)
    });
    let known = KNOWN.iter().map(|(name, parameters, indexed)| {
        let parameters = parameters.iter().enumerate().map(|(at, (name, solidity))| Parameter {
            name: (*name).to_owned(),
            solidity: (*solidity).to_owned(),
            indexed: at < *indexed,
        });
        EventShape::new((*name).to_owned(), parameters.collect(), false)
    });
    own.chain(known).collect()
}

impl EventShape {
    fn new(name: String, parameters: Vec<Parameter>, anonymous: bool) -> Self {
        let mut shape = Self { name, parameters, topic: None };
        if !anonymous {
            let types: Vec<&str> =
                shape.parameters.iter().map(|parameter| parameter.solidity.as_str()).collect();
            let signature = format!("{}({})", shape.name, types.join(","));
            shape.topic = Some(keys::keccak256(signature.as_bytes()));
        }
        shape
    }

    /// Its declaration: `Transfer(address indexed from, …)`.
    fn declaration(&self) -> String {
        let parameters = self.parameters.iter().map(|Parameter { name, solidity, indexed }| {
            let indexed = if *indexed { " indexed" } else { "" };
            format!("{solidity}{indexed} {name}").trim_end().to_owned()
        });
        format!("{}({})", self.name, parameters.collect::<Vec<_>>().join(", "))
    }

    /// The values that a log holds, in the order of the parameters; none if it is not of this event.
    fn values(&self, log: &Log) -> Option<Vec<DynSolValue>> {
        if self.parameters.len() > PARAMETERS_MAX {
            return None;
        }
        let types: Option<Vec<DynSolType>> =
            self.parameters.iter().map(|parameter| parse(&parameter.solidity)).collect();
        let pick = |indexed: bool| {
            let types = types.as_ref()?.iter().zip(&self.parameters);
            Some(types.filter(move |(_, of)| of.indexed == indexed).map(|(of, _)| of.clone()))
        };
        let body = DynSolType::Tuple(pick(false)?.collect());
        let event = DynSolEvent::new(self.topic.map(Into::into), pick(true)?.collect(), body)?;
        let topics = log.topics.iter().map(|topic| (*topic).into());
        let decoded = event.decode_log_parts(topics, &log.data).ok()?;
        let (mut indexed, mut body) = (decoded.indexed.into_iter(), decoded.body.into_iter());
        self.parameters
            .iter()
            .map(|parameter| if parameter.indexed { indexed.next() } else { body.next() })
            .collect()
    }
}

/// A type that is cheap to decode whatever the data.
fn parse(solidity: &str) -> Option<DynSolType> {
    if solidity.len() > TYPE_BYTES_MAX {
        return None;
    }
    let parsed = DynSolType::parse(solidity).ok()?;
    (elements(&parsed) <= ELEMENTS_MAX).then_some(parsed)
}

/// Values of which one value of a type consists, arrays without a length counted once. What consists
/// of nothing has no end: no data has to be there for any number of it.
fn elements(of: &DynSolType) -> usize {
    match of {
        DynSolType::FixedArray(_, 0) => usize::MAX,
        DynSolType::FixedArray(inner, length) => elements(inner).saturating_mul(*length),
        DynSolType::Array(inner) => elements(inner),
        DynSolType::Tuple(parts) if parts.is_empty() => usize::MAX,
        DynSolType::Tuple(parts) => {
            parts.iter().fold(0, |sum, part| sum.saturating_add(elements(part)))
        }
        DynSolType::Bool
        | DynSolType::Int(_)
        | DynSolType::Uint(_)
        | DynSolType::FixedBytes(_)
        | DynSolType::Address
        | DynSolType::Function
        | DynSolType::Bytes
        | DynSolType::String => 1,
    }
}

/// A log as TronGrid tells it: the event's name and declaration, its values by place and name, their
/// types. What no shape fits is told as it is.
pub(super) fn decoded(shapes: &[EventShape], log: &Log) -> Map<String, Value> {
    let fits =
        |shape: &&EventShape| shape.topic.is_none() || shape.topic == log.topics.first().copied();
    let found = shapes.iter().filter(fits).find_map(|shape| Some((shape, shape.values(log)?)));
    let mut told = Map::new();
    let Some((shape, values)) = found else {
        let topics: Vec<String> = log.topics.iter().map(|topic| hex(topic)).collect();
        told.insert("event_name".into(), "".into());
        told.insert("event".into(), "".into());
        told.insert("result".into(), json!({}));
        told.insert("result_type".into(), json!({}));
        told.insert("raw".into(), json!({ "topics": topics, "data": hex(&log.data) }));
        return told;
    };
    let (mut result, mut types) = (Map::new(), Map::new());
    for (at, (parameter, value)) in shape.parameters.iter().zip(&values).enumerate() {
        let value = text(value);
        if !parameter.name.is_empty() {
            result.insert(parameter.name.clone(), value.clone());
            types.insert(parameter.name.clone(), parameter.solidity.clone().into());
        }
        result.insert(at.to_string(), value);
    }
    told.insert("event_name".into(), shape.name.clone().into());
    told.insert("event".into(), shape.declaration().into());
    told.insert("result".into(), result.into());
    told.insert("result_type".into(), types.into());
    told
}

fn text(value: &DynSolValue) -> Value {
    match value {
        DynSolValue::Bool(flag) => flag.to_string().into(),
        DynSolValue::Int(number, _) => number.to_string().into(),
        DynSolValue::Uint(number, _) => number.to_string().into(),
        DynSolValue::FixedBytes(word, size) => hex(word.get(..*size).unwrap_or_default()).into(),
        DynSolValue::Address(address) => format!("0x{}", hex(address.as_slice())).into(),
        DynSolValue::Function(function) => hex(function.as_slice()).into(),
        DynSolValue::Bytes(bytes) => hex(bytes).into(),
        DynSolValue::String(text) => text.clone().into(),
        DynSolValue::Array(values)
        | DynSolValue::FixedArray(values)
        | DynSolValue::Tuple(values) => values.iter().map(text).collect(),
    }
}

/// The text of `Error(string)` in revert data.
pub(super) fn revert_reason(output: &[u8]) -> Option<String> {
    let text = output.strip_prefix(&[0x08, 0xc3, 0x79, 0xa0])?;
    let reason = DynSolType::String.abi_decode(text).ok()?;
    reason.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::proto_json::to_bytes;
    use ledger::Address;

    fn abi(entries: &Value) -> Vec<u8> {
        let object = json!({ "entrys": entries });
        to_bytes(&ABI, object.as_object().unwrap(), Form::default()).unwrap()
    }

    fn word(last: u8) -> [u8; 32] {
        let mut word = [0; 32];
        word[31] = last;
        word
    }

    #[test]
    fn a_transfer_is_told_as_trongrid_tells_it() {
        let topic = keys::keccak256(b"Transfer(address,address,uint256)");
        let log = Log {
            address: Address::new([9; 20]),
            topics: vec![topic, word(1), word(2)],
            data: word(5).to_vec(),
        };
        let told = Value::Object(decoded(&events(&[]), &log));
        let (from, to) = (format!("0x{:040x}", 1), format!("0x{:040x}", 2));
        let expected = json!({
            "event_name": "Transfer",
            "event": "Transfer(address indexed from, address indexed to, uint256 value)",
            "result": { "0": from, "1": to, "2": "5", "from": from, "to": to, "value": "5" },
            "result_type": { "from": "address", "to": "address", "value": "uint256" },
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn what_an_abi_cannot_say_is_told_as_it_is() {
        let tuple = json!([{ "type": "Event", "name": "Odd", "inputs": [{ "type": "tuple", "name": "a" }] }]);
        let deep = "uint256".to_owned() + &"[]".repeat(100_000);
        let nested = json!([{ "type": "event", "name": "Deep", "inputs": [{ "type": deep }] }]);
        for (entries, signature) in
            [(tuple, "Odd(tuple)".to_owned()), (nested, format!("Deep({deep})"))]
        {
            let topic = keys::keccak256(signature.as_bytes());
            let log =
                Log { address: Address::new([9; 20]), topics: vec![topic], data: word(5).to_vec() };
            let told = decoded(&events(&abi(&entries)), &log);
            assert_eq!(told["event_name"], "");
            assert_eq!(told["raw"]["data"], hex(&word(5)));
        }
    }

    #[test]
    fn a_log_with_fewer_topics_than_its_event_is_told_as_it_is() {
        let topic = keys::keccak256(b"Transfer(address,address,uint256)");
        let log = Log { address: Address::new([9; 20]), topics: vec![topic], data: Vec::new() };
        assert_eq!(decoded(&events(&[]), &log)["event_name"], "");
    }

    #[test]
    fn functions_that_read_are_told_from_those_that_write() {
        let abi = abi(&json!([
            { "type": "function", "name": "free", "stateMutability": "view",
              "inputs": [{ "name": "account", "type": "bytes32" }] },
            { "type": "function", "name": "set", "stateMutability": "nonpayable", "inputs": [] },
        ]));
        let data = |signature: &str| keys::keccak256(signature.as_bytes())[..4].to_vec();
        assert!(is_constant(&abi, &data("free(bytes32)")));
        assert!(!is_constant(&abi, &data("free(uint256)")));
        assert!(!is_constant(&abi, &data("set()")));
        assert!(!is_constant(&abi, &[1, 2, 3]));
    }

    #[test]
    fn the_reason_of_a_revert_is_read() {
        let mut output = vec![0x08, 0xc3, 0x79, 0xa0];
        output.extend(word(32));
        output.extend(word(2));
        output.extend(b"no".iter().copied().chain([0; 30]));
        assert_eq!(revert_reason(&output).as_deref(), Some("no"));
        assert_eq!(revert_reason(&output[..40]), None);
        assert_eq!(revert_reason(b""), None);
    }

    #[test]
    fn types_that_would_take_all_memory_are_not_decoded() {
        for hostile in [
            "uint256[100000000][]",
            "uint256[1001]",
            "uint8[40][40]",
            "uint256[0][100000000][]",
            "()[]",
        ] {
            assert_eq!(parse(hostile), None, "{hostile}");
        }
        for good in ["uint256[1000]", "bytes[]", "uint256[10][10][]"] {
            assert!(parse(good).is_some(), "{good}");
        }
    }
}
