//! Frames: calls and creations within one run.
//!
//! Source: java-tron `Program.callToAddress`, `Program.createContractImpl`.

use revm::bytecode::opcode as op;
use revm::context::{BlockEnv, CfgEnv, Context, Evm, Journal, LocalContext, TxEnv};
use revm::context_interface::CreateScheme;
use revm::context_interface::context::ContextError;
use revm::context_interface::journaled_state::account::JournaledAccountTr as _;
use revm::context_interface::{JournalTr as _, LocalContextTr as _};
use revm::database_interface::Database;
use revm::handler::instructions::EthInstructions;
use revm::handler::{EthFrame, EvmTr as _, FrameInitOrResult, FrameResult, ItemOrResult};
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_action::FrameInit;
use revm::interpreter::interpreter_types::{Jumps as _, LegacyBytecode as _, LoopControl as _};
use revm::interpreter::{
    CallInput, CallInputs, CallOutcome, CallScheme, CallValue, CreateInputs, CreateOutcome,
    FrameInput, Gas, InstructionResult, InterpreterAction, InterpreterResult, SharedMemory,
};
use revm::primitives::{Address, B256, Bytes, U256};
use revm::state::EvmState;

use super::addresses::{created_address, salted_address};
use super::failure::{Stop, out_of_time, unpaid_code, words};
use super::instructions::{Host, SPEC, Written, dynamic_costs, fixed_energy, instructions};
use super::precompiles::{TronPrecompiles, is_precompiled, signatures_max};
use super::{ENERGY_PRICE_SUN, Entry, NONCE_PERSON, Ran, Run, Surroundings, word};
use crate::receipt::{ContractResult, InternalCall};
use crate::refusal::ChainError;
use ledger::Sun;

/// The deepest frame that may not call any further.
const DEPTH_MAX: usize = 64;

/// Memory of one frame.
const MEMORY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Work of an instruction that may read the database, in units of the work of one energy elsewhere.
const LOOKUP_WORK: u64 = 2_000;

/// Work of one energy of a precompiled contract.
const PRECOMPILED_WORK: u64 = 9;

/// Work of one energy of hashing.
const HASHING_WORK: u64 = 4;

/// Work of checking a signature.
const SIGNATURE_WORK: u64 = 27_000;

type Error = ContextError<ChainError>;
type Frame = EthFrame<EthInterpreter>;
type Instructions<DB> = EthInstructions<EthInterpreter, Host<DB>>;

struct Machine<DB: Database<Error = ChainError>> {
    evm: Evm<Host<DB>, (), Instructions<DB>, TronPrecompiles, Frame>,
    transaction: B256,
    /// Calls and creations so far.
    nonce: u64,
    internal: Vec<InternalCall>,
    created: Vec<(Address, Address)>,
    marks: Vec<Mark>,
    stop: Stop,
    work_left: Option<u64>,
}

/// What to go back to if a frame fails.
#[derive(Clone, Copy)]
struct Mark {
    written: usize,
    internal: usize,
    created: usize,
}

/// A precompiled contract's energy, and what it was not given of the caller's.
struct Precompiled {
    limit: u64,
    kept_back: u64,
}

/// How the outermost frame ended.
enum Ended {
    Result(FrameResult),
    /// It was broken off, by this instruction.
    OutOfWork(u8),
}

/// Executes one run over `db`, which it does not change.
pub(crate) fn run<DB: Database<Error = ChainError>>(
    db: DB,
    surroundings: &Surroundings,
    run: Run,
) -> Result<Ran, ChainError> {
    let (energy_max, work_left) = (run.energy_max, run.work_max);
    let mut machine = Machine {
        evm: Evm::new(host(db, surroundings, &run), instructions(), TronPrecompiles::new()),
        transaction: run.transaction,
        nonce: 0,
        internal: Vec::new(),
        created: Vec::new(),
        marks: Vec::new(),
        stop: Stop::default(),
        work_left,
    };
    let first = machine.first(run)?;
    let ended = machine.execute(first).map_err(plain)?;
    // A frame that the database failed under ends like one that failed by itself.
    core::mem::replace(&mut machine.evm.ctx.error, Ok(())).map_err(plain)?;
    Ok(match ended {
        Ended::Result(result) => machine.finish(&result, energy_max),
        Ended::OutOfWork(opcode) => timed_out(opcode, energy_max),
    })
}

/// A run that was broken off.
fn timed_out(opcode: u8, energy_max: u64) -> Ran {
    Ran {
        result: ContractResult::OutOfTime,
        message: out_of_time(opcode),
        energy_used: energy_max,
        output: Bytes::new(),
        logs: Vec::new(),
        internal: Vec::new(),
        created: Vec::new(),
        changes: EvmState::default(),
    }
}

