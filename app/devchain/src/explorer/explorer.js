'use strict';
// The explorer of a shoal chain. Whatever comes from the chain becomes text nodes, never markup.

const view = document.getElementById('view');
const footer = document.getElementById('footer');
const REFRESH_MS = 2000;
const SYSTEM = { trx: { symbol: 'TRX', decimals: 6 } };

let status = null;      // what /dev/status said last
let turn = 0;           // grows with each page shown, so that answers for an earlier one are dropped
let timer = 0;
const tokens = new Map();

// ---- Elements -------------------------------------------------------------------------------------

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === 'onclick') element.addEventListener('click', value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const card = (title, ...children) => h('section', { class: 'card' }, title ? h('h2', {}, title) : null, ...children);
const link = (to, text) => h('a', { href: '#/' + to }, text);
const mono = (text) => h('span', { class: 'mono' }, text);
const short = (text) => (text.length > 20 ? text.slice(0, 8) + '…' + text.slice(-6) : text);

function rows(...pairs) {
  const list = h('dl');
  for (const pair of pairs) {
    if (pair && pair[1] !== null && pair[1] !== undefined) list.append(h('dt', {}, pair[0]), h('dd', {}, pair[1]));
  }
  return list;
}

// ---- Amounts, times, addresses --------------------------------------------------------------------

function units(amount, decimals) {
  const digits = BigInt(amount).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return fraction ? whole + '.' + fraction : whole;
}

const coin = (amount, token) => h('span', { class: 'amount' }, units(amount, token.decimals), h('i', {}, token.symbol));
const trx = (sun) => coin(sun || 0, SYSTEM.trx);
const count = (number) => BigInt(number || 0).toString().replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');

function ago(ms) {
  const seconds = Math.max(0, Math.round((status ? status.now_ms : Date.now()) - Number(ms)) / 1000);
  if (seconds < 60) return Math.floor(seconds) + ' s ago';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min ago';
  if (seconds < 86400) return Math.floor(seconds / 3600) + ' h ago';
  return Math.floor(seconds / 86400) + ' d ago';
}

const when = (ms) => new Date(Number(ms)).toLocaleString() + ' (' + ago(ms) + ')';

function nameOf(address) {
  if (!status) return null;
  if (address === status.btt) return 'BTT token';
  if (address === status.vault) return 'Vault';
  if (address === status.faucet) return 'faucet';
  if (address === status.witness) return 'block maker';
  return null;
}

function party(address, whole) {
  const known = nameOf(address);
  const text = known || (whole ? address : short(address));
  return h('a', { href: '#/address/' + address, title: address, class: known ? '' : 'mono' }, text);
}

const partyInFull = (address) => h('span', {}, link('address/' + address, mono(address)), nameOf(address) ? ' ' : null,
  nameOf(address) ? h('span', { class: 'tag' }, nameOf(address)) : null);

// ---- Base58check of 20 bytes, for what events and call data hold ----------------------------------

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const fromHex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));

