/** Random packets to an address of the engine, from endpoints that nobody has. */
import { join } from 'node:path'
import { type Laboratory, until } from '../../src/laboratory/index.js'
import { root } from '../../test/helpers/repository.js'

const PROGRAM = join(root, 'out/cmake/build/random_flood')

export interface Flood {
  kind: 'syn' | 'datagram' | 'segment' | 'garbage' | 'neighbor'
  to: { address: string; port: number }
  packets: number
  /** Packets a second; as many as go where it is not said. */
  rate?: number
  seed?: number
  /** Where all of them claim to come from. */
  from?: { address: string; port: number }
}

/** Sends them from the client's device of a laboratory that is not `tap`; gives how many went. */
export async function flood(lab: Laboratory, what: Flood): Promise<number> {
  const client = lab.client.namespace
  const { kind, to, packets, rate = 0, seed = 1, from } = what
  const route = ['eth0', await hardwareAddress(lab, to.address), to.address, String(to.port)]
  const source = from ? [from.address, String(from.port)] : []
  const args = [kind, ...route, String(packets), String(rate), String(seed), ...source]
  const { stdout } = await client.exec(PROGRAM, args, { timeoutMs: 100_000 })
  return (JSON.parse(stdout) as { sent: number }).sent
}

/** Of the engine, as the client's kernel has learnt it. */
async function hardwareAddress(lab: Laboratory, address: string): Promise<string> {
  const client = lab.client.namespace
  await client.tryExec('ping', ['-c', '1', '-w', '10', address])
  return until(`somebody answers for ${address}`, async () => {
    const { stdout } = await client.exec('ip', ['-j', 'neighbour', 'show', 'to', address])
    const [entry] = JSON.parse(stdout) as { lladdr?: string }[]
    return entry?.lladdr
  })
}
