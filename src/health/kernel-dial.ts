import { connect } from 'node:net'
import type { Dial } from './probe.js'

/** A connection of this host's kernel, from the network namespace of this process. */
export const kernelDial: Dial = ({ address, port }, signal) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, signal })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      // Its reader learns of what comes later by the end of the stream.
      socket.on('error', () => {})
      resolve(socket)
    })
  })