// crypto.subtle exists only where a page is trusted, which http on another machine is not: SHA-256 by hand.
const sha256 = (() => {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  const part = (root) => Math.floor((root % 1) * 2 ** 32) | 0;
  const K = primes.map((prime) => part(Math.cbrt(prime)));
  const H = primes.slice(0, 8).map((prime) => part(Math.sqrt(prime)));
  return (bytes) => {
    const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
    padded.set(bytes);
    padded[bytes.length] = 0x80;
    new DataView(padded.buffer).setUint32(padded.length - 4, bytes.length * 8);
    const state = H.slice();
    const rotate = (x, n) => (x >>> n) | (x << (32 - n));
    for (let at = 0; at < padded.length; at += 64) {
      const words = new DataView(padded.buffer, at, 64);
      const w = Array.from({ length: 16 }, (_, i) => words.getInt32(i * 4));
      for (let i = 16; i < 64; i++) {
        const a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
        const b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
        w[i] = (w[i - 16] + a + w[i - 7] + b) | 0;
      }
      let [a, b, c, d, e, f, g, x] = state;
      for (let i = 0; i < 64; i++) {
        const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const t1 = (x + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
        const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        [x, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
      }
      [a, b, c, d, e, f, g, x].forEach((value, i) => { state[i] = (state[i] + value) | 0; });
    }
    const out = new DataView(new ArrayBuffer(32));
    state.forEach((value, i) => out.setInt32(i * 4, value));
    return new Uint8Array(out.buffer);
  };
})();

function base58(hex20) {
  const payload = fromHex('41' + hex20);
  const all = [...payload, ...sha256(sha256(payload)).slice(0, 4)];
  let number = all.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  let text = '';
  for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text;
  return text;
}

// ---- The node -------------------------------------------------------------------------------------

async function get(path) {
  const reply = await fetch(path);
  const answer = await reply.json();
  if (answer.Error || answer.error) throw new Error(answer.Error || answer.error);
  return answer;
}

async function post(path, fields) {
  const reply = await fetch(path, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(fields),
  });
  const answer = await reply.json();
  if (answer.Error || answer.error) throw new Error(answer.Error || answer.error);
  return answer;
}

const wallet = (name, fields) => post('/wallet/' + name, { visible: true, int64_as_string: true, ...fields });

async function constant(contract, data) {
  const answer = await post('/wallet/triggerconstantcontract', {
    visible: true, owner_address: status.faucet, contract_address: contract, data,
  });
  if (!answer.result || !answer.result.result || answer.result.message) throw new Error('no answer');
  return answer.constant_result[0];
}

// What a token's contract says of itself; null if it is none.
function token(address) {
  if (!tokens.has(address)) {
    tokens.set(address, (async () => {
      try {
        const [decimals, symbol] = [await constant(address, '313ce567'), await constant(address, '95d89b41')];
        const length = parseInt(symbol.slice(64, 128), 16);
        const text = new TextDecoder().decode(fromHex(symbol.slice(128, 128 + length * 2)));
        const places = parseInt(decimals, 16);
        if (!(places <= 77) || !text) return null;
        return { symbol: text.slice(0, 12), decimals: places };
      } catch {
        return null;
      }
    })());
  }
  return tokens.get(address);
}

// ---- What transactions ask for --------------------------------------------------------------------

// First 4 bytes of call data, and what follows, of TRC-20 and the Vault.
const CALLS = {
  a9059cbb: ['transfer', ['to', 'address'], ['value', 'amount']],
  '095ea7b3': ['approve', ['spender', 'address'], ['value', 'amount']],
  '23b872dd': ['transferFrom', ['from', 'address'], ['to', 'address'], ['value', 'amount']],
  '8340f549': ['deposit', ['owner', 'address'], ['signer', 'address'], ['amount', 'amount']],
  f3fef3a3: ['withdraw', ['signer', 'address'], ['amount', 'amount']],
  ee3d71d2: ['lock', ['signer', 'address'], ['payee', 'address'], ['amount', 'amount'], ['delay', 'seconds']],
  '08cd8ac3': ['announceUnlock', ['signer', 'address'], ['payee', 'address']],
  '79a111c8': ['unlock', ['owner', 'address'], ['signer', 'address'], ['payee', 'address']],
  cc1aa099: ['close', ['owner', 'address'], ['signer', 'address'], ['payee', 'address'], ['cumulative', 'amount']],
  '6e7e1fd6': ['redeem'],
  '9b8a93a0': ['redeemFor', ['payee', 'address'], ['tower', 'address']],
  '7547156d': ['redeemConditional', ['owner', 'address'], ['signer', 'address'], ['payee', 'address'], ['cumulative', 'amount']],
};

function decodeCall(data) {
  const known = CALLS[(data || '').slice(0, 8)];
  if (!known) return null;
  const [name, ...parameters] = known;
  const values = parameters.map(([label, kind], i) => {
    const word = data.slice(8 + i * 64, 72 + i * 64);
    if (word.length < 64) return [label, kind, null];
    return [label, kind, kind === 'address' ? base58(word.slice(24)) : BigInt('0x' + word)];
  });
  return { name, values };
}

function described(transaction) {
  const contract = transaction.raw_data.contract[0];
  const value = contract.parameter.value;
  const from = party(value.owner_address);
  if (contract.type === 'TransferContract') {
    return h('span', { class: 'route' }, trx(value.amount), from, h('span', { class: 'arrow' }, '→'), party(value.to_address));
  }
  if (contract.type === 'CreateSmartContract') {
    const name = (value.new_contract && value.new_contract.name) || 'a contract';
    return h('span', { class: 'route' }, from, ' deploys ', h('b', {}, name));
  }
  if (contract.type === 'TriggerSmartContract') {
    const call = decodeCall(value.data);
    const isBtt = status && value.contract_address === status.btt;
    if (call && isBtt && call.name === 'transfer' && call.values[1][2] !== null) {
      return h('span', { class: 'route' }, coin(call.values[1][2], { symbol: 'BTT', decimals: 18 }), from,
        h('span', { class: 'arrow' }, '→'), party(call.values[0][2]));
    }
    const name = call ? call.name : value.data ? '0x' + value.data.slice(0, 8) : 'a payment';
    return h('span', { class: 'route' }, from, ' calls ', h('b', {}, name), ' of ', party(value.contract_address));
  }
  return h('span', {}, from, ' asks for ', contract.type);
}

function outcome(transaction) {
  const result = (transaction.ret && transaction.ret[0] && transaction.ret[0].contractRet) || 'waiting';
  return result === 'SUCCESS' ? null : h('span', { class: result === 'waiting' ? 'tag' : 'tag bad' }, result.toLowerCase().replaceAll('_', ' '));
}

function transactionItem(transaction, timestamp) {
  return h('li', {},
    h('span', { class: 'what' }, described(transaction)),
    h('span', { class: 'when' }, timestamp ? ago(timestamp) : ''),
    h('span', { class: 'sub' }, link('tx/' + transaction.txID, mono(short(transaction.txID))), ' ', outcome(transaction)));
}

async function eventItem(event, withTransaction) {
  const found = event.event_name ? await token(event.contract_address) : null;
  const own = nameOf(event.contract_address);
  const unit = found || (own === 'Vault' ? { symbol: 'BTT', decimals: 18 } : null);
  const list = h('dl');
  for (const name of Object.keys(event.result_type || {})) {
    const type = event.result_type[name];
    const value = event.result[name];
    let shown = mono(typeof value === 'string' ? value : JSON.stringify(value));
    if (type === 'address' && /^0x[0-9a-f]{40}$/.test(value)) shown = partyInFull(base58(value.slice(2)));
    else if (unit && type === 'uint256' && /^(value|amount|cumulative)$/.test(name)) shown = coin(value, unit);
    list.append(h('dt', {}, name), h('dd', {}, shown));
  }
  if (event.raw) list.append(h('dt', {}, 'topics'), h('dd', {}, mono(event.raw.topics.join(' '))), h('dt', {}, 'data'), h('dd', {}, mono(event.raw.data || 'none')));
  return h('li', {},
    h('span', { class: 'what' }, h('b', {}, event.event_name || 'unknown event'), ' of ', party(event.contract_address)),
    h('span', { class: 'when' }, withTransaction ? ago(event.block_timestamp) : '#' + event.event_index),
    h('span', { class: 'sub' }, list,
      withTransaction ? h('span', {}, 'in ', link('tx/' + event.transaction_id, mono(short(event.transaction_id)))) : null));
}

// ---- Pages ----------------------------------------------------------------------------------------

function show(...children) {
  view.replaceChildren(...children.flat().filter(Boolean));
}

async function home() {
  const faucet = faucetCard();
  const numbers = h('div', { class: 'numbers' });
  const blocks = h('ul', { class: 'list' });
  const transactions = h('ul', { class: 'list' });
  show(numbers, h('div', { class: 'columns' },
    h('div', {}, card('Blocks', blocks), card('Faucet', faucet)),
    h('div', {}, card('Transactions', transactions), card('This chain', aboutChain()))));
  const seen = new Set();
  let last = '';
  return async () => {
    const shown = [['block', count(status.head.number)], ['final', count(status.solid.number)],
      ['waiting', count(status.pending)], ['TRX burned', units(status.burned_sun, 6)]];
    numbers.replaceChildren(...shown.map(([what, number]) => h('div', { class: 'card' }, h('b', {}, number), h('span', {}, what))));
    if (last === status.head.id) return;
    const first = !last;
    const list = (await wallet('getblockbylatestnum', { num: 12 })).block || [];
    last = status.head.id;
    list.reverse();
    const item = (element, key) => {
      if (!first && !seen.has(key)) element.classList.add('fresh');
      seen.add(key);
      return element;
    };
    blocks.replaceChildren(...list.map((block) => item(blockItem(block), block.blockID)));
    const all = list.flatMap((block) => [...(block.transactions || [])].reverse()
      .map((transaction) => [transaction, block.block_header.raw_data.timestamp])).slice(0, 15);
    transactions.replaceChildren(...(all.length
      ? all.map(([transaction, time]) => item(transactionItem(transaction, time), transaction.txID))
      : [h('li', {}, h('span', { class: 'dim' }, 'None in the newest blocks. The faucet makes one.'))]));
  };
}

function blockItem(block) {
  const header = block.block_header.raw_data;
  const number = header.number || '0';
  const held = (block.transactions || []).length;
  return h('li', {},
    h('span', { class: 'what' }, link('block/' + number, 'Block ' + count(number)), ' ',
      h('span', { class: 'dim' }, held === 1 ? '1 transaction' : held + ' transactions')),
    h('span', { class: 'when' }, header.timestamp ? ago(header.timestamp) : ''));
}

function aboutChain() {
  const pace = typeof status.block_time === 'string' ? 'as soon as a transaction waits' : 'every ' + status.block_time.every_ms / 1000 + ' s';
  return rows(
    ['BTT token', partyInFull(status.btt)], ['Vault', partyInFull(status.vault)], ['faucet', partyInFull(status.faucet)],
    ['chain id', mono('0x' + status.chain_id.toString(16) + ' (' + status.chain_id + ')')], ['genesis', mono(status.genesis)],
    ['blocks', pace], ['final', status.solid_after_blocks ? 'after ' + status.solid_after_blocks + ' more blocks' : 'at once'],
    ['for tronweb', mono("new TronWeb({ fullHost: '" + location.origin + "' })")]);
}

function faucetCard() {
  const address = h('input', { placeholder: 'address, T…', 'aria-label': 'address', autocomplete: 'off', spellcheck: 'false' });
  const kind = h('select', { 'aria-label': 'coin' }, h('option', { value: 'trx' }, '10 000 TRX'), h('option', { value: 'btt' }, '1 000 000 BTT'));
  const said = h('p', { class: 'said' });
  const button = h('button', {}, 'Give');
  const form = h('form', {}, h('div', { class: 'faucet' }, address, kind, button), said);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const answer = await post('/dev/faucet', { address: address.value.trim(), coin: kind.value });
      said.className = 'said';
      said.replaceChildren('sent: ', link('tx/' + answer.txid, mono(short(answer.txid))));
    } catch (error) {
      said.className = 'said error';
      said.replaceChildren(error.message);
    }
    button.disabled = false;
  });
  return form;
}

