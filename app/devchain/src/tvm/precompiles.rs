//! Precompiled contracts.
//!
//! Source: java-tron `PrecompiledContracts`. 1, 2 and 4 to 8 are Ethereum's at Istanbul's prices;
//! 3 is TRON's own; Ethereum's 3 and 9 are at 0x20003 and 0x20009; 9 and 10 check signatures.

use revm::context_interface::{Cfg, ContextTr, JournalTr as _};
use revm::database_interface::Database;
use revm::handler::{PrecompileProvider, precompile_output_to_interpreter_result};
use revm::interpreter::{CallInputs, InterpreterResult};
use revm::precompile::{
    EthPrecompileOutput, PrecompileHalt, PrecompileOutput, Precompiles, calc_linear_cost, crypto,
};
use revm::primitives::{Address, AddressSet, B256, Bytes};

use keys::sha256;

/// Energy per signature of 9 and 10.
const ENERGY_PER_SIGNATURE: u64 = 1_500;
/// Signatures that 9 takes.
const BATCH_MAX: usize = 16;
/// Signatures that 10 takes.
const MULTI_MAX: usize = 5;

/// Who answers calls to low addresses.
#[derive(Debug)]
pub(super) struct TronPrecompiles {
    ethereum: &'static Precompiles,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ethereum(u64),
    DoubleSha256,
    BatchValidateSign,
    ValidateMultiSign,
}

impl TronPrecompiles {
    pub(super) fn new() -> Self {
        Self { ethereum: Precompiles::istanbul() }
    }
}

/// Whether calls to `address` are answered here.
pub(super) fn is_precompiled(address: Address) -> bool {
    kind_of(address).is_some()
}

/// Signatures that one call may have checked, whatever its energy says: that goes by the length of
/// the input, in which signatures may overlap.
pub(super) fn signatures_max(address: Address) -> usize {
    match kind_of(address) {
        Some(Kind::BatchValidateSign) => BATCH_MAX,
        Some(Kind::ValidateMultiSign) => MULTI_MAX,
        Some(Kind::Ethereum(_) | Kind::DoubleSha256) | None => 0,
    }
}

fn kind_of(address: Address) -> Option<Kind> {
    let bytes: [u8; 20] = address.into();
    let [zeros @ .., a, b, c] = bytes;
    if zeros != [0; 17] {
        return None;
    }
    match u32::from_be_bytes([0, a, b, c]) {
        n @ (1 | 2 | 4..=8) => Some(Kind::Ethereum(n.into())),
        3 => Some(Kind::DoubleSha256),
        9 => Some(Kind::BatchValidateSign),
        10 => Some(Kind::ValidateMultiSign),
        0x2_0003 => Some(Kind::Ethereum(3)),
        0x2_0009 => Some(Kind::Ethereum(9)),
        _ => None,
    }
}

impl<CTX> PrecompileProvider<CTX> for TronPrecompiles
where
    CTX: ContextTr,
{
    type Output = InterpreterResult;

    fn set_spec(&mut self, _spec: <CTX::Cfg as Cfg>::Spec) -> bool {
        false
    }

    fn run(
        &mut self,
        context: &mut CTX,
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        let Some(kind) = kind_of(inputs.bytecode_address) else { return Ok(None) };
        let input: Bytes = Bytes::copy_from_slice(&inputs.input.as_bytes(context));
        let limit = inputs.gas_limit;
        let output = match kind {
            Kind::Ethereum(number) => {
                let address = Address::from_word(B256::left_padding_from(&number.to_be_bytes()));
                let Some(contract) = self.ethereum.get(&address) else { return Ok(None) };
                contract.execute(&input, limit, 0).map_err(|error| error.to_string())?
            }
            Kind::DoubleSha256 => priced(calc_linear_cost(input.len(), 600, 120), limit, || {
                sha256(&sha256(&input)[..20])
            }),
            Kind::BatchValidateSign => {
                priced(signatures_cost(input.len(), 6), limit, || batch_validate_sign(&input))
            }
            Kind::ValidateMultiSign => {
                let energy = signatures_cost(input.len(), 5);
                let answer =
                    if energy > limit { [0; 32] } else { validate_multi_sign(context, &input)? };
                priced(energy, limit, || answer)
            }
        };
        Ok(Some(precompile_output_to_interpreter_result(output, limit)))
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.ethereum.addresses_set()
    }

    fn contains(&self, address: &Address) -> bool {
        is_precompiled(*address)
    }
}

fn priced(energy: u64, limit: u64, answer: impl FnOnce() -> [u8; 32]) -> PrecompileOutput {
    let result = if energy > limit {
        Err(PrecompileHalt::OutOfGas)
    } else {
        Ok(EthPrecompileOutput::new(energy, answer().to_vec().into()))
    };
    PrecompileOutput::from_eth_result(result, 0)
}

