// Unmodified `tronweb` drives a chain, driven by the interop harness.
//
// usage: node tronweb.mjs MODULES URL ARTIFACTS CHECK [TRANSACTION...]
//
// MODULES is the node_modules folder, ARTIFACTS that of the compiled contracts, CHECK one of those at the end.
// Exits with 0 if all is as on the real network.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { pathToFileURL } from 'node:url'

const [modules, url, artifacts, check, ...more] = process.argv.slice(2)
const { TronWeb, utils } = await import(pathToFileURL(`${modules}/tronweb/lib/esm/index.js`))
const { txCheck, txJsonToPb, txPbToRawDataHex, txPbToTxID } = utils.transaction
const artifact = name => JSON.parse(fs.readFileSync(`${artifacts}/${name}.json`))
const FEE_LIMIT = 1_000_000_000
const ZERO = 'T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb'

// An account with TRX, as a client of its own.
async function account (trx = 10_000) {
  const { privateKey, address } = utils.accounts.generateAccount()
  const client = new TronWeb({ fullHost: url, privateKey })
  client.me = address.base58
  if (trx > 0) {
    await client.fullNode.request('dev/faucet', { address: client.me, amount: `${trx * 1_000_000}` }, 'post')
  }
  return client
}

// What a broadcast was refused with.
function refusal (answer) {
  assert.ok(!answer.result, JSON.stringify(answer))
  return [answer.code, TronWeb.toUtf8(answer.message)]
}

async function deploy (client, name, parameters) {
  const { abi, bytecode } = artifact(name)
  const contract = await client.contract().new({
    abi, bytecode: bytecode.replace(/^0x/, ''), feeLimit: FEE_LIMIT, callValue: 0, name, parameters,
  })
  return { abi, address: contract.address, contract: client.contract(abi, contract.address) }
}

const send = (method, options = {}) =>
  method.send({ feeLimit: FEE_LIMIT, shouldPollResponse: true, keepTxID: true, ...options })

async function rejection (promise) {
  try {
    await promise
  } catch (error) {
    return error.message ?? String(error)
  }
  assert.fail('it should have been refused')
}