async function blockPage(which) {
  const block = await wallet('getblock', { id_or_num: which, detail: true });
  if (!block.blockID) return missing('There is no block ' + which + '.');
  const header = block.block_header.raw_data;
  const number = BigInt(header.number || 0);
  const list = block.transactions || [];
  show(
    h('h1', {}, 'Block ' + count(number), h('small', {}, header.timestamp ? when(header.timestamp) : 'the first')),
    card('', rows(
      ['id', mono(block.blockID)], ['before it', number > 0n ? link('block/' + (number - 1n), mono(header.parentHash)) : null],
      ['made by', partyInFull(header.witness_address)], ['transactions', count(list.length)],
      ['merkle root', mono(header.txTrieRoot)], ['final', BigInt(status.solid.number) >= number ? 'yes' : 'not yet']),
    h('div', { class: 'pager' },
      number > 0n ? h('button', { class: 'plain', onclick: () => { location.hash = '/block/' + (number - 1n); } }, '← before') : null,
      number < BigInt(status.head.number) ? h('button', { class: 'plain', onclick: () => { location.hash = '/block/' + (number + 1n); } }, 'after →') : null)),
    list.length ? card('Transactions', h('ul', { class: 'list' }, list.map((transaction) => transactionItem(transaction)))) : null);
  return null;
}

