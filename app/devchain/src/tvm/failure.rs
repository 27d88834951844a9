//! How a run that failed is worded.
//!
//! Source: java-tron `Program.Exception`, `RuntimeImpl.setResultCode`.

use revm::bytecode::OpCode;
use revm::interpreter::InstructionResult;

use crate::receipt::ContractResult;

/// Energy per byte of a new contract's code.
const CODE_BYTE_ENERGY: usize = 200;

/// Where the outermost frame stopped.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stop {
    pub(super) opcode: u8,
    pub(super) at: usize,
    pub(super) stack_len: usize,
    /// Before the last instruction.
    pub(super) energy_left: u64,
    /// What that instruction costs, if it is known without its arguments.
    pub(super) energy_needed: Option<u64>,
}

/// The code and words for a result of the outermost frame.
pub(super) fn words(
    result: InstructionResult,
    stop: Stop,
    energy_max: u64,
) -> (ContractResult, String) {
    use InstructionResult as R;
    let name = name_of(stop.opcode);
    match result {
        R::Revert => (ContractResult::Revert, "REVERT opcode executed".to_owned()),
        R::OutOfGas | R::MemoryOOG | R::PrecompileOOG | R::InvalidOperandOOG => {
            let needed = stop
                .energy_needed
                .map(|needed| format!(" curOpEnergy[{needed}],"))
                .unwrap_or_default();
            let used = energy_max.saturating_sub(stop.energy_left);
            let words = format!(
                "Not enough energy for '{name}' operation executing: \
                 curInvokeEnergyLimit[{energy_max}],{needed} usedEnergy[{used}]"
            );
            (ContractResult::OutOfEnergy, words)
        }
        R::MemoryLimitOOG => (
            ContractResult::OutOfMemory,
            format!("Out of Memory when '{name}' operation executing"),
        ),
        R::OpcodeNotFound | R::InvalidFEOpcode | R::NotActivated => (
            ContractResult::IllegalOperation,
            format!("Invalid operation code: opCode[{:02x}];", stop.opcode),
        ),
        R::InvalidJump => (
            ContractResult::BadJumpDestination,
            format!("Operation with pc isn't 'JUMPDEST': PC[{}];", stop.at),
        ),
        R::StackUnderflow => (
            ContractResult::StackTooSmall,
            format!("Expected stack size above actual {};", stop.stack_len),
        ),
        R::StackOverflow => (
            ContractResult::StackTooLarge,
            "Expected: overflow 1024 elements stack limit".to_owned(),
        ),
        R::StateChangeDuringStaticCall | R::CallNotAllowedInsideStatic => (
            ContractResult::Unknown,
            "Attempt to call a state modifying opcode inside STATICCALL".to_owned(),
        ),
        R::OverflowPayment => {
            (ContractResult::TransferFailed, "endowment out of long range".to_owned())
        }
        R::CreateContractStartingWithEF => {
            (ContractResult::InvalidCode, "invalid code: must not begin with 0xef".to_owned())
        }
        R::Stop | R::Return | R::SelfDestruct | R::Suspend => {
            (ContractResult::Success, String::new())
        }
        R::CallTooDeep
        | R::OutOfFunds
        | R::CreateInitCodeStartingEF00
        | R::InvalidEOFInitCode
        | R::InvalidExtDelegateCallTarget
        | R::ReentrancySentryOOG
        | R::OutOfOffset
        | R::CreateCollision
        | R::PrecompileError
        | R::NonceOverflow
        | R::CreateContractSizeLimit
        | R::CreateInitCodeSizeLimit
        | R::FatalExternalError
        | R::InvalidImmediateEncoding => (ContractResult::Unknown, format!("{result:?}")),
    }
}

/// The words for a run that took too long.
pub(super) fn out_of_time(opcode: u8) -> String {
    format!("CPU timeout for '{}' operation executing", name_of(opcode))
}

/// The words for a deployment that could run but not pay for the code it made.
pub(super) fn unpaid_code(code_bytes: usize, energy_left: u64) -> String {
    let needed = code_bytes.saturating_mul(CODE_BYTE_ENERGY);
    format!(
        "Not enough energy for 'save just created contract code' executing: \
         needEnergy[{needed}], leftEnergy[{energy_left}];"
    )
}

/// java-tron's name of an instruction.
fn name_of(opcode: u8) -> &'static str {
    match OpCode::name_by_op(opcode) {
        "KECCAK256" => "SHA3",
        "SELFDESTRUCT" => "SUICIDE",
        "PREVRANDAO" => "DIFFICULTY",
        name => name,
    }
}