const checks = {
  async transfers () {
    const alice = await account()
    const bob = utils.accounts.generateAccount().address.base58
    assert.ok(await alice.isConnected().then(all => all.fullNode && all.solidityNode && all.eventServer))
    const sent = await alice.trx.sendTransaction(bob, 1_500_000)
    assert.equal(sent.result, true)
    assert.equal(sent.txid, sent.transaction.txID)
    assert.equal(await alice.trx.getBalance(bob), 1_500_000)
    assert.equal(await alice.trx.getUnconfirmedBalance(bob), 1_500_000)
    const info = await alice.trx.getTransactionInfo(sent.txid)
    // 1 TRX for a new account, 0.1 TRX for its bandwidth.
    assert.equal(info.fee, 1_100_000)
    assert.equal(await alice.trx.getBalance(alice.me), 10_000_000_000 - 1_500_000 - info.fee)
    const found = await alice.trx.getTransaction(sent.txid)
    assert.deepEqual(found.ret, [{ contractRet: 'SUCCESS' }])
    assert.ok(txCheck(found))
    assert.equal(found.raw_data_hex, sent.transaction.raw_data_hex)
    const block = await alice.trx.getBlock(info.blockNumber)
    assert.equal(block.block_header.raw_data.number, info.blockNumber)
    assert.deepEqual((await alice.trx.getBlockByHash(block.blockID)).blockID, block.blockID)
    assert.ok((await alice.trx.getBlockRange(0, info.blockNumber)).length === info.blockNumber + 1)
    assert.equal((await alice.trx.getTransactionFromBlock(info.blockNumber, 0)).txID, sent.txid)
    // A memo, and the bytes of a transaction as they are.
    const plain = await alice.transactionBuilder.sendTrx(bob, 7, alice.me)
    const noted = await alice.transactionBuilder.addUpdateData(plain, 'thanks', 'utf8')
    const signed = await alice.trx.sign(noted)
    const bytes = utils.transaction.txJsonToPb(signed)
    for (const signature of signed.signature) bytes.addSignature(Uint8Array.from(Buffer.from(signature, 'hex')))
    const hex = Buffer.from(bytes.serializeBinary()).toString('hex')
    const broadcast = await alice.trx.sendHexTransaction(hex)
    assert.equal(broadcast.result, true)
    assert.equal(broadcast.txid, signed.txID)
    assert.equal(broadcast.transaction.raw_data.data, Buffer.from('thanks').toString('hex'))
    assert.equal(await alice.trx.getBalance(bob), 1_500_007)
  },

  async reads () {
    const alice = await account()
    const parameters = await alice.trx.getChainParameters()
    const parameter = name => parameters.find(({ key }) => key === name)?.value
    assert.equal(parameter('getEnergyFee'), 100)
    assert.equal(parameter('getTransactionFee'), 1_000)
    assert.equal(parameter('getAllowTvmCancun'), 1)
    assert.match(await alice.trx.getEnergyPrices(), /:100$/)
    assert.match(await alice.trx.getBandwidthPrices(), /:1000$/)
    assert.equal(await alice.trx.getBandwidth(alice.me), 600)
    assert.equal((await alice.trx.getAccountResources(alice.me)).freeNetLimit, 600)
    assert.match((await alice.trx.getNodeInfo()).configNodeInfo.codeVersion, /^4\.\d/)
    assert.equal((await alice.trx.getAccount(alice.me)).balance, 10_000_000_000)
    const raw = await alice.trx.raw.getAccount(alice.me)
    assert.equal(raw.balance, '10000000000')
    const nobody = utils.accounts.generateAccount().address.base58
    assert.deepEqual(await alice.trx.getAccount(nobody), {})
    assert.equal(await alice.trx.getBalance(nobody), 0)
    assert.deepEqual(await alice.trx.getUnconfirmedTransactionInfo('00'.repeat(32)), {})
    assert.match(await rejection(alice.trx.getTransaction('00'.repeat(32))), /not found/i)
    assert.deepEqual(await alice.trx.getContract(nobody), {})
    const node = await alice.fullNode.request('wallet/validateaddress', { address: alice.me }, 'post')
    assert.deepEqual(node, { result: true, message: 'Base58check format' })
    const weight = await alice.trx.getSignWeight(await alice.trx.sign(await alice.transactionBuilder.sendTrx(nobody, 1, alice.me)))
    assert.equal(weight.current_weight, 1)
    // JSON-RPC beside it, which tronweb's readers of Ethereum use.
    const rpc = async (method, ...params) => {
      const reply = await fetch(`${url}/jsonrpc`, { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })
      return await reply.json()
    }
    const genesis = await alice.trx.getBlock(0)
    assert.equal((await rpc('eth_chainId')).result, '0x' + genesis.blockID.slice(-8).replace(/^0+/, ''))
    assert.equal(BigInt((await rpc('eth_getBalance', TronWeb.address.toHex(alice.me).replace(/^41/, '0x'), 'latest')).result), 10_000_000_000n)
    assert.match((await rpc('eth_sendRawTransaction', '0x00')).error.message, /the method eth_sendRawTransaction does not exist/)
  },

  async tokens () {
    const [alice, bob] = [await account(), await account()]
    const supply = 10n ** 30n
    const { abi, address } = await deploy(alice, 'Btt', [alice.me, supply.toString()])
    const created = await alice.trx.getContract(address)
    assert.equal(created.name, 'Btt')
    assert.equal(TronWeb.address.fromHex(created.origin_address), alice.me)
    // By the ABI that the chain keeps.
    const token = await alice.contract().at(address)
    assert.equal(await token.symbol().call(), 'BTT')
    assert.equal(BigInt(await token.decimals().call()), 18n)
    assert.equal(BigInt(await token.balanceOf(alice.me).call()), supply)
    const [id, moved] = await send(token.transfer(bob.me, '5000000000000000000000'))
    assert.equal(moved, true)
    const receipt = await alice.trx.getTransactionInfo(id)
    assert.equal(receipt.receipt.result, 'SUCCESS')
    assert.equal(receipt.log.length, 1)
    assert.equal(receipt.log[0].address, TronWeb.address.toHex(address).slice(2))
    assert.equal(receipt.receipt.energy_fee, receipt.receipt.energy_usage_total * 100)
    assert.equal(BigInt(await token.balanceOf(bob.me).call()), 5n * 10n ** 21n)
    const estimate = await alice.transactionBuilder.estimateEnergy(address, 'transfer(address,uint256)', {},
      [{ type: 'address', value: bob.me }, { type: 'uint256', value: '1' }], alice.me)
    const constant = await alice.transactionBuilder.triggerConstantContract(address, 'transfer(address,uint256)', {},
      [{ type: 'address', value: bob.me }, { type: 'uint256', value: '1' }], alice.me)
    assert.equal(estimate.energy_required, constant.energy_used)
    const [again] = await send(token.transfer(bob.me, '1'))
    const used = (await alice.trx.getTransactionInfo(again)).receipt.energy_usage_total
    assert.equal(used, estimate.energy_required, 'what was estimated is what is used')
    await send(token.approve(bob.me, '77'))
    const byBob = bob.contract(abi, address)
    assert.equal(BigInt(await byBob.allowance(alice.me, bob.me).call()), 77n)
    await send(byBob.transferFrom(alice.me, bob.me, '70'))
    assert.equal(BigInt(await byBob.allowance(alice.me, bob.me).call()), 7n)
    // Everything by the node's own builder, and all by tronweb's.
    const byNode = await alice.transactionBuilder.triggerSmartContract(address, 'transfer(address,uint256)',
      { feeLimit: FEE_LIMIT }, [{ type: 'address', value: bob.me }, { type: 'uint256', value: '3' }], alice.me)
    assert.ok(txCheck(byNode.transaction))
    const local = await alice.transactionBuilder.triggerSmartContract(address, 'transfer(address,uint256)',
      { feeLimit: FEE_LIMIT, txLocal: true }, [{ type: 'address', value: bob.me }, { type: 'uint256', value: '3' }], alice.me)
    for (const { transaction } of [byNode, local]) {
      assert.equal((await alice.trx.sendRawTransaction(await alice.trx.sign(transaction))).result, true)
    }
  },

  async events () {
    const alice = await account()
    const { address, contract } = await deploy(alice, 'Btt', [alice.me, '1000000'])
    const others = []
    for (let i = 1; i <= 7; i++) {
      const to = utils.accounts.generateAccount().address.base58
      const [id] = await send(contract.transfer(to, i))
      others.push({ to, id })
    }
    const { data: [event] } = await alice.event.getEventsByTransactionID(others[2].id)
    assert.equal(event.event_name, 'Transfer')
    assert.equal(event.contract_address, TronWeb.address.fromHex(address))
    assert.equal(event.result.value, '3')
    assert.equal(event.result.to, '0x' + TronWeb.address.toHex(others[2].to).slice(2))
    assert.deepEqual(event.result_type, { from: 'address', to: 'address', value: 'uint256' })
    assert.equal(event.transaction_id, others[2].id)
    const inBlock = await alice.event.getEventsByBlockNumber(event.block_number)
    assert.deepEqual(inBlock.data.map(one => one.transaction_id), [others[2].id])
    assert.equal((await alice.event.getEventsOfLatestBlock()).data.length, 1)
    // Pages, oldest first, then newest first.
    for (const orderBy of ['block_timestamp,asc', 'block_timestamp,desc']) {
      const values = []
      let fingerprint
      do {
        const page = await alice.event.getEventsByContractAddress(address, { eventName: 'Transfer', limit: 3, orderBy, fingerprint })
        assert.ok(page.data.length <= 3)
        values.push(...page.data.map(one => Number(one.result.value)))
        fingerprint = page.meta.fingerprint
      } while (fingerprint)
      const expected = [1_000_000, 1, 2, 3, 4, 5, 6, 7]
      assert.deepEqual(values, orderBy.endsWith('asc') ? expected : expected.reverse())
    }
    const one = await alice.event.getEventsByContractAddress(address, { blockNumber: event.block_number })
    assert.equal(one.data.length, 1)
    const late = await alice.event.getEventsByContractAddress(address, { minBlockTimestamp: event.block_timestamp + 1, limit: 200 })
    assert.ok(late.data.every(other => other.block_timestamp > event.block_timestamp))
    assert.equal((await alice.event.getEventsByContractAddress(address, { eventName: 'Approval' })).data.length, 0)
    const transfers = await alice.fullNode.request(`v1/accounts/${others[0].to}/transactions/trc20`)
    assert.deepEqual(transfers.data.map(({ value, token_info: { symbol, decimals } }) => [value, symbol, decimals]), [['1', 'BTT', 18]])
    const history = await alice.fullNode.request(`v1/accounts/${alice.me}/transactions?limit=4`)
    assert.equal(history.data.length, 4)
    assert.equal(history.data[0].txID, others[6].id)
  },

  async vouchers () {
    const [owner, signer, payee] = [await account(), await account(0), await account(1000)]
    const token = await deploy(owner, 'Btt', [owner.me, '1000000000'])
    const vault = await deploy(owner, 'Vault', [TronWeb.address.fromHex(token.address)])
    const to = TronWeb.address.fromHex(vault.address)
    await send(token.contract.approve(to, '1000000'))
    await send(vault.contract.deposit(owner.me, signer.me, '5000'))
    await send(vault.contract.lock(signer.me, payee.me, '3000', 60))
    const channel = await vault.contract.channelOf(owner.me, signer.me, payee.me).call()
    const genesis = await owner.trx.getBlock(0)
    const domain = { name: 'Shoal Vault', version: '1', chainId: Number('0x' + genesis.blockID.slice(-8)), verifyingContract: to }
    const types = { Voucher: [{ name: 'channel', type: 'bytes32' }, { name: 'cumulative', type: 'uint256' }] }
    const voucher = cumulative => signer.trx.signTypedData(domain, types, { channel, cumulative: `${cumulative}` })
    const redeem = (cumulative, signature) => payee.contract(vault.abi, to)
      .redeem([owner.me], [signer.me], [payee.me], [`${cumulative}`], [signature])
    const [id] = await send(redeem(1200, voucher(1200)))
    const balance = async who => BigInt(await token.contract.balanceOf(who).call())
    assert.equal(await balance(payee.me), 1200n)
    const { data } = await payee.event.getEventsByTransactionID(id)
    const redeemed = data.find(({ event_name: name }) => name === 'Redeemed')
    assert.equal(redeemed.result.amount, '1200')
    assert.equal('0x' + redeemed.result.channel.replace(/^0x/, ''), channel)
    // Stale pays nothing; of another channel, or changed, it reverts.
    await send(redeem(1200, voucher(1200)))
    assert.equal(await balance(payee.me), 1200n)
    const foreign = signer.trx.signTypedData({ ...domain, chainId: domain.chainId - 1 }, types, { channel, cumulative: '2000' })
    assert.match(await rejection(send(redeem(2000, foreign))), /REVERT/)
    assert.match(await rejection(send(redeem(2001, voucher(2000)))), /REVERT/)
    await send(redeem(9999, voucher(9999)))
    assert.equal(await balance(payee.me), 3000n, 'what is locked, and no more')
  },

  async errors () {
    const [alice, bob] = [await account(), await account(5)]
    const transfer = (amount, options) => alice.transactionBuilder.sendTrx(bob.me, amount, alice.me, options)
    // Twice the same.
    const signed = await alice.trx.sign(await transfer(1))
    assert.equal((await alice.trx.sendRawTransaction(signed)).result, true)
    const [dup, dupWords] = refusal(await alice.trx.sendRawTransaction(signed))
    assert.equal(dup, 'DUP_TRANSACTION_ERROR')
    assert.match(dupWords, /^(Dup transaction\.|Transaction already exists\.)$/)
    // Somebody else's signature.
    const mine = await transfer(2)
    const theirs = utils.crypto.signTransaction(bob.defaultPrivateKey, structuredClone(mine))
    const [sig, sigWords] = refusal(await alice.trx.sendRawTransaction(theirs))
    assert.equal(sig, 'SIGERROR')
    assert.equal(sigWords, `Validate signature error: ${theirs.signature[0].toLowerCase()} is signed by ${bob.me} but it is not contained of permission.`)
    // Too late.
    const head = await alice.trx.getCurrentBlock()
    const reference = await alice.trx.getCurrentRefBlockParams()
    const late = await transfer(3, { blockHeader: { ...reference, expiration: head.block_header.raw_data.timestamp - 1 } })
    assert.deepEqual(refusal(await alice.trx.sendRawTransaction(await alice.trx.sign(late))), ['TRANSACTION_EXPIRATION_ERROR', 'Transaction expired'])
    // Of another chain.
    const foreign = await transfer(4, { blockHeader: { ...reference, ref_block_hash: '0011223344556677' } })
    assert.deepEqual(refusal(await alice.trx.sendRawTransaction(await alice.trx.sign(foreign))), ['TAPOS_ERROR', 'Tapos check error.'])
    // More than there is.
    const rich = await transfer(20_000_000_000)
    assert.deepEqual(refusal(await alice.trx.sendRawTransaction(await alice.trx.sign(rich))),
      ['CONTRACT_VALIDATE_ERROR', 'Contract validate error : Validate TransferContract error, balance is not sufficient.'])
    const unfunded = await account(0)
    const poor = await unfunded.trx.sign(await unfunded.transactionBuilder.sendTrx(bob.me, 1, unfunded.me))
    assert.deepEqual(refusal(await unfunded.trx.sendRawTransaction(poor)),
      ['CONTRACT_VALIDATE_ERROR', `Contract validate error : account [${unfunded.me}] does not exist`])
    // What no chain for development stakes.
    const frozen = await alice.trx.sign(await alice.transactionBuilder.freezeBalanceV2(1_000_000, 'ENERGY', alice.me))
    assert.equal(refusal(await alice.trx.sendRawTransaction(frozen))[0], 'CONTRACT_VALIDATE_ERROR')
    // Calls.
    const token = await deploy(alice, 'Btt', [alice.me, '10'])
    const nobody = '41' + '11'.repeat(20)
    assert.match(await rejection(alice.transactionBuilder.triggerSmartContract(nobody, 'f()', {}, [], alice.me)), /No contract or not a valid smart contract/)
    assert.match(await rejection(alice.transactionBuilder.triggerConstantContract(nobody, 'f()', {}, [], alice.me)), /Smart contract is not exist\./)
    assert.match(await rejection(alice.transactionBuilder.triggerConstantContract(token.address, 'transfer(address,uint256)', {},
      [{ type: 'address', value: bob.me }, { type: 'uint256', value: '11' }], alice.me)), /REVERT opcode executed/)
    const failing = await token.contract.transfer(bob.me, '11').send({ feeLimit: FEE_LIMIT })
    const failed = await alice.trx.getTransactionInfo(failing)
    assert.equal(failed.result, 'FAILED')
    assert.equal(failed.receipt.result, 'REVERT')
    assert.equal(TronWeb.toUtf8(failed.resMessage), 'REVERT opcode executed')
    assert.ok(failed.receipt.energy_usage_total > 0 && failed.fee > 0)
    assert.deepEqual((await alice.trx.getTransaction(failing)).ret, [{ contractRet: 'REVERT' }])
    assert.match(await rejection(send(token.contract.transfer(bob.me, '11'))), /REVERT opcode executed/)
    // Too little energy takes all that was allowed.
    const starved = await token.contract.transfer(bob.me, '1').send({ feeLimit: 1_000_000 })
    const hungry = await alice.trx.getTransactionInfo(starved)
    assert.equal(hungry.receipt.result, 'OUT_OF_ENERGY')
    assert.match(TronWeb.toUtf8(hungry.resMessage), /^Not enough energy for/)
    assert.equal(hungry.receipt.energy_usage_total, 10_000)
    // Plain TRX for a contract, as the real network refuses it.
    const gift = await alice.transactionBuilder.sendTrx(token.address, 1, alice.me)
    assert.match(refusal(await alice.trx.sendRawTransaction(await alice.trx.sign(gift)))[1], /Cannot transfer TRX to a smartContract/)
    // Nonsense.
    const nonsense = await alice.fullNode.request('wallet/getaccount', { address: 'zz' }, 'post')
    assert.match(nonsense.Error, /^class .* : .*INVALID hex String$/)
    const empty = await alice.fullNode.request('wallet/broadcasthex', { transaction: '0a' }, 'post')
    assert.match(empty.Error, /^class com\.google\.protobuf\.InvalidProtocolBufferException : /)
  },

  // With blocks on a schedule, what is sent is found in /walletsolidity when its block is final.
  async patience () {
    const alice = await account(0)
    await alice.fullNode.request('dev/faucet', { address: alice.me }, 'post')
    const found = async (read, patience = 100) => {
      for (let i = 0; i < patience; i++) {
        const value = await read()
        if (Object.keys(value).length > 0) return value
        await new Promise(resolve => setTimeout(resolve, 100))
      }
      assert.fail('nothing came')
    }
    await found(() => alice.trx.getAccount(alice.me))
    const { txid } = await alice.trx.sendTransaction(ZERO, 5)
    assert.deepEqual(await alice.trx.getTransactionInfo(txid), {}, 'not at once')
    const early = await found(() => alice.trx.getUnconfirmedTransactionInfo(txid))
    assert.deepEqual(await alice.trx.getTransactionInfo(txid), {}, 'in a block, which is not final yet')
    assert.deepEqual(await found(() => alice.trx.getTransactionInfo(txid)), early)
  },

  // Time passes between two transactions on a chain that makes blocks on demand.
  async pauses () {
    const alice = await account()
    await alice.fullNode.request('dev/skip-time', { ms: 3 * 86_400_000 }, 'post')
    assert.equal((await alice.trx.sendTransaction(ZERO, 1)).result, true)
    await alice.fullNode.request('dev/skip-time', { ms: 30_000 }, 'post')
    assert.equal((await alice.trx.sendTransaction(ZERO, 2)).result, true)
  },

  // Transactions of our own, as hexadecimal digits of their raw data: tronweb reads each, and encodes what it
  // read to the same bytes.
  async ours () {
    assert.ok(more.length > 0)
    for (const hex of more) {
      const bytes = Buffer.from(hex, 'hex')
      const types = [['TransferContract'], ['TriggerSmartContract'], ['CreateSmartContract']]
      const [type] = types.find(([type]) => bytes.includes(`protocol.${type}`))
      const raw = utils.deserializeTx.deserializeTransaction(type, hex)
      const transaction = { visible: false, raw_data: raw, raw_data_hex: hex, txID: '' }
      const pb = txJsonToPb(transaction)
      assert.equal(txPbToRawDataHex(pb).toLowerCase(), hex)
      transaction.txID = txPbToTxID(pb).replace(/^0x/, '')
      assert.ok(txCheck(transaction))
      console.log(transaction.txID)
    }
  },
}

await checks[check]()
console.log('all is well')