async function transactionPage(id) {
  let transaction = await wallet('gettransactionbyid', { value: id });
  const waits = !transaction.txID;
  if (waits) transaction = await wallet('gettransactionfrompending', { value: id });
  if (!transaction.txID) return missing('There is no transaction ' + id + '.');
  const info = waits ? {} : await wallet('gettransactioninfobyid', { value: id });
  const events = waits ? [] : (await get('/v1/transactions/' + id + '/events?limit=200')).data;
  const contract = transaction.raw_data.contract[0];
  const value = contract.parameter.value;
  const receipt = info.receipt || {};
  const call = decodeCall(value.data);
  const isMoney = call && status && (value.contract_address === status.btt || value.contract_address === status.vault);
  const unit = isMoney ? { symbol: 'BTT', decimals: 18 } : call && value.contract_address ? await token(value.contract_address) : null;
  const failed = info.result === 'FAILED';
  const callRows = call ? call.values.map(([label, kind, given]) => [label,
    given === null ? null : kind === 'address' ? partyInFull(given) : kind === 'amount' && unit ? coin(given, unit) : mono(given.toString())]) : [];
  show(
    h('h1', {}, 'Transaction', h('small', { class: 'mono' }, id)),
    card('', rows(
      ['result', waits ? h('span', { class: 'tag' }, 'waits for a block') : failed
        ? h('span', {}, h('span', { class: 'tag bad' }, (receipt.result || 'failed').toLowerCase().replaceAll('_', ' ')), ' ', info.resMessage || '')
        : h('span', { class: 'tag' }, 'success')],
      ['what', described(transaction)],
      ['block', info.blockNumber ? h('span', {}, link('block/' + info.blockNumber, count(info.blockNumber)), ' ', h('span', { class: 'dim' }, when(info.blockTimeStamp))) : null],
      ['from', partyInFull(value.owner_address)],
      ['to', value.to_address ? partyInFull(value.to_address) : null],
      ['contract', info.contract_address ? partyInFull(info.contract_address) : value.contract_address ? partyInFull(value.contract_address) : null],
      ['sends', value.call_value ? trx(value.call_value) : null],
      ['fee', trx(info.fee)],
      ['energy', receipt.energy_usage_total ? h('span', {}, count(receipt.energy_usage_total), ' ', h('span', { class: 'dim' }, 'at most ' + units(transaction.raw_data.fee_limit || 0, 6) + ' TRX allowed')) : null],
      ['bandwidth', receipt.net_usage ? count(receipt.net_usage) + ' bytes, free' : receipt.net_fee ? h('span', {}, trx(receipt.net_fee)) : null],
      ['expires', transaction.raw_data.expiration ? new Date(Number(transaction.raw_data.expiration)).toLocaleString() : null])),
    call && callRows.length ? card('Call of ' + call.name, rows(...callRows)) : null,
    events.length ? card('Events', h('ul', { class: 'list' }, await Promise.all(events.map((event) => eventItem(event, false))))) : null,
    card('', h('details', {}, h('summary', {}, 'transaction as JSON'), h('pre', {}, JSON.stringify(transaction, null, 2))),
      h('details', {}, h('summary', {}, 'receipt as JSON'), h('pre', {}, JSON.stringify(info, null, 2)))));
  return null;
}