fn host<DB: Database<Error = ChainError>>(
    db: DB,
    surroundings: &Surroundings,
    run: &Run,
) -> Host<DB> {
    let mut cfg = CfgEnv::new_with_spec(SPEC);
    cfg.chain_id = surroundings.chain_id.into();
    cfg.set_gas_params(dynamic_costs());
    cfg.limit_contract_code_size = Some(usize::MAX);
    cfg.limit_contract_initcode_size = Some(usize::MAX);
    let mut journaled_state = Journal::new(db);
    journaled_state.set_spec_id(SPEC);
    Context {
        block: BlockEnv {
            number: word(surroundings.number),
            beneficiary: surroundings.witness,
            timestamp: word(surroundings.timestamp_ms / 1_000),
            gas_limit: 0,
            basefee: ENERGY_PRICE_SUN,
            difficulty: U256::ZERO,
            prevrandao: Some(B256::ZERO),
            blob_excess_gas_and_price: None,
            slot_num: 0,
        },
        tx: TxEnv {
            caller: run.owner,
            gas_price: ENERGY_PRICE_SUN.into(),
            gas_limit: run.energy_max,
            ..TxEnv::default()
        },
        cfg,
        journaled_state,
        chain: Written::default(),
        local: LocalContext::default(),
        error: Ok(()),
    }
}

fn plain(error: Error) -> ChainError {
    match error {
        ContextError::Db(error) => error,
        ContextError::Custom(words) => ChainError::Database(words),
    }
}

impl<DB: Database<Error = ChainError>> Machine<DB> {
    fn first(&mut self, run: Run) -> Result<FrameInit, ChainError> {
        let ctx = &mut self.evm.ctx;
        ctx.journaled_state.load_account(run.owner)?;
        let memory = SharedMemory::new_with_buffer(ctx.local.shared_memory_buffer().clone());
        let value = word(run.value);
        let frame_input = match run.entry {
            Entry::Call { contract, data } => {
                let account = ctx.journaled_state.load_account_with_code(contract)?.data;
                let code = account.info.code.clone().unwrap_or_default();
                let code_hash = account.info.code_hash;
                FrameInput::Call(Box::new(CallInputs {
                    input: CallInput::Bytes(data),
                    return_memory_offset: 0..0,
                    gas_limit: run.energy_max,
                    reservoir: 0,
                    bytecode_address: contract,
                    known_bytecode: (code_hash, code),
                    target_address: contract,
                    caller: run.owner,
                    value: CallValue::Transfer(value),
                    scheme: CallScheme::Call,
                    is_static: false,
                    charged_new_account_state_gas: false,
                }))
            }
            Entry::Create { address, code } => FrameInput::Create(Box::new(CreateInputs::new(
                run.owner,
                CreateScheme::Custom { address },
                value,
                code,
                run.energy_max,
                0,
            ))),
        };
        Ok(FrameInit { depth: 0, memory, frame_input })
    }

    fn execute(&mut self, first: FrameInit) -> Result<Ended, Error> {
        if let Some(result) = self.enter(first)? {
            return Ok(Ended::Result(result));
        }
        loop {
            let (opcode, next) = self.step()?;
            if self.work_left == Some(0) {
                return Ok(Ended::OutOfWork(opcode));
            }
            let result = match next {
                ItemOrResult::Item(next) => match self.enter(next)? {
                    _ if self.work_left == Some(0) => return Ok(Ended::OutOfWork(opcode)),
                    Some(result) => result,
                    None => continue,
                },
                ItemOrResult::Result(result) => result,
            };
            if let Some(last) = self.leave(result)? {
                return Ok(Ended::Result(last));
            }
        }
    }

    /// Begins a frame; a result if it ended at once.
    fn enter(&mut self, mut next: FrameInit) -> Result<Option<FrameResult>, Error> {
        self.marks.push(Mark {
            written: self.evm.ctx.chain.len(),
            internal: self.internal.len(),
            created: self.created.len(),
        });
        if next.depth > DEPTH_MAX {
            return Ok(Some(too_deep(&next.frame_input)));
        }
        match &mut next.frame_input {
            FrameInput::Call(inputs) => {
                if next.depth > 0 {
                    self.note_call(inputs)?;
                }
            }
            FrameInput::Create(inputs) => self.address_creation(next.depth, inputs)?,
            FrameInput::Empty => {}
        }
        let kept_back = self.bound_precompiled(&mut next.frame_input);
        Ok(match self.evm.frame_init(next)? {
            ItemOrResult::Item(_) => None,
            ItemOrResult::Result(mut result) => {
                if let Some(Precompiled { limit, kept_back }) = kept_back {
                    self.count_precompiled(&mut result, limit, kept_back);
                }
                Some(result)
            }
        })
    }

