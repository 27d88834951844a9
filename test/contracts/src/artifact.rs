//! Compiled contracts, and their calls, events and refusals by their own ABI.

use std::io::Write as _;
use std::path::PathBuf;

use alloy_dyn_abi::{
    DecodedEvent, DynSolValue, ErrorExt as _, EventExt as _, FunctionExt as _, JsonAbiExt as _,
};
use alloy_json_abi::JsonAbi;
use revm::primitives::{Log, hex};

/// A contract as `contracts/compile.mjs` leaves it.
#[derive(Clone, Debug)]
pub struct Artifact {
    name: &'static str,
    abi: JsonAbi,
    creation: Vec<u8>,
}

impl Artifact {
    /// Loads `contracts/artifacts/<name>.json`, or that file in the folder that the environment
    /// names in `CONTRACT_ARTIFACTS`: how mutants of a contract are tried.
    ///
    /// # Panics
    /// If the file is not there or not an artifact.
    #[must_use]
    pub fn load(name: &'static str) -> Self {
        let folder = std::env::var_os("CONTRACT_ARTIFACTS")
            .map_or_else(|| repository().join("contracts/artifacts"), PathBuf::from);
        let path = folder.join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let json: serde_json::Value = serde_json::from_str(&text).expect("an artifact is JSON");
        let abi = serde_json::from_value(json["abi"].clone()).expect("an artifact has an ABI");
        let creation = hex::decode(json["bytecode"].as_str().expect("an artifact has code"))
            .expect("code is hexadecimal");
        Self { name, abi, creation }
    }

    /// The code that creates the contract, with the constructor's arguments.
    ///
    /// # Panics
    /// If the arguments are not those of the constructor.
    #[must_use]
    pub fn creation(&self, arguments: &[DynSolValue]) -> Vec<u8> {
        let constructor = self.abi.constructor().expect("our contracts have constructors");
        let encoded = constructor.abi_encode_input_raw(arguments).expect("arguments fit");
        [self.creation.clone(), encoded].concat()
    }

    /// The data of a call.
    ///
    /// # Panics
    /// If there is no such function or the arguments are not its.
    #[must_use]
    pub fn call(&self, function: &str, arguments: &[DynSolValue]) -> Vec<u8> {
        self.function(function)
            .abi_encode_input(arguments)
            .unwrap_or_else(|error| panic!("{}.{function} with {arguments:?}: {error}", self.name))
    }

    /// What a function returned.
    ///
    /// # Panics
    /// If it returned something else.
    #[must_use]
    pub fn returned(&self, function: &str, bytes: &[u8]) -> Vec<DynSolValue> {
        self.function(function).abi_decode_output(bytes).unwrap_or_else(|error| {
            panic!("{}.{function} returned {}: {error}", self.name, hex::encode(bytes))
        })
    }

    fn function(&self, name: &str) -> &alloy_json_abi::Function {
        self.abi
            .function(name)
            .and_then(|overloads| overloads.first())
            .unwrap_or_else(|| panic!("{} has no function {name}", self.name))
    }

    /// An event in words: `Locked(0x…, 0x…, 0x…, 5, 60)`, indexed arguments first.
    ///
    /// # Panics
    /// If the contract has no such event.
    #[must_use]
    pub fn event(&self, log: &Log) -> String {
        let topic = log.topics().first().expect("no event of ours is anonymous");
        let event = self
            .abi
            .events()
            .find(|event| event.selector() == *topic)
            .unwrap_or_else(|| panic!("{} has no event {topic}", self.name));
        let DecodedEvent { indexed, body, .. } =
            event.decode_log_parts(log.topics().iter().copied(), &log.data.data).expect("decodes");
        words(&event.name, indexed.iter().chain(&body))
    }

    /// A refusal in words: `FreeBalanceTooSmall(5, 7)`. Empty: nothing was said.
    #[must_use]
    pub fn refusal(&self, bytes: &[u8]) -> String {
        if bytes.is_empty() {
            return String::new();
        }
        if let Some(code) = bytes.strip_prefix(&PANIC).and_then(<[u8]>::last) {
            return format!("Panic({code})");
        }
        for error in self.abi.errors() {
            if let Ok(decoded) = error.decode_error(bytes) {
                return words(&error.name, decoded.body.iter());
            }
        }
        hex::encode(bytes)
    }
}

/// `Panic(uint256)`, how the compiler refuses an overflow.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// The root of this repository.
#[must_use]
pub fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Whether the packages of `contracts/package.json` are installed. If not, says that the test is
/// skipped, on the terminal and in the file that `SHOAL_SKIP_LOG` names.
///
/// # Panics
/// If that file can't be written.
#[must_use]
pub fn has_packages(test: &str) -> bool {
    let is_there = repository().join(".local/contracts/digest").is_file();
    if !is_there {
        let line =
            format!("SKIPPED: {test}: npm packages in .local/contracts, by test/setup/peers.sh");
        writeln!(std::io::stderr(), "{line}").expect("stderr is open");
        if let Some(path) = std::env::var_os("SHOAL_SKIP_LOG") {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.create(true).append(true).open(path).expect("the log opens");
            writeln!(file, "{line}").expect("the log is writable");
        }
    }
    is_there
}

/// A name and its arguments as people read them.
#[must_use]
pub fn words<'a>(name: &str, values: impl Iterator<Item = &'a DynSolValue>) -> String {
    let values: Vec<String> = values.map(word).collect();
    format!("{name}({})", values.join(", "))
}

fn word(value: &DynSolValue) -> String {
    if let Some((number, _)) = value.as_uint() {
        number.to_string()
    } else if let Some(address) = value.as_address() {
        format!("0x{}", hex::encode(address))
    } else if let Some((bytes, _)) = value.as_fixed_bytes() {
        format!("0x{}", hex::encode(bytes))
    } else {
        format!("{value:?}")
    }
}