async function addressPage(address) {
  const [account] = (await get('/v1/accounts/' + address + '?int64_as_string=true')).data;
  const contract = await wallet('getcontract', { value: address });
  if (!account && !contract.contract_address) {
    return missing('Nobody has used ' + address + ' yet.', 'It exists from the moment somebody sends something to it.');
  }
  const held = account && account.trc20 && account.trc20[0] ? account.trc20[0][status.btt] : null;
  const history = (await get('/v1/accounts/' + address + '/transactions?limit=25')).data;
  const visible = await Promise.all(history.map((transaction) => wallet('gettransactionbyid', { value: transaction.txID })));
  const events = contract.contract_address ? (await get('/v1/contracts/' + address + '/events?limit=25')).data : [];
  const self = contract.contract_address ? await token(address) : null;
  show(
    h('h1', {}, nameOf(address) || (contract.contract_address ? contract.name || 'Contract' : 'Account'), h('small', { class: 'mono' }, address)),
    card('', rows(
      ['balance', h('span', {}, trx(account ? account.balance : 0))],
      ['', held ? coin(held, { symbol: 'BTT', decimals: 18 }) : null],
      ['token', self ? self.symbol + ', ' + self.decimals + ' decimals' : null],
      ['deployed by', contract.origin_address ? partyInFull(contract.origin_address) : null],
      ['since', account && account.create_time ? when(account.create_time) : null])),
    visible.length ? card('Transactions', h('ul', { class: 'list' }, visible.filter((one) => one.txID).map((one, i) => transactionItem(one, history[i].block_timestamp)))) : null,
    events.length ? card('Events', h('ul', { class: 'list' }, await Promise.all(events.map((event) => eventItem(event, true))))) : null,
    contract.abi && contract.abi.entrys ? card('', h('details', {}, h('summary', {}, 'what it can do (' + contract.abi.entrys.length + ' entries of its ABI)'), h('pre', {}, contract.abi.entrys.map(declared).join('\n')))) : null);
  return null;
}