    /// Lets a precompiled contract have no more energy than there is work left for.
    fn bound_precompiled(&mut self, input: &mut FrameInput) -> Option<Precompiled> {
        let work_left = self.work_left.as_mut()?;
        let FrameInput::Call(inputs) = input else { return None };
        if !is_precompiled(inputs.bytecode_address) {
            return None;
        }
        let signatures = signatures_max(inputs.bytecode_address) as u64;
        *work_left = work_left.saturating_sub(signatures * SIGNATURE_WORK);
        let limit = inputs.gas_limit.min(*work_left / PRECOMPILED_WORK);
        let kept_back = inputs.gas_limit - limit;
        inputs.gas_limit = limit;
        Some(Precompiled { limit, kept_back })
    }

    fn count_precompiled(&mut self, result: &mut FrameResult, limit: u64, kept_back: u64) {
        let ran_dry = kept_back > 0 && !result.instruction_result().is_ok_or_revert();
        let used = limit.saturating_sub(result.gas().remaining());
        if let Some(work_left) = &mut self.work_left {
            let work = used.saturating_mul(PRECOMPILED_WORK);
            *work_left = if ran_dry { 0 } else { work_left.saturating_sub(work) };
        }
        result.gas_mut().erase_cost(kept_back);
    }

    fn note_call(&mut self, inputs: &CallInputs) -> Result<(), Error> {
        if is_precompiled(inputs.bytecode_address) {
            return Ok(());
        }
        let value = inputs.transfer_value().unwrap_or_default();
        if self.balance(inputs.caller)? < value {
            return Ok(()); // Refused before it is counted.
        }
        self.note(inputs.caller, inputs.target_address, value, "call");
        Ok(())
    }

    /// Gives a creation TRON's address, and makes room for a contract where only money lay.
    fn address_creation(&mut self, depth: usize, inputs: &mut CreateInputs) -> Result<(), Error> {
        let address = match inputs.scheme() {
            CreateScheme::Create => created_address(self.transaction, self.nonce),
            CreateScheme::Create2 { salt } => {
                salted_address(inputs.caller(), salt, inputs.init_code_hash())
            }
            CreateScheme::Custom { address } => address,
        };
        inputs.set_scheme(CreateScheme::Custom { address });
        if self.balance(inputs.caller())? < inputs.value() {
            return Ok(());
        }
        let journal = &mut self.evm.ctx.journaled_state;
        let mut account = journal.load_account_mut(address)?.data;
        let is_made = self.created.iter().any(|(made, _)| *made == address);
        if account.nonce() == NONCE_PERSON && !is_made {
            account.set_nonce(0);
        }
        if depth > 0 {
            self.note(inputs.caller(), address, inputs.value(), "create");
        }
        self.created.push((address, inputs.caller()));
        Ok(())
    }

    fn balance(&mut self, address: Address) -> Result<U256, Error> {
        Ok(self.evm.ctx.journaled_state.load_account(address)?.data.info.balance)
    }

    fn note(&mut self, caller: Address, to: Address, value: U256, note: &'static str) {
        self.nonce += 1;
        let value = Sun(u64::try_from(value).unwrap_or(u64::MAX));
        self.internal.push(InternalCall {
            caller: ledger::Address::new(caller.into_array()),
            to: ledger::Address::new(to.into_array()),
            value,
            note,
            rejected: false,
        });
    }

    /// Runs the newest frame until it calls, creates or ends, or no work is left. Tells the last
    /// instruction too.
    fn step(&mut self) -> Result<(u8, FrameInitOrResult<Frame>), Error> {
        let frame = self.evm.frame_stack.get();
        let instructions = self.evm.instruction.instruction_table();
        let costs = self.evm.instruction.gas_table();
        let mut energy_left;
        let mut last;
        let end = loop {
            energy_left = frame.interpreter.gas.remaining();
            last = frame.interpreter.bytecode.opcode();
            let stepped = frame.interpreter.step(instructions, costs, &mut self.evm.ctx);
            if let Some(work_left) = &mut self.work_left {
                let energy = energy_left.saturating_sub(frame.interpreter.gas.remaining());
                *work_left = work_left.saturating_sub(work_of(last, energy));
                if *work_left == 0 && stepped.is_ok() {
                    break InstructionResult::OutOfGas;
                }
            }
            if let Err(end) = stepped {
                break end;
            }
        };
        if frame.interpreter.bytecode.action().is_none() {
            frame.interpreter.halt(end);
        }
        let mut action = frame.interpreter.take_next_action();
        if frame.interpreter.memory.len() > MEMORY_BYTES_MAX {
            let gas = frame.interpreter.gas;
            action = InterpreterAction::new_halt(InstructionResult::MemoryLimitOOG, gas);
        }
        if action.instruction_result() == Some(InstructionResult::SelfDestruct) {
            self.nonce += 1; // It counts as a call.
        }
        if frame.depth == 0 {
            let at = frame.interpreter.bytecode.pc().saturating_sub(1);
            let code = frame.interpreter.bytecode.bytecode_slice();
            let opcode = code.get(at).copied().unwrap_or_default();
            self.stop = Stop {
                opcode,
                at,
                stack_len: frame.interpreter.stack.len(),
                energy_left,
                energy_needed: match opcode {
                    op::SSTORE => Some(self.evm.ctx.chain.last_energy()),
                    _ => fixed_energy(opcode).then(|| costs[usize::from(opcode)].into()),
                },
            };
        }
        let next = frame.process_next_action::<_, Error>(&mut self.evm.ctx, action)?;
        if next.is_result() {
            frame.set_finished(true);
        }
        Ok((last, next))
    }

