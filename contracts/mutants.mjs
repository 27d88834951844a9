// Plants one bug after another in Vault.sol and says which the tests notice.
//
//   node contracts/mutants.mjs [WORD]      only mutants whose name contains WORD
//
// Takes some minutes. Exits with 1 if a bug was not noticed. Nothing in the repository is changed.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const TESTS = ["revm", "tokens", "invariants"];

// Name, what Vault.sol says, what it says instead.
const MUTANTS = [
  [
    "other forms of a signature count",
    "ECDSA.recoverCalldata(_hashTypedDataV4(structHash), signature)",
    "ecrecover(_hashTypedDataV4(structHash), uint8(signature[64]), bytes32(signature[0:32]), bytes32(signature[32:64]))",
  ],
  ["whoever signed, it counts", "require(actual == expected, SignedByAnother(expected, actual));", "actual;"],
  ["a release counts in every round", "if (locked == 0) round += 1;", ""],
  ["a release needs no signature", "        _requireSigned(payee, keccak256(abi.encode(RELEASE, id, round, cumulative)), release);\n", "        release;\n"],
  ["a release is of any sum", "abi.encode(RELEASE, id, round, cumulative)", "abi.encode(RELEASE, id, round, uint256(40))"],
  ["scalars count modulo the order", "scalar == 0 || scalar >= ORDER", "scalar == 0"],
  ["a wrong scalar opens", "require(_opens(scalars[i], locks[i]), ScalarIsWrong(i, scalars[i]));", ""],
  ["a scalar not shown is looked at", "if (scalars[i] == 0) continue;", ""],
  ["a condition counts for ever", "if (block.timestamp <= expiries[i]) sum", "sum"],
  ["a condition ends a second early", "block.timestamp <= expiries[i]", "block.timestamp < expiries[i]"],
  ["sums of conditions wrap", "if (block.timestamp <= expiries[i]) sum += amounts[i];", "unchecked { if (block.timestamp <= expiries[i]) sum += amounts[i]; }"],
  ["the order of conditions is not signed", "hashes[i] = keccak256", "hashes[0] ^= keccak256"],
  ["a delay may shrink", "locked == 0 || delay >= delayMin", "locked == 0 || delay + 1 >= delayMin"],
  ["a delay has no bound", "require(delay <= DELAY_MAX, DelayTooLong(delay, DELAY_MAX));", ""],
  ["a lock keeps the announced unlock", "(uint64 delayMin,, uint64 round) = _readTerms(id);", "(uint64 delayMin, uint64 kept, uint64 round) = _readTerms(id);"],
  ["a lock is counted modulo 2^128", "require(amount <= type(uint128).max - locked - redeemed, LockTooLarge(amount));", ""],
  ["an unlock comes a second early", "block.timestamp >= unlockAt", "block.timestamp + 1 >= unlockAt"],
  ["an unlock needs no announcement", "require(unlockAt != 0, UnlockNotAnnounced(id));", ""],
  ["an unlock may be announced again", "require(unlockAt == 0, UnlockAlreadyAnnounced(unlockAt));", ""],
  ["the signer may be the payee", "payee != msg.sender && payee != signer && payee != address(this)", "payee != msg.sender && payee != address(this)"],
  ["the owner may be the payee", "payee != msg.sender && payee != signer && payee != address(this)", "payee != signer && payee != address(this)"],
  ["a claim is paid beyond the lock", "return claim - redeemed < locked ? claim - redeemed : locked;", "return claim - redeemed;"],
  ["what was paid is forgotten", "_writeMoney(id, locked - paid, redeemed + paid);", "_writeMoney(id, locked - paid, redeemed);"],
  ["a close forgets what was paid", "_writeMoney(id, 0, redeemed + paid);", "_writeMoney(id, 0, redeemed);"],
  ["an unlock loses the rest", "        _free[account] += locked;\n", ""],
  ["the last payee gets all", "i + 1 == owners.length || payees[i + 1] != payees[i]", "i + 1 == owners.length"],
  ["a column may be short", "&& cumulatives.length == owners.length && vouchers.length == owners.length,\n            LengthsDiffer()\n        );\n        // Neighbours", "&& vouchers.length == owners.length,\n            LengthsDiffer()\n        );\n        // Neighbours"],
  ["any tower may use a mandate", "require(tower == address(0) || tower == msg.sender, MandateForAnother(tower));", ""],
  ["a mandate lasts for ever", "require(block.timestamp <= until, MandateExpired(until));", ""],
  ["a share has no bound", "require(share <= SHARE_MAX, ShareTooLarge(share, SHARE_MAX));", ""],
  ["a mandate needs no signature", "        _requireSigned(payee, keccak256(abi.encode(MANDATE, payee, tower, share, until)), mandate);\n", "        mandate;\n"],
  ["a share is not signed", "abi.encode(MANDATE, payee, tower, share, until)", "abi.encode(MANDATE, payee, tower, uint16(100), until)"],
  ["a fee of the token is not noticed", "require(moved == amount, TokenMovedAnotherAmount(amount, moved));\n    }\n\n    /// Only to the owner", "moved;\n    }\n\n    /// Only to the owner"],
  ["a payment is believed", "require(moved == amount, TokenMovedAnotherAmount(amount, moved));\n    }\n\n    /// 65 bytes", "moved;\n    }\n\n    /// 65 bytes"],
  ["a token may call back", ") external nonReentrant {\n        require(\n            signers.length == owners.length && payees.length", ") external {\n        require(\n            signers.length == owners.length && payees.length"],
  ["a voucher with conditions is a plain one too", 'keccak256("ConditionalVoucher(bytes32 channel,uint256 cumulative,bytes32 conditions)")', 'keccak256("Voucher(bytes32 channel,uint256 cumulative)")'],
  ["channels of all signers are one", "return keccak256(abi.encode(owner, signer));", "signer; return keccak256(abi.encode(owner, address(0)));"],
  ["nothing may be deposited", "        require(amount != 0, AmountIsZero());\n        bytes32 account = accountOf(owner, signer);", "        bytes32 account = accountOf(owner, signer);"],
];

