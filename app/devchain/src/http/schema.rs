//! TRON's protobuf messages as tables, for the JSON that a full node speaks.
//!
//! A full node's HTTP API is its protobuf, field by field, in JSON: so a table of fields is all that
//! [`proto_json`](super::proto_json) needs in order to read and write any of it. Contracts that this
//! chain refuses are here, too: whoever sends one is told so by the chain, not by a parser.
//!
//! Source: the numbers and names of TRON's published `Tron.proto`, `smart_contract.proto`,
//! `balance_contract.proto`, `account_contract.proto` and `asset_issue_contract.proto`.

/// A message: its fields by ascending number, which is the order in which they are encoded.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) many: bool,
}

/// What a field holds, and how JSON shows it.
#[derive(Debug)]
pub(super) enum Kind {
    Bool,
    Int32,
    /// `int64`, which some callers want as text since JavaScript's numbers are too small.
    Int64,
    Text,
    /// Bytes in hexadecimal digits, always.
    Bytes,
    /// Bytes that are an address: base58check where `visible` is asked for.
    Address,
    /// Bytes that are a name: text where `visible` is asked for.
    Name,
    /// A number that has a name.
    Enum(&'static [(i32, &'static str)]),
    Message(&'static Message),
    /// `Transaction.Contract`, whose payload is of the message that its type names.
    Contract,
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, many: false }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, many: true }
}

const OWNER: Field = one(1, "owner_address", Kind::Address);

pub(super) static TRANSACTION: Message = Message {
    fields: &[
        one(1, "raw_data", Kind::Message(&RAW)),
        many(2, "signature", Kind::Bytes),
        many(5, "ret", Kind::Message(&RESULT)),
    ],
};

pub(super) static RAW: Message = Message {
    fields: &[
        one(1, "ref_block_bytes", Kind::Bytes),
        one(3, "ref_block_num", Kind::Int64),
        one(4, "ref_block_hash", Kind::Bytes),
        one(8, "expiration", Kind::Int64),
        one(10, "data", Kind::Bytes),
        many(11, "contract", Kind::Contract),
        one(12, "scripts", Kind::Bytes),
        one(14, "timestamp", Kind::Int64),
        one(18, "fee_limit", Kind::Int64),
    ],
};

static RESULT: Message = Message {
    fields: &[
        one(1, "fee", Kind::Int64),
        one(2, "ret", Kind::Enum(&[(0, "SUCESS"), (1, "FAILED")])),
        one(3, "contractRet", Kind::Enum(&CONTRACT_RESULTS)),
    ],
};

/// How an execution ended, as receipts name it.
pub(super) static CONTRACT_RESULTS: [(i32, &str); 16] = [
    (0, "DEFAULT"),
    (1, "SUCCESS"),
    (2, "REVERT"),
    (3, "BAD_JUMP_DESTINATION"),
    (4, "OUT_OF_MEMORY"),
    (5, "PRECOMPILED_CONTRACT"),
    (6, "STACK_TOO_SMALL"),
    (7, "STACK_TOO_LARGE"),
    (8, "ILLEGAL_OPERATION"),
    (9, "STACK_OVERFLOW"),
    (10, "OUT_OF_ENERGY"),
    (11, "OUT_OF_TIME"),
    (12, "JVM_STACK_OVER_FLOW"),
    (13, "UNKNOWN"),
    (14, "TRANSFER_FAILED"),
    (15, "INVALID_CODE"),
];

/// `Transaction.Contract` without its payload: 2 is an `Any`.
pub(super) const CONTRACT_TYPE: u32 = 1;
pub(super) const CONTRACT_PARAMETER: u32 = 2;
pub(super) const CONTRACT_PERMISSION: u32 = 5;
/// `google.protobuf.Any`.
pub(super) const ANY_URL: u32 = 1;
pub(super) const ANY_VALUE: u32 = 2;

/// A kind of contract, which is what a transaction asks for.
#[derive(Debug)]
pub(super) struct ContractKind {
    pub(super) number: i32,
    pub(super) name: &'static str,
    pub(super) message: &'static Message,
}