    /// Gives a frame's result to the one that waits for it; the result if there is none.
    fn leave(&mut self, result: FrameResult) -> Result<Option<FrameResult>, Error> {
        if let Some(mark) = self.marks.pop()
            && !result.instruction_result().is_ok()
        {
            self.evm.ctx.chain.truncate(mark.written);
            self.created.truncate(mark.created);
            for call in self.internal.iter_mut().skip(mark.internal) {
                call.rejected = true;
            }
        }
        self.evm.frame_return_result(result)
    }

    fn finish(mut self, result: &FrameResult, energy_max: u64) -> Ran {
        let instruction_result = result.instruction_result();
        let (code, mut message) = words(instruction_result, self.stop, energy_max);
        let output = output(result);
        let is_made = matches!(result, FrameResult::Create(_)) && self.stop.opcode == op::RETURN;
        if code == ContractResult::OutOfEnergy && is_made && !output.is_empty() {
            message = unpaid_code(output.len(), result.gas().remaining());
        }
        // A call with too much money is a failed transfer to TRON: the rest is not lost.
        let is_transfer = instruction_result == InstructionResult::OverflowPayment
            && matches!(self.stop.opcode, op::CALL | op::CALLCODE);
        let keeps_rest = instruction_result.is_ok_or_revert() || is_transfer;
        let energy_used =
            if keeps_rest { energy_max - result.gas().remaining() } else { energy_max };
        let journal = &mut self.evm.ctx.journaled_state;
        let logs = journal.take_logs();
        let changes = journal.finalize();
        let mut ran = Ran {
            result: code,
            message,
            energy_used,
            output,
            logs,
            internal: self.internal,
            created: self.created,
            changes,
        };
        if !instruction_result.is_ok() {
            ran.logs.clear();
            ran.changes.clear();
            ran.created.clear();
            for call in &mut ran.internal {
                call.rejected = true;
            }
        }
        ran
    }
}

/// The work of an instruction that used so much energy.
fn work_of(opcode: u8, energy: u64) -> u64 {
    match opcode {
        op::BALANCE
        | op::SELFBALANCE
        | op::EXTCODESIZE
        | op::EXTCODECOPY
        | op::EXTCODEHASH
        | op::BLOCKHASH
        | op::SLOAD
        | op::SSTORE
        | op::CREATE
        | op::CREATE2
        | op::CALL
        | op::CALLCODE
        | op::DELEGATECALL
        | op::STATICCALL
        | op::SELFDESTRUCT => LOOKUP_WORK,
        op::KECCAK256 => energy.saturating_mul(HASHING_WORK),
        _cheap => 0,
    }
}

fn output(result: &FrameResult) -> Bytes {
    match result {
        FrameResult::Call(outcome) => outcome.result.output.clone(),
        FrameResult::Create(outcome) => outcome.result.output.clone(),
    }
}

/// The answer to a call at the end of the world: zero, and the energy back.
fn too_deep(input: &FrameInput) -> FrameResult {
    let result = |limit| {
        InterpreterResult::new(InstructionResult::CallTooDeep, Bytes::new(), Gas::new(limit))
    };
    match input {
        FrameInput::Create(inputs) => {
            FrameResult::Create(CreateOutcome::new(result(inputs.gas_limit()), None))
        }
        FrameInput::Call(inputs) => FrameResult::Call(CallOutcome::new(
            result(inputs.gas_limit),
            inputs.return_memory_offset.clone(),
        )),
        FrameInput::Empty => FrameResult::Call(CallOutcome::new(result(0), 0..0)),
    }
}
