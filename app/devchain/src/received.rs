//! Transactions as they come in.
//!
//! Source: protocol/Tron.proto; java-tron `Wallet.broadcastTransaction`, `TransactionCapsule`.
//! Nothing here needs the chain: this part of the work can be done on the asker's thread.

use keys::sha256;
use ledger::{Address, TxId};
use wire::tron::{self, ContractKind, CreateSmartContract, RawData, TriggerSmartContract};

use crate::refusal::{Refused, ResponseCode};
use crate::tvm;

/// Bytes that the outcome may take in a block: bandwidth is paid for them too.
const RESULT_BYTES_MAX: usize = 64;

/// What comes before the words of a refusal by the rules.
const INVALID: &str = "Contract validate error : ";

/// A transaction whose form was checked and whose signers are known.
#[derive(Debug, Clone)]
pub struct Received {
    pub(crate) id: TxId,
    /// As sent.
    pub(crate) bytes: Vec<u8>,
    pub(crate) raw: RawData,
    pub(crate) owner: Address,
    pub(crate) body: Body,
}

/// What it does.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Transfer { to: Address, amount: i64 },
    Trigger { contract: Address, call: TriggerSmartContract },
    Create(Box<CreateSmartContract>),
}

impl Received {
    /// Decodes an encoded `Transaction` and checks its signature.
    ///
    /// # Errors
    /// Form, kind and signature, in java-tron's words.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Refused> {
        if bytes.len() > tron::TRANSACTION_BYTES_MAX {
            return Err(too_big("", bytes.len()));
        }
        let malformed = |error: tron::TronError| Refused {
            code: ResponseCode::OtherError,
            message: format!("Error: {error}"),
        };
        let raw_bytes = tron::raw_data_bytes(&bytes).map_err(malformed)?;
        let transaction: tron::Transaction =
            tron::decode("transaction", &bytes).map_err(malformed)?;
        let raw = transaction.raw_data.unwrap_or_default();
        let contract = match raw.contract.as_slice() {
            [] => return Err(invalid("No contract!")),
            [one] => one,
            more => {
                return Err(invalid(&format!(
                    "tx {} contract size should be exactly 1, this is extend feature ,actual :{}",
                    TxId(sha256(&raw_bytes)),
                    more.len()
                )));
            }
        };
        let id = TxId(sha256(&raw_bytes));
        let parameter = contract.parameter.as_ref().ok_or_else(|| invalid("No contract!"))?;
        let kind = ContractKind::try_from(contract.r#type);
        let (owner, body) = read_body(kind.ok(), contract.r#type, &parameter.value)?;
        check_signatures(&transaction.signature, &id, owner, contract.permission_id)?;
        // An outcome that came along counts for nothing: the block says what it was.
        let bytes = match (transaction.ret.as_slice(), transaction.signature.as_slice()) {
            ([], _) => bytes,
            (_, signatures) => {
                tron::signed(&raw_bytes, signatures.first().map_or(&[][..], Vec::as_slice))
            }
        };
        if bytes.len() + 2 * RESULT_BYTES_MAX > tron::TRANSACTION_BYTES_MAX {
            return Err(too_big(&format!(" with result, TxId {id}"), bytes.len()));
        }
        Ok(Self { id, bytes, raw, owner, body })
    }

    /// What it will be known by.
    pub fn id(&self) -> TxId {
        self.id
    }

    /// Bytes that bandwidth is paid for.
    pub(crate) fn bandwidth_bytes(&self) -> u64 {
        (self.bytes.len() + RESULT_BYTES_MAX) as u64
    }
}

fn read_body(
    kind: Option<ContractKind>,
    number: i32,
    value: &[u8],
) -> Result<(Address, Body), Refused> {
    let address = |bytes: &[u8], what: &str| {
        Address::from_prefixed(bytes).map_err(|_malformed| invalid(what))
    };
    let malformed = |error: tron::TronError| invalid(&error.to_string());
    match kind {
        Some(ContractKind::TransferContract) => {
            let transfer: tron::TransferContract =
                tron::decode("TransferContract", value).map_err(malformed)?;
            let owner = address(&transfer.owner_address, "Invalid ownerAddress!")?;
            let to = address(&transfer.to_address, "Invalid toAddress!")?;
            Ok((owner, Body::Transfer { to, amount: transfer.amount }))
        }
        Some(ContractKind::TriggerSmartContract) => {
            let call: TriggerSmartContract =
                tron::decode("TriggerSmartContract", value).map_err(malformed)?;
            let owner = address(&call.owner_address, "Invalid ownerAddress!")?;
            let contract = address(&call.contract_address, "No contract or not a smart contract")?;
            Ok((owner, Body::Trigger { contract, call }))
        }
        Some(ContractKind::CreateSmartContract) => {
            let create: CreateSmartContract =
                tron::decode("CreateSmartContract", value).map_err(malformed)?;
            let owner = address(&create.owner_address, "Invalid ownerAddress!")?;
            Ok((owner, Body::Create(Box::new(create))))
        }
        Some(other) => Err(invalid(&format!(
            "{other:?} is not supported by this development chain: only transfers of TRX and contracts are"
        ))),
        None => Err(invalid(&format!(
            "contract type {number} is not supported by this development chain: only transfers of TRX and contracts are"
        ))),
    }
}

/// Every account here has its own key only, for its owner and its active permission.
fn check_signatures(
    signatures: &[Vec<u8>],
    id: &TxId,
    owner: Address,
    permission_id: i32,
) -> Result<(), Refused> {
    let refused = |words: &str| Refused {
        code: ResponseCode::SigError,
        message: format!("Validate signature error: {words}"),
    };
    let signature = match signatures {
        [] => return Err(refused("miss sig or contract")),
        _ if !matches!(permission_id, 0 | 2) => return Err(refused("permission isn't exit")),
        [one] => one,
        more => {
            return Err(refused(&format!(
                "Signature count is {} more than key counts of permission : 1",
                more.len()
            )));
        }
    };
    if signature.len() < 65 {
        return Err(refused(&format!("Signature size is {}", signature.len())));
    }
    match tvm::recover(signature, &id.0) {
        Some(signer) if signer.0.0 == *owner.bytes() => Ok(()),
        Some(signer) => Err(refused(&format!(
            "{} is signed by {} but it is not contained of permission.",
            wire::hex(signature),
            Address::new(signer.into_array())
        ))),
        None => Err(refused("Could not recover public key from signature")),
    }
}

/// A refusal by the rules.
pub(crate) fn invalid(words: &str) -> Refused {
    Refused { code: ResponseCode::ContractValidateError, message: format!("{INVALID}{words}") }
}

fn too_big(which: &str, bytes: usize) -> Refused {
    Refused {
        code: ResponseCode::TooBigTransactionError,
        message: format!(
            "Too big transaction{which}, the size is {bytes} bytes, maxTxSize {}",
            tron::TRANSACTION_BYTES_MAX
        ),
    }
}