/// Those that callers of this chain have a reason to send.
pub(super) static CONTRACT_KINDS: [ContractKind; 19] = [
    ContractKind { number: 0, name: "AccountCreateContract", message: &ACCOUNT_CREATE },
    ContractKind { number: 1, name: "TransferContract", message: &TRANSFER },
    ContractKind { number: 2, name: "TransferAssetContract", message: &TRANSFER_ASSET },
    ContractKind { number: 4, name: "VoteWitnessContract", message: &VOTE_WITNESS },
    ContractKind { number: 10, name: "AccountUpdateContract", message: &ACCOUNT_UPDATE },
    ContractKind { number: 11, name: "FreezeBalanceContract", message: &FREEZE },
    ContractKind { number: 12, name: "UnfreezeBalanceContract", message: &UNFREEZE },
    ContractKind { number: 13, name: "WithdrawBalanceContract", message: &ONLY_OWNER },
    ContractKind { number: 30, name: "CreateSmartContract", message: &CREATE },
    ContractKind { number: 31, name: "TriggerSmartContract", message: &TRIGGER },
    ContractKind { number: 33, name: "UpdateSettingContract", message: &UPDATE_SETTING },
    ContractKind { number: 45, name: "UpdateEnergyLimitContract", message: &UPDATE_ENERGY_LIMIT },
    ContractKind { number: 48, name: "ClearABIContract", message: &CLEAR_ABI },
    ContractKind { number: 54, name: "FreezeBalanceV2Contract", message: &FREEZE_V2 },
    ContractKind { number: 55, name: "UnfreezeBalanceV2Contract", message: &UNFREEZE_V2 },
    ContractKind { number: 56, name: "WithdrawExpireUnfreezeContract", message: &ONLY_OWNER },
    ContractKind { number: 57, name: "DelegateResourceContract", message: &DELEGATE },
    ContractKind { number: 58, name: "UnDelegateResourceContract", message: &UNDELEGATE },
    ContractKind { number: 59, name: "CancelAllUnfreezeV2Contract", message: &ONLY_OWNER },
];

static ONLY_OWNER: Message = Message { fields: &[OWNER] };

static ACCOUNT_CREATE: Message = Message {
    fields: &[
        OWNER,
        one(2, "account_address", Kind::Address),
        one(3, "type", Kind::Enum(&[(0, "Normal"), (1, "AssetIssue"), (2, "Contract")])),
    ],
};

static ACCOUNT_UPDATE: Message = Message {
    fields: &[one(1, "account_name", Kind::Name), one(2, "owner_address", Kind::Address)],
};

static TRANSFER: Message = Message {
    fields: &[OWNER, one(2, "to_address", Kind::Address), one(3, "amount", Kind::Int64)],
};

static TRANSFER_ASSET: Message = Message {
    fields: &[
        one(1, "asset_name", Kind::Name),
        one(2, "owner_address", Kind::Address),
        one(3, "to_address", Kind::Address),
        one(4, "amount", Kind::Int64),
    ],
};

static VOTE_WITNESS: Message = Message {
    fields: &[OWNER, many(2, "votes", Kind::Message(&VOTE)), one(3, "support", Kind::Bool)],
};

static VOTE: Message =
    Message { fields: &[one(1, "vote_address", Kind::Address), one(2, "vote_count", Kind::Int64)] };

static RESOURCES: [(i32, &str); 3] = [(0, "BANDWIDTH"), (1, "ENERGY"), (2, "TRON_POWER")];

static FREEZE: Message = Message {
    fields: &[
        OWNER,
        one(2, "frozen_balance", Kind::Int64),
        one(3, "frozen_duration", Kind::Int64),
        one(10, "resource", Kind::Enum(&RESOURCES)),
        one(15, "receiver_address", Kind::Address),
    ],
};

static UNFREEZE: Message = Message {
    fields: &[
        OWNER,
        one(10, "resource", Kind::Enum(&RESOURCES)),
        one(15, "receiver_address", Kind::Address),
    ],
};

static FREEZE_V2: Message = Message {
    fields: &[
        OWNER,
        one(2, "frozen_balance", Kind::Int64),
        one(3, "resource", Kind::Enum(&RESOURCES)),
    ],
};

static UNFREEZE_V2: Message = Message {
    fields: &[
        OWNER,
        one(2, "unfreeze_balance", Kind::Int64),
        one(3, "resource", Kind::Enum(&RESOURCES)),
    ],
};