function mutate(source, [name, from, to]) {
  if (source.split(from).length !== 2) throw new Error(`${name}: its place is not in Vault.sol once`);
  const mutant = source.replace(from, () => to);
  return name === "a lock keeps the announced unlock"
    ? mutant.replace("_writeTerms(id, delay, 0, round);\n        emit Locked", "_writeTerms(id, delay, kept, round);\n        emit Locked")
    : mutant;
}

function main() {
  const source = readFileSync(join(HERE, "src", "Vault.sol"), "utf8");
  const wanted = MUTANTS.filter(([name]) => name.includes(process.argv[2] ?? ""));
  const folder = mkdtempSync(join(tmpdir(), "mutants-"));
  const tests = TESTS.flatMap((test) => ["--test", test]);
  const cargo = ["test", "--quiet", "--package", "shoal-contracts", "--no-fail-fast", ...tests];
  execFileSync("cargo", [...cargo, "--no-run"], { cwd: join(HERE, ".."), stdio: "ignore" });
  let unnoticed = 0;
  for (const mutant of wanted) {
    const file = join(folder, "Vault.sol");
    writeFileSync(file, mutate(source, mutant));
    execFileSync("node", [join(HERE, "compile.mjs"), "--out", folder, "--source", `Vault.sol=${file}`]);
    const run = spawnSync("cargo", cargo, {
      cwd: join(HERE, ".."),
      env: { ...process.env, CONTRACT_ARTIFACTS: folder, RUST_BACKTRACE: "0" },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    const failed = [...new Set([...run.stdout.matchAll(/^ {4}(\w+)$/gm)].map(([, name]) => name))];
    if (run.status !== 0 && failed.length === 0) throw new Error(`the tests did not run: ${run.stderr}`);
    if (run.status === 0) unnoticed += 1;
    const verdict = run.status === 0 ? "NOT NOTICED" : `${failed.length} tests fail: ${failed.slice(0, 2).join(", ")}`;
    process.stdout.write(`${mutant[0]}: ${verdict}\n`);
  }
  rmSync(folder, { recursive: true });
  process.stdout.write(`${wanted.length - unnoticed} of ${wanted.length} bugs noticed\n`);
  process.exit(unnoticed === 0 ? 0 : 1);
}

main();
