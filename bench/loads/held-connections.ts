/** Idle TCP connections between kernels, by the ten thousand: more than one process may have. */
import { join } from 'node:path'
import type { Host, Laboratory, LabProcess, Namespace } from '../../src/laboratory/index.js'
import { root } from '../../test/helpers/repository.js'

const SCRIPT = join(root, 'bench/loads/held_connections.py')
/** Of one process: a limit of 20 000 files is common. */
const EACH = 15_000

export interface Held {
  held: number
  failed: number
}

/** Where connections end that a client holds, or that are closed as soon as they are there. */
export async function startHolding(
  server: Host,
  port: number,
  { connections, policy = 'hold' }: { connections: number; policy?: 'hold' | 'close' },
): Promise<LabProcess[]> {
  const args = [SCRIPT, 'listen', policy, server.address(), String(port)]
  // The kernel deals connections out by their hash, so no process gets much more than its share.
  const processes = Math.ceil((connections * 1.2) / EACH)
  return Promise.all(
    Array.from({ length: processes }, async () => {
      const process = await server.namespace.spawn('python3', ['-B', ...args])
      await process.waitForOutput(/^ready$/m)
      return process
    }),
  )
}

export class HeldConnections {
  private constructor(
    readonly counts: Held,
    private readonly processes: readonly LabProcess[],
  ) {}

  /** Opens so many from the client of a laboratory; resolves when they are there, or have failed. */
  static async open(
    lab: Laboratory,
    to: { address: string; port: number },
    connections: number,
  ): Promise<HeldConnections> {
    const at = lab.client.namespace
    const processes: LabProcess[] = []
    const counts = { held: 0, failed: 0 }
    for (let left = connections; left > 0; left -= EACH) {
      const source = await sourceAddress(at, to.address)
      const args = [Math.min(left, EACH), to.address, to.port, source].map(String)
      const process = await at.spawn('python3', ['-B', SCRIPT, 'connect', ...args])
      processes.push(process)
      const [line] = await process.waitForOutput(/^\{.*\}$/m, 60_000)
      const { held, failed } = JSON.parse(line) as Held
      counts.held += held
      counts.failed += failed
    }
    return new HeldConnections(counts, processes)
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    for (const process of this.processes) process.endInput()
    await Promise.all(this.processes.map(({ exited }) => exited))
  }
}

let sources = 0

/** A further address of the client, which it gets here. */
async function sourceAddress(client: Namespace, to: string): Promise<string> {
  const isIPv6 = to.includes(':')
  const number = 200 + (sources++ % 50)
  const address = isIPv6 ? `2001:db8:1::${number}` : `192.0.2.${number}`
  await client.ip([`address replace ${address}/${isIPv6 ? '64 dev eth0 nodad' : '24 dev eth0'}`])
  return address
}
