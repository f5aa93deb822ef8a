/**
 * Kernel sockets on command, one JSON object on each line. In: `{ id, open: { protocol, host, port,
 * localAddress, localPort, allowHalfOpen, keepAliveMs } }`, `{ id, write: text }`, `{ id, end: true }`,
 * `{ id, reset: true }`. Out: `{ id, event }` with `open` and the own endpoint, `data` and the text,
 * `close`, or `error` and its code.
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { createInterface } from 'node:readline'

const sockets = new Map()

function tell(id, event, rest) {
  process.stdout.write(`${JSON.stringify({ id, event, ...rest })}\n`)
}

function endpoint({ address, port }) {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}

const failed = (id) => (error) => tell(id, 'error', { code: error.code })

function openTcp(id, { keepAliveMs, ...to }) {
  const socket = connect({ ...to, noDelay: true })
  if (keepAliveMs) socket.setKeepAlive(true, keepAliveMs)
  socket.on('connect', () => {
    const local = { address: socket.localAddress, port: socket.localPort }
    tell(id, 'open', { local: endpoint(local) })
  })
  socket.setEncoding('latin1')
  socket.on('data', (text) => tell(id, 'data', { text }))
  socket.on('close', () => tell(id, 'close'))
  socket.on('error', failed(id))
  return {
    write: (text) => socket.write(text, 'latin1'),
    end: () => socket.end(),
    reset: () => socket.resetAndDestroy(),
  }
}

function openUdp(id, { host, port, localAddress, localPort }) {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  socket.on('message', (message) => tell(id, 'data', { text: message.toString('latin1') }))
  socket.on('close', () => tell(id, 'close'))
  socket.on('error', failed(id))
  socket.bind(localPort ?? 0, localAddress, () => {
    socket.connect(port, host, (error) => {
      if (error) failed(id)(error)
      else tell(id, 'open', { local: endpoint(socket.address()) })
    })
  })
  return { write: (text) => socket.send(Buffer.from(text, 'latin1')), end: () => socket.close() }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, open, write, end, reset } = JSON.parse(line)
  if (open) sockets.set(id, (open.protocol === 'udp' ? openUdp : openTcp)(id, open))
  if (write !== undefined) sockets.get(id).write(write)
  if (end) sockets.get(id).end()
  if (reset) sockets.get(id).reset()
})
tell(0, 'ready')
