/**
 * Servers that say who asked whom: each line over TCP, and each datagram, is answered with
 * `<own address> <client's endpoint> <number of the line or datagram> <what was sent>`; the first of
 * a client has number 1. usage: echo_servers.mjs PORT ADDRESS...
 */
import { createSocket } from 'node:dgram'
import { createServer, isIPv6 } from 'node:net'
import { createInterface } from 'node:readline'

const [, , port, ...addresses] = process.argv

const endpoint = (address, l4Port) =>
  isIPv6(address) ? `[${address}]:${l4Port}` : `${address}:${l4Port}`

function startTcp(address) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const client = endpoint(socket.remoteAddress, socket.remotePort)
    const lines = createInterface({ input: socket })
    let count = 0
    lines.on('line', (line) => socket.write(`${address} ${client} ${++count} ${line}\n`))
    lines.on('close', () => socket.end())
    // A client may go away as it likes, which readline tells, too.
    for (const emitter of [socket, lines]) emitter.on('error', () => {})
  })
  return new Promise((resolve) => server.listen(Number(port), address, resolve))
}

function startUdp(address) {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const counts = new Map()
  socket.on('message', (message, { address: from, port: fromPort }) => {
    const client = endpoint(from, fromPort)
    const count = (counts.get(client) ?? 0) + 1
    counts.set(client, count)
    socket.send(`${address} ${client} ${count} ${message}\n`, fromPort, from)
  })
  return new Promise((resolve) => socket.bind(Number(port), address, resolve))
}

await Promise.all(addresses.flatMap((address) => [startTcp(address), startUdp(address)]))
console.log('ready')
