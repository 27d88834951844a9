// Keystores, messages and structured data: unmodified `ethers` and `tronweb` read ours and make theirs.
//
// usage: node wallet_tronweb.mjs MODULES FOLDER ours|theirs
//
// In FOLDER lie `ours.json` (what our wallet made) and `keystore.json`; `theirs` writes `theirs.json` and
// `their-keystore.json` there.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { pathToFileURL } from 'node:url'

const [modules, folder, check] = process.argv.slice(2)
const { TronWeb, utils } = await import(pathToFileURL(`${modules}/tronweb/lib/esm/index.js`))
const ethers = await import(pathToFileURL(`${modules}/ethers/lib.esm/index.js`))
const read = name => JSON.parse(fs.readFileSync(`${folder}/${name}`))
const { domain, types, primaryType, message } = read('typed.json')
const client = new TronWeb({ fullHost: 'http://127.0.0.1:1' })

if (check === 'ours') {
  const { address, key, password, text, signature, typedSignature } = read('ours.json')
  const keystore = fs.readFileSync(`${folder}/keystore.json`, 'utf8')
  assert.ok(ethers.isKeystoreJson(keystore))
  const opened = await ethers.Wallet.fromEncryptedJson(keystore, password)
  assert.equal(opened.privateKey, `0x${key}`)
  assert.equal(TronWeb.address.fromPrivateKey(key), address)
  await assert.rejects(ethers.Wallet.fromEncryptedJson(keystore, 'another'))
  assert.equal(await client.trx.verifyMessageV2(text, signature), address)
  assert.notEqual(await client.trx.verifyMessageV2(`${text}.`, signature), address)
  assert.equal(await client.trx.verifyTypedData(domain, types, message, typedSignature, address), true)
  assert.equal(await client.trx.signMessageV2(text, key), signature)
  assert.equal(await client.trx.signTypedData(domain, types, message, key), typedSignature)
} else if (check === 'theirs') {
  const { privateKey, address } = utils.accounts.generateAccount()
  const key = `0x${privateKey.toLowerCase()}`
  const account = { address: ethers.computeAddress(key), privateKey: key }
  const scrypt = { N: 4096, r: 8, p: 1 }
  const keystore = await ethers.encryptKeystoreJson(account, 'their password', { scrypt })
  fs.writeFileSync(`${folder}/their-keystore.json`, keystore)
  const text = 'Grüße, and\nanother line'
  fs.writeFileSync(`${folder}/their-text`, text)
  fs.writeFileSync(`${folder}/theirs.json`, JSON.stringify({
    address: address.base58,
    signature: await client.trx.signMessageV2(text, privateKey),
    typedSignature: await client.trx.signTypedData(domain, types, message, privateKey)
  }))
} else {
  throw new Error(`no such check: ${check}`)
}
assert.equal(primaryType, 'Order')
console.log('all is well')
