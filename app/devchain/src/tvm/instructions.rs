//! The instruction set with TRON's energy costs.
//!
//! Source: java-tron `EnergyCost`, and `OperationRegistry` with the proposals of the main network
//! (energy adjustment: memory instructions cost 1, not 3; self-destruction restricted).

use std::collections::HashSet;
use std::sync::OnceLock;

use revm::bytecode::opcode as op;
use revm::context::{BlockEnv, CfgEnv, Context, Journal, TxEnv};
use revm::context_interface::Host as _;
use revm::context_interface::cfg::{GasId, GasParams};
use revm::database_interface::Database;
use revm::handler::instructions::EthInstructions;
use revm::interpreter::instructions::{contract, gas_table_spec, instruction_table};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::{InputsTr as _, RuntimeFlag as _};
use revm::interpreter::{
    Instruction, InstructionContext, InstructionExecResult, InstructionResult,
};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address, U256};

/// The rules that revm's own instructions follow.
pub(super) const SPEC: SpecId = SpecId::CANCUN;

/// What the interpreter's host is made of.
pub(super) type Host<DB> = Context<BlockEnv, TxEnv, CfgEnv, DB, Journal<DB>, Written>;

/// First value in a word that had none.
const SSTORE_SET: u64 = 20_000;
/// Any other write.
const SSTORE_OTHER: u64 = 5_000;

/// Static costs that differ from Ethereum's.
const COSTS: [(u8, u16); 21] = [
    (op::MLOAD, 1),
    (op::MSTORE, 1),
    (op::MSTORE8, 1),
    (op::CALLDATACOPY, 0),
    (op::CODECOPY, 0),
    (op::RETURNDATACOPY, 0),
    (op::SLOAD, 50),
    (op::SSTORE, 0), // By what was there, see `sstore`.
    (op::BALANCE, 20),
    (op::EXTCODESIZE, 20),
    (op::EXTCODECOPY, 20),
    (op::EXTCODEHASH, 400),
    (op::DELEGATECALL, 40),
    (op::STATICCALL, 40),
    (op::TLOAD, 100),
    (op::TSTORE, 100),
    (op::SELFDESTRUCT, 5_000),
    (op::EXP, 10),
    (op::SELFBALANCE, 5),
    (op::BLOBHASH, 3),
    (op::BLOBBASEFEE, 2),
];

/// Words of storage that this transaction wrote: they exist even if they hold zero.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    words: HashSet<(Address, U256)>,
    order: Vec<(Address, U256)>,
    /// What the last write cost, or would have.
    last_energy: u64,
}

impl Written {
    /// How many so far.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Forgets those after the first `len`: their call was undone.
    pub(super) fn truncate(&mut self, len: usize) {
        for word in self.order.drain(len.min(self.order.len())..) {
            self.words.remove(&word);
        }
    }

    /// What the last write cost, or would have.
    pub(super) fn last_energy(&self) -> u64 {
        self.last_energy
    }

    fn contains(&self, word: &(Address, U256)) -> bool {
        self.words.contains(word)
    }

    fn insert(&mut self, word: (Address, U256)) {
        if self.words.insert(word) {
            self.order.push(word);
        }
    }
}

/// The instructions.
pub(super) fn instructions<DB: Database>() -> EthInstructions<EthInterpreter, Host<DB>> {
    let mut all = EthInstructions::new(instruction_table(), gas_table_spec(SPEC), SPEC);
    for (opcode, energy) in COSTS {
        all.insert_gas(opcode, energy);
    }
    all.insert_instruction(op::SSTORE, Instruction::new(sstore::<DB>), 0);
    all.insert_instruction(op::CREATE, Instruction::new(create::<false, DB>), 0);
    all.insert_instruction(op::CREATE2, Instruction::new(create::<true, DB>), 0);
    all.insert_instruction(op::CALL, Instruction::new(call::<{ op::CALL }, DB>), 40);
    all.insert_instruction(op::CALLCODE, Instruction::new(call::<{ op::CALLCODE }, DB>), 40);
    all
}

/// `CREATE` and `CREATE2`: money beyond 63 bits ends the frame, with all of its energy.
fn create<const IS_SALTED: bool, DB: Database>(
    context: InstructionContext<'_, Host<DB>, EthInterpreter>,
) -> InstructionExecResult {
    check_value(context.interpreter.stack.data().iter().nth_back(0))?;
    contract::create::<IS_SALTED, EthInterpreter, Host<DB>>(context)
}

/// `CALL` and `CALLCODE`: money beyond 63 bits ends the frame.
fn call<const KIND: u8, DB: Database>(
    context: InstructionContext<'_, Host<DB>, EthInterpreter>,
) -> InstructionExecResult {
    check_value(context.interpreter.stack.data().iter().nth_back(2))?;
    contract::call::<KIND, EthInterpreter, Host<DB>>(context)
}

fn check_value(value: Option<&U256>) -> InstructionExecResult {
    match value {
        Some(value) if i64::try_from(*value).is_err() => Err(InstructionResult::OverflowPayment),
        Some(_) | None => Ok(()),
    }
}

/// Whether an instruction costs the same whatever its arguments.
pub(super) fn fixed_energy(opcode: u8) -> bool {
    !matches!(
        opcode,
        op::EXP
            | op::KECCAK256
            | op::CALLDATACOPY
            | op::CODECOPY
            | op::EXTCODECOPY
            | op::RETURNDATACOPY
            | op::MCOPY
            | op::MLOAD
            | op::MSTORE
            | op::MSTORE8
            | op::SSTORE
            | op::LOG0..=op::LOG4
            | op::CREATE..=op::STATICCALL
            | op::REVERT
            | op::SELFDESTRUCT
    )
}

/// Costs that depend on arguments.
pub(super) fn dynamic_costs() -> GasParams {
    static COSTS: OnceLock<GasParams> = OnceLock::new();
    COSTS
        .get_or_init(|| {
            let mut costs = GasParams::new_spec(SPEC);
            costs.override_gas([
                (GasId::exp_byte_gas(), 10),
                (GasId::initcode_per_word(), 0),
                (GasId::cold_account_additional_cost(), 0),
                (GasId::cold_storage_additional_cost(), 0),
                (GasId::cold_storage_cost(), 0),
                (GasId::warm_storage_read_cost(), 0),
            ]);
            costs
        })
        .clone()
}

/// `SSTORE`: by whether the word had a value. No refund, no reserve that must be left.
fn sstore<DB: Database>(
    context: InstructionContext<'_, Host<DB>, EthInterpreter>,
) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = context;
    if interpreter.runtime_flag.is_static() {
        return Err(InstructionResult::StateChangeDuringStaticCall);
    }
    let Some([index, value]) = interpreter.stack.popn::<2>() else {
        return Err(InstructionResult::StackUnderflow);
    };
    let target = interpreter.input.target_address();
    let Some(load) = host.sstore(target, index, value) else {
        return Err(InstructionResult::FatalExternalError);
    };
    let word = (target, index);
    let existed = !load.data.original_value.is_zero() || host.chain.contains(&word);
    let energy = if !existed && !value.is_zero() { SSTORE_SET } else { SSTORE_OTHER };
    host.chain.last_energy = energy;
    if !interpreter.gas.record_regular_cost(energy) {
        return Err(InstructionResult::OutOfGas);
    }
    host.chain.insert(word);
    Ok(())
}