static DELEGATE: Message = Message {
    fields: &[
        OWNER,
        one(2, "resource", Kind::Enum(&RESOURCES)),
        one(3, "balance", Kind::Int64),
        one(4, "receiver_address", Kind::Address),
        one(5, "lock", Kind::Bool),
        one(6, "lock_period", Kind::Int64),
    ],
};

static UNDELEGATE: Message = Message {
    fields: &[
        OWNER,
        one(2, "resource", Kind::Enum(&RESOURCES)),
        one(3, "balance", Kind::Int64),
        one(4, "receiver_address", Kind::Address),
    ],
};

pub(super) static TRIGGER: Message = Message {
    fields: &[
        OWNER,
        one(2, "contract_address", Kind::Address),
        one(3, "call_value", Kind::Int64),
        one(4, "data", Kind::Bytes),
        one(5, "call_token_value", Kind::Int64),
        one(6, "token_id", Kind::Int64),
    ],
};

pub(super) static CREATE: Message = Message {
    fields: &[
        OWNER,
        one(2, "new_contract", Kind::Message(&SMART_CONTRACT)),
        one(3, "call_token_value", Kind::Int64),
        one(4, "token_id", Kind::Int64),
    ],
};

pub(super) static SMART_CONTRACT: Message = Message {
    fields: &[
        one(1, "origin_address", Kind::Address),
        one(2, "contract_address", Kind::Address),
        one(3, "abi", Kind::Message(&ABI)),
        one(4, "bytecode", Kind::Bytes),
        one(5, "call_value", Kind::Int64),
        one(6, "consume_user_resource_percent", Kind::Int64),
        one(7, "name", Kind::Text),
        one(8, "origin_energy_limit", Kind::Int64),
        one(9, "code_hash", Kind::Bytes),
        one(10, "trx_hash", Kind::Bytes),
        one(11, "version", Kind::Int32),
    ],
};

pub(super) static ABI: Message =
    Message { fields: &[many(1, "entrys", Kind::Message(&ABI_ENTRY))] };

static ABI_ENTRY: Message = Message {
    fields: &[
        one(1, "anonymous", Kind::Bool),
        one(2, "constant", Kind::Bool),
        one(3, "name", Kind::Text),
        many(4, "inputs", Kind::Message(&ABI_PARAMETER)),
        many(5, "outputs", Kind::Message(&ABI_PARAMETER)),
        one(6, "type", Kind::Enum(&ABI_ENTRY_TYPES)),
        one(7, "payable", Kind::Bool),
        one(8, "stateMutability", Kind::Enum(&ABI_MUTABILITIES)),
    ],
};

static ABI_PARAMETER: Message = Message {
    fields: &[
        one(1, "indexed", Kind::Bool),
        one(2, "name", Kind::Text),
        one(3, "type", Kind::Text),
    ],
};

static ABI_ENTRY_TYPES: [(i32, &str); 7] = [
    (0, "UnknownEntryType"),
    (1, "Constructor"),
    (2, "Function"),
    (3, "Event"),
    (4, "Fallback"),
    (5, "Receive"),
    (6, "Error"),
];

static ABI_MUTABILITIES: [(i32, &str); 5] =
    [(0, "UnknownMutabilityType"), (1, "Pure"), (2, "View"), (3, "Nonpayable"), (4, "Payable")];

static UPDATE_SETTING: Message = Message {
    fields: &[
        OWNER,
        one(2, "contract_address", Kind::Address),
        one(3, "consume_user_resource_percent", Kind::Int64),
    ],
};

static UPDATE_ENERGY_LIMIT: Message = Message {
    fields: &[
        OWNER,
        one(2, "contract_address", Kind::Address),
        one(3, "origin_energy_limit", Kind::Int64),
    ],
};

static CLEAR_ABI: Message = Message { fields: &[OWNER, one(2, "contract_address", Kind::Address)] };

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &Message) {
        let numbers: Vec<u32> = message.fields.iter().map(|field| field.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        for field in message.fields {
            if let Kind::Message(inner) = field.kind {
                check(inner);
            }
        }
    }

    #[test]
    fn fields_stand_in_the_order_of_their_encoding() {
        check(&TRANSACTION);
        check(&RAW);
        CONTRACT_KINDS.iter().for_each(|kind| check(kind.message));
    }
}