function declared(entry) {
  const list = (parameters) => (parameters || []).map((one) => (one.type + (one.indexed ? ' indexed' : '') + ' ' + (one.name || '')).trim()).join(', ');
  const outputs = entry.outputs && entry.outputs.length ? ' returns (' + list(entry.outputs) + ')' : '';
  const kind = entry.stateMutability && entry.stateMutability !== 'Nonpayable' ? ' ' + entry.stateMutability.toLowerCase() : '';
  return (entry.type || '').toLowerCase() + ' ' + (entry.name || '') + '(' + list(entry.inputs) + ')' + kind + outputs;
}

function missing(...sentences) {
  show(h('h1', {}, 'Nothing here'), card('', sentences.map((sentence) => h('p', {}, sentence)), h('p', {}, link('', 'to the newest blocks'))));
  return null;
}

// ---- Which page -----------------------------------------------------------------------------------

async function route() {
  const mine = ++turn;
  clearTimeout(timer);
  const [, page, argument] = location.hash.split('/').map((part) => { try { return decodeURIComponent(part); } catch { return ''; } });
  let refresh = null;
  try {
    status = await get('/dev/status');
    if (mine !== turn) return;
    if (page === 'block') refresh = await blockPage(argument);
    else if (page === 'tx') refresh = await transactionPage(argument);
    else if (page === 'address') refresh = await addressPage(argument);
    else refresh = await home();
    footer.replaceChildren('shoal chain ' + status.version + ' · a chain for development on this machine');
    window.scrollTo(0, 0);
    if (refresh) await refresh();
  } catch (error) {
    if (mine === turn) show(h('h1', {}, 'The chain does not answer'), card('', h('p', { class: 'error' }, error.message)));
  }
  document.body.dataset.ready = 'yes';
  const again = async () => {
    if (mine !== turn) return;
    try {
      if (!document.hidden) {
        status = await get('/dev/status');
        if (mine === turn && refresh) await refresh();
      }
    } catch { /* It may have been stopped; it is asked again. */ }
    if (mine === turn) timer = setTimeout(again, REFRESH_MS);
  };
  if (refresh) timer = setTimeout(again, REFRESH_MS);
}

document.getElementById('search').addEventListener('submit', async (event) => {
  event.preventDefault();
  const field = document.getElementById('query');
  const asked = field.value.trim().replace(/^0x/, '');
  if (!asked) return;
  field.value = '';
  if (/^T[1-9A-HJ-NP-Za-km-z]{33}$/.test(asked)) location.hash = '/address/' + asked;
  else if (/^41[0-9a-fA-F]{40}$/.test(asked)) location.hash = '/address/' + base58(asked.slice(2).toLowerCase());
  else if (/^[0-9a-fA-F]{40}$/.test(asked)) location.hash = '/address/' + base58(asked.toLowerCase());
  else if (/^[0-9]{1,15}$/.test(asked)) location.hash = '/block/' + asked;
  else if (/^0{8}[0-9a-fA-F]{56}$/.test(asked)) location.hash = '/block/' + asked.toLowerCase();
  else if (/^[0-9a-fA-F]{64}$/.test(asked)) location.hash = '/tx/' + asked.toLowerCase();
  else missing('That is neither a block nor a transaction nor an address:', asked);
});
window.addEventListener('hashchange', route);
route();
