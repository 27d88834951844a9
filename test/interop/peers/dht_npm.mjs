// A node of npm `bittorrent-dht`, driven by the interop harness.
//
// usage: node dht_npm.mjs MODULES ADDRESS:PORT [--node ADDRESS:PORT]...
//
// MODULES is the node_modules folder. The rest, the commands on standard input and the events are those
// of dht_libtorrent.py; `sign` has the sequence number 1.
import crypto from 'node:crypto'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [modules, listen, ...rest] = process.argv.slice(2)
const { default: DHT } = await import(pathToFileURL(`${modules}/bittorrent-dht/index.js`))
const known = rest.filter(word => word !== '--node')
const [host, port] = listen.split(':')
const bytes = hex => Buffer.from(hex === '-' ? '' : hex, 'hex')
const emit = (event, fields) => console.log(JSON.stringify({ event, ...fields }))
const fail = error => { console.error(error); process.exit(1) }
const sha1 = data => crypto.createHash('sha1').update(data).digest('hex')

// Node wants keys in DER: what stands before the 32 bytes is the same for all.
const key = (der, raw, make) => make({ key: Buffer.concat([bytes(der), raw]), format: 'der', type: der.length > 24 ? 'pkcs8' : 'spki' })
const publicKey = raw => key('302a300506032b6570032100', raw, crypto.createPublicKey)
const privateKey = seed => key('302e020100300506032b657004220420', seed, crypto.createPrivateKey)
const verify = (signature, message, raw) => crypto.verify(null, message, publicKey(raw), signature)

// Nobody is far away, and some are gone.
const dht = new DHT({ bootstrap: known, verify, timeout: 400 })
dht.on('error', fail)
dht.listen(Number(port), host, () => emit('listening', { addr: `${host}:${port}` }))
dht.on('ready', () => emit('ready', {}))

const commands = {
  announce: (hash, port) => dht.announce(hash, Number(port), error => error ? fail(error) : emit('announced', { hash })),
  peers: hash => {
    const found = new Set()
    const note = (peer, of) => { if (of.toString('hex') === hash) found.add(`${peer.host}:${peer.port}`) }
    dht.on('peer', note)
    dht.lookup(hash, error => {
      dht.off('peer', note)
      if (error) fail(error)
      emit('peers', { hash, peers: [...found] })
    })
  },
  put: value => put({ v: bytes(value) }),
  sign: (seed, key, salt, value) => put({
    v: bytes(value),
    k: bytes(key),
    seq: 1,
    ...(salt === '-' ? {} : { salt: bytes(salt) }),
    sign: message => crypto.sign(null, message, privateKey(bytes(seed)))
  }),
  get: target => get(target, {}),
  find: (key, salt) => get(sha1(Buffer.concat([bytes(key), bytes(salt)])), salt === '-' ? {} : { salt: bytes(salt) })
}

function put (item) {
  dht.put(item, (error, target) => error ? fail(error) : emit('stored', { target: target.toString('hex') }))
}

function get (target, options) {
  dht.get(target, options, (error, item) => {
    if (error) fail(error)
    emit('value', { target, value: item ? item.v.toString('hex') : null, seq: item?.seq })
  })
}

createInterface({ input: process.stdin })
  .on('line', line => { const [name, ...words] = line.split(' '); commands[name](...words) })
  .on('close', () => process.exit(0))