fn signatures_cost(input_bytes: usize, words_each: usize) -> u64 {
    let count = (input_bytes / 32).saturating_sub(5) / words_each;
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(ENERGY_PER_SIGNATURE)
}

/// `(bytes32 hash, bytes[] signatures, address[] signers)`: a byte 1 per signature that is its
/// signer's. Anything malformed: zeros.
fn batch_validate_sign(input: &[u8]) -> [u8; 32] {
    let answer = || {
        let hash = word_at(input, 0)?;
        let signatures = byte_strings(input, index_at(input, 1)?, BATCH_MAX)?;
        let signers = addresses(input, index_at(input, 2)?, BATCH_MAX)?;
        if signatures.is_empty() || signatures.len() != signers.len() {
            return None;
        }
        let mut answer = [0; 32];
        for ((byte, signature), signer) in answer.iter_mut().zip(signatures).zip(signers) {
            *byte = u8::from(recover(signature, &hash) == Some(signer));
        }
        Some(answer)
    };
    answer().unwrap_or([0; 32])
}

/// `(address, uint256 permission, bytes32 data, bytes[] signatures)`: 1 if the account's
/// permission is met. Accounts here have their own key only, for owner and active permission.
fn validate_multi_sign<CTX: ContextTr>(
    context: &mut CTX,
    input: &[u8],
) -> Result<[u8; 32], String> {
    let parsed = || {
        let account = Address::from_word(word_at(input, 0)?.into());
        let permission = u32::try_from(index_of(word_at(input, 1)?)?).ok()?;
        let data = word_at(input, 2)?;
        let signatures = byte_strings(input, index_at(input, 3)?, MULTI_MAX)?;
        let signed = [&[0x41][..], account.as_slice(), &permission.to_be_bytes(), &data].concat();
        let hash = sha256(&signed);
        let all = !signatures.is_empty()
            && signatures.iter().all(|signature| recover(signature, &hash) == Some(account));
        (all && matches!(permission, 0 | 2)).then_some(account)
    };
    let mut answer = [0; 32];
    if let Some(account) = parsed() {
        let exists = match context.journal_mut().load_account(account) {
            Ok(load) => !load.data.is_empty(),
            Err(error) => return Err(fault::<CTX>(&error)),
        };
        answer[31] = u8::from(exists);
    }
    Ok(answer)
}

fn fault<CTX: ContextTr>(error: &<CTX::Db as Database>::Error) -> String {
    error.to_string()
}

/// Who made a 65-byte signature over `hash`. As TRON takes it: `v` from 0 or 27 (from 31: of a
/// compressed key), and a high `s` too.
pub(crate) fn recover(signature: &[u8], hash: &[u8; 32]) -> Option<Address> {
    let (rs, rest) = signature.split_first_chunk::<64>()?;
    let id = match *rest.first()? {
        v @ 0..=3 => v,
        v @ 27..=30 => v - 27,
        v @ 31..=34 => v - 31,
        _ => return None,
    };
    let word = crypto().secp256k1_ecrecover(rs, id, hash).ok()?;
    Some(Address::from_slice(&word[12..]))
}

fn word_at(input: &[u8], index: usize) -> Option<[u8; 32]> {
    let start = index.checked_mul(32)?;
    input.get(start..start.checked_add(32)?)?.try_into().ok()
}

/// The word as a small number.
fn index_of(word: [u8; 32]) -> Option<usize> {
    let (high, low) = word.split_at(28);
    let low: [u8; 4] = low.try_into().ok()?;
    (high.iter().all(|byte| *byte == 0)).then_some(usize::try_from(u32::from_be_bytes(low)).ok()?)
}

/// The word at `index` as an offset in words.
fn index_at(input: &[u8], index: usize) -> Option<usize> {
    Some(index_of(word_at(input, index)?)? / 32)
}

fn byte_strings(input: &[u8], at: usize, count_max: usize) -> Option<Vec<&[u8]>> {
    let count = index_of(word_at(input, at)?)?;
    if count > count_max {
        return None;
    }
    (0..count)
        .map(|i| {
            let offset = index_at(input, at.checked_add(i)?.checked_add(1)?)?;
            let start = at.checked_add(offset)?.checked_add(1)?;
            let length = index_of(word_at(input, start)?)?;
            let from = start.checked_add(1)?.checked_mul(32)?;
            input.get(from..from.checked_add(length)?)
        })
        .collect()
}

fn addresses(input: &[u8], at: usize, count_max: usize) -> Option<Vec<Address>> {
    let count = index_of(word_at(input, at)?)?;
    if count > count_max {
        return None;
    }
    (0..count)
        .map(|i| {
            let word = word_at(input, at.checked_add(i)?.checked_add(1)?)?;
            Some(Address::from_word(word.into()))
        })
        .collect()
}
