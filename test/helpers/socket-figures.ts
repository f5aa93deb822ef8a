/** What a kernel knows of a connection of its own, as `ss -ti` shows it. */
import type { Namespace } from '../../src/laboratory/index.js'

export interface SocketFigures {
  /** Milliseconds: smoothed, of what it sends; 0 where there is none yet. */
  rtt: number
  /** The least of the last `tcp_min_rtt_wlen` seconds. */
  minRtt: number
  /** As its own timestamps come back to it with what it receives. */
  receiverRtt: number
  /** Segments that it sent again. */
  retransmitted: number
  /** Of its segments so many came twice, as its peer has told by DSACK. */
  duplicates: number
}

/** Of the one established connection with an L4 port at either end. */
export async function socketFigures(at: Namespace, port: number): Promise<SocketFigures> {
  const ends = `( sport = :${port} or dport = :${port} )`
  const { stdout } = await at.exec('ss', ['-HtinO', 'state', 'established', ends])
  const lines = stdout.split('\n').filter(Boolean)
  if (lines.length !== 1) throw new Error(`${lines.length} connections of port ${port}`)
  // Of `retrans:0/11` the second is the sum.
  const figure = (name: string) =>
    Number(new RegExp(` ${name}:(?:\\d+/)?([0-9.]+)`).exec(stdout)?.[1] ?? 0)
  return {
    rtt: figure('rtt'),
    minRtt: figure('minrtt'),
    receiverRtt: figure('rcv_rtt'),
    retransmitted: figure('retrans'),
    duplicates: figure('dsack_dups'),
  }
}
