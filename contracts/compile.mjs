// Compiles src/*.sol into artifacts/*.json; with --check, says whether they still match.
//
//   node compile.mjs [--check] [--out DIR] [--source Name.sol=FILE] ...
//
// The compiler and the libraries come from the packages that test/setup/peers.sh installs, with
// versions pinned by the lock file; nothing is downloaded here. The code carries no metadata
// hash, so the same sources give the same bytes on every machine.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const MODULES = join(HERE, "..", ".local", "contracts", "node_modules");
const SETTINGS = {
  // The youngest rules that TRON and BTTC both run; the libraries need its MCOPY and TLOAD.
  evmVersion: "cancun",
  viaIR: true,
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

function fail(message) {
  process.stderr.write(`error: ${message}\n`);
  process.exit(1);
}

function parseArguments(words) {
  const options = { check: false, out: join(HERE, "artifacts"), replaced: new Map() };
  while (words.length > 0) {
    const word = words.shift();
    if (word === "--check") options.check = true;
    else if (word === "--out") options.out = words.shift() ?? fail("--out needs a folder");
    else if (word === "--source") {
      const [name, file] = (words.shift() ?? "").split("=");
      if (!file) fail("--source needs Name.sol=FILE");
      options.replaced.set(name, file);
    } else fail(`unknown option ${word}`);
  }
  return options;
}

/// Contracts of the project, and those that only its tests deploy.
function sources(replaced) {
  const found = {};
  for (const folder of ["src", "test"]) {
    for (const name of readdirSync(join(HERE, folder)).filter((n) => n.endsWith(".sol")).sort()) {
      const file = replaced.get(name) ?? join(HERE, folder, name);
      found[`${folder}/${name}`] = { content: readFileSync(file, "utf8") };
    }
  }
  return found;
}

function readImport(path) {
  const file = join(MODULES, path);
  if (existsSync(file)) return { contents: readFileSync(file, "utf8") };
  return { error: `${path} is not among the installed packages` };
}

function compile(replaced) {
  if (!existsSync(join(MODULES, "solc"))) fail("the compiler is missing\nhint: run test/setup/peers.sh");
  const solc = createRequire(join(MODULES, "x.js"))("solc");
  const input = { language: "Solidity", sources: sources(replaced), settings: SETTINGS };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  // A warning about our own files is an error; about the libraries it is their authors' matter.
  // A replaced source is an experiment.
  const faults = (output.errors ?? []).filter(
    (e) => e.severity === "error" || (replaced.size === 0 && e.sourceLocation?.file in input.sources),
  );
  if (faults.length) fail(faults.map((e) => e.formattedMessage).join("\n"));
  const artifacts = new Map();
  for (const [path, contracts] of Object.entries(output.contracts)) {
    if (!(path in input.sources)) continue;
    for (const [name, contract] of Object.entries(contracts)) {
      if (!contract.evm.bytecode.object) continue; // An interface.
      artifacts.set(`${name}.json`, {
        name,
        source: path,
        compiler: solc.version(),
        settings: { evmVersion: SETTINGS.evmVersion, viaIR: SETTINGS.viaIR, optimizer: SETTINGS.optimizer },
        abi: contract.abi,
        bytecode: contract.evm.bytecode.object,
        deployedBytecode: contract.evm.deployedBytecode.object,
      });
    }
  }
  return artifacts;
}

function main() {
  const options = parseArguments(process.argv.slice(2));
  const artifacts = compile(options.replaced);
  const faults = [];
  if (!options.check) mkdirSync(options.out, { recursive: true });
  for (const [file, artifact] of artifacts) {
    const text = `${JSON.stringify(artifact, null, 1)}\n`;
    const path = join(options.out, file);
    if (!options.check) writeFileSync(path, text);
    else if (!existsSync(path)) faults.push(`${file} is missing`);
    else if (readFileSync(path, "utf8") !== text) faults.push(`${file} is not what ${artifact.source} compiles to`);
  }
  if (options.check) {
    for (const file of readdirSync(options.out)) {
      if (!artifacts.has(file)) faults.push(`${file} has no source`);
    }
  }
  if (faults.length) fail(`${faults.join("\n")}\nhint: run node contracts/compile.mjs and commit the artifacts`);
}

main();
