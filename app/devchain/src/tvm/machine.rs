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

use super::addresses::{created_address, salted_address};
use super::failure::{Stop, unpaid_code, words};
use super::instructions::{Host, SPEC, Written, dynamic_costs, fixed_energy, instructions};
use super::precompiles::{TronPrecompiles, is_precompiled};
use super::{ENERGY_PRICE_SUN, Entry, NONCE_PERSON, Ran, Run, Surroundings, word};
use crate::receipt::{ContractResult, InternalCall};
use crate::refusal::ChainError;
use ledger::Sun;

/// The deepest frame that may not call any further.
const DEPTH_MAX: usize = 64;

/// Memory of one frame.
const MEMORY_BYTES_MAX: usize = 3 * 1024 * 1024;

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
}

/// What to go back to if a frame fails.
#[derive(Clone, Copy)]
struct Mark {
    written: usize,
    internal: usize,
    created: usize,
}

/// Executes one run over `db`, which it does not change.
pub(crate) fn run<DB: Database<Error = ChainError>>(
    db: DB,
    surroundings: &Surroundings,
    run: Run,
) -> Result<Ran, ChainError> {
    let energy_max = run.energy_max;
    let mut machine = Machine {
        evm: Evm::new(host(db, surroundings, &run), instructions(), TronPrecompiles::new()),
        transaction: run.transaction,
        nonce: 0,
        internal: Vec::new(),
        created: Vec::new(),
        marks: Vec::new(),
        stop: Stop::default(),
    };
    let first = machine.first(run)?;
    let result = machine.execute(first).map_err(plain)?;
    Ok(machine.finish(&result, energy_max))
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

    fn execute(&mut self, first: FrameInit) -> Result<FrameResult, Error> {
        if let Some(result) = self.enter(first)? {
            return Ok(result);
        }
        loop {
            let result = match self.step()? {
                ItemOrResult::Item(next) => match self.enter(next)? {
                    Some(result) => result,
                    None => continue,
                },
                ItemOrResult::Result(result) => result,
            };
            if let Some(last) = self.leave(result)? {
                return Ok(last);
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
        Ok(match self.evm.frame_init(next)? {
            ItemOrResult::Item(_) => None,
            ItemOrResult::Result(result) => Some(result),
        })
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

    /// Runs the newest frame until it calls, creates or ends.
    fn step(&mut self) -> Result<FrameInitOrResult<Frame>, Error> {
        let frame = self.evm.frame_stack.get();
        let instructions = self.evm.instruction.instruction_table();
        let costs = self.evm.instruction.gas_table();
        let mut energy_left;
        let end = loop {
            energy_left = frame.interpreter.gas.remaining();
            if let Err(end) = frame.interpreter.step(instructions, costs, &mut self.evm.ctx) {
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
        frame.process_next_action::<_, Error>(&mut self.evm.ctx, action).inspect(|next| {
            if next.is_result() {
                frame.set_finished(true);
            }
        })
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
