import type { Dial, Probe } from './probe.js'

/** The server accepts connections. */
export const tcpProbe =
  (dial: Dial): Probe =>
  async (target, signal) => {
    const connection = await dial(target, signal)
    connection.destroy()
  }
