/** Sends a file, ends, and prints what came back. Arguments: HOST PORT FILE. */
import { createReadStream } from 'node:fs'
import { connect } from 'node:net'
import { pipeline } from 'node:stream/promises'

const [, , host, port, file] = process.argv
const socket = connect({ host, port: Number(port), allowHalfOpen: true })
await Promise.all([
  pipeline(createReadStream(file), socket),
  pipeline(socket, process.stdout, { end: false }),
])
