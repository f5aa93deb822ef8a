/**
 * `memory-connections`: what a connection takes that the engine ends itself, while it is idle in a
 * pair and when it is in TIME-WAIT, beside the kernel's own.
 */
import { readFileSync } from 'node:fs'
import type { EngineStatus } from '../../src/control/status.js'
import { type Host, Laboratory, type Namespace, until } from '../../src/laboratory/index.js'
import type { SluiceProcess } from '../../test/helpers/sluice-process.js'
import { unavailable } from '../loads/first-packets.js'
import { HeldConnections, startHolding } from '../loads/held-connections.js'
import { residentBytes } from '../memory.js'
import { startServices } from '../services.js'
import type { Sample, Subject, Trial } from '../trial.js'

/** Pairs: twice as many connections of the engine. */
const PAIRS = 100_000
const CLOSED = 100_000
/** Each of the kernel's connections here has both its ends on this machine. */
const KERNEL = 50_000
const PORT = 9000

export const memoryConnections: Trial = {
  name: 'memory-connections',
  about:
    'Growth of resident memory divided by the pairs, each an idle connection of a client and one ' +
    'to a server, or by the entries in TIME-WAIT. `a further one` is what the second half adds. ' +
    'Kernel: its objects for sockets, with their files and inodes (slabinfo), divided by the ' +
    'sockets, of which a proxy has two for a pair; without buffers. ' +
    'Loss: connections that failed.',
  metrics: [
    { name: 'one', unit: 'bytes', better: 'lower' },
    { name: 'a further one', unit: 'bytes', better: 'lower' },
    { name: 'a new connection beside them', unit: 'ms', better: 'lower' },
  ],
  runs: 1, // takes half a minute
  laboratory: true,
  subjects: async () => [
    pairs('process'),
    pairs('relay'),
    timeWait,
    kernelSubject('kernel sockets', 'hold', 'inuse', 2),
    kernelSubject('kernel TIME_WAIT', 'close', 'tw', 1),
  ],
  comparisons: [],
}

/** So many idle pairs, which JavaScript passes on, or the engine. */
function pairs(way: 'process' | 'relay'): Subject {
  return {
    name: `${PAIRS} idle pairs, ${way}`,
    unavailable: () => unavailable([]),
    async measure() {
      await using lab = await laboratory()
      const [server] = lab.servers as [Host]
      await startHolding(server, PORT, { connections: PAIRS })
      const service = `services.${way}To(services.SERVER, ${PORT})`
      const limits = { connections: 2 * PAIRS + 1000, flows: 2 * PAIRS }
      const engine = await startServices(lab, { [PORT]: service }, { limits })
      const count = async () => (await engine.ask<EngineStatus>('status')).counters.connections / 2
      const samples = await growth(engine, PAIRS, count, (number) =>
        HeldConnections.open(lab, { address: lab.virtualAddress(), port: PORT }, number),
      )
      const value = await connectMs(lab.client.namespace, lab.virtualAddress())
      return [...samples, { metric: 'a new connection beside them', value, loss: null }]
    },
  }
}

const timeWait: Subject = {
  name: `${CLOSED} in TIME-WAIT`,
  unavailable: () => unavailable([]),
  async measure() {
    await using lab = await laboratory()
    const limits = { connections: 1000 }
    const engine = await startServices(lab, { [PORT]: 'services.closeFirst()' }, { limits })
    const count = async () => (await engine.ask<EngineStatus>('status')).counters.ownTimeWait
    return await growth(engine, CLOSED, count, (number) =>
      HeldConnections.open(lab, { address: lab.virtualAddress(), port: PORT }, number),
    )
  },
}

const laboratory = () => Laboratory.create({ topology: 'two-arm', servers: 1, families: [4] })

/** Opens half, then all, and says what the engine grew by for each. */
async function growth(
  engine: SluiceProcess,
  all: number,
  count: () => Promise<number>,
  open: (number: number) => Promise<HeldConnections>,
): Promise<Sample[]> {
  const resident = () => residentBytes(engine.process.pid)
  const before = resident()
  const first = await open(all / 2)
  const half = await settled(count, first.counts.held)
  const atHalf = resident()
  const second = await open(all / 2)
  const full = await settled(count, first.counts.held + second.counts.held)
  const atAll = resident()
  const loss = 1 - full / all
  return [
    { metric: 'one', value: (atAll - before) / full, loss },
    { metric: 'a further one', value: (atAll - atHalf) / (full - half), loss: null },
  ]
}

/** What there is, once it is as many as expected. */
async function settled(count: () => Promise<number>, expected: number): Promise<number> {
  let last = 0
  return until(
    () => `${expected} of them, has ${last}`,
    async () => {
      last = await count()
      return last >= expected && last
    },
    30_000,
  )
}

/** How long the handshake of one more takes. */
async function connectMs(client: Namespace, address: string): Promise<number> {
  const source = `import socket, time
at = time.perf_counter()
socket.create_connection(('${address}', ${PORT}))
print((time.perf_counter() - at) * 1000)`
  return Number((await client.exec('python3', ['-c', source])).stdout)
}

/** Connections between two kernels of one machine; `each` of them is so many of what is counted. */
function kernelSubject(
  what: string,
  policy: 'hold' | 'close',
  counted: 'inuse' | 'tw',
  each: number,
): Subject {
  return {
    name: `${KERNEL} ${what}`,
    unavailable: () => unavailable([]),
    async measure() {
      await using lab = await laboratory()
      await lab.kernelRouter()
      const [server] = lab.servers as [Host]
      await startHolding(server, PORT, { connections: KERNEL, policy })
      const before = slabBytes()
      const to = { address: server.address(), port: PORT }
      const { counts } = await HeldConnections.open(lab, to, KERNEL)
      const after = slabBytes()
      const held = await socketsOf(server.namespace, counted)
      return [
        { metric: 'one', value: (after - before) / (held * each), loss: counts.failed / KERNEL },
      ]
    },
  }
}

/** What the kernel makes for a socket, its file and its inode, and for one in TIME_WAIT. */
const SLABS = /^(TCP|tw_sock_TCP|sock_inode_cache|b?filp|dentry)$/

/** The kernel's objects of these kinds that are in use. */
function slabBytes(): number {
  const lines = readFileSync('/proc/slabinfo', 'utf8').split('\n')
  const objects = lines.map((line) => line.split(/\s+/)).filter(([name = '']) => SLABS.test(name))
  return objects.reduce((sum, [, active, , size]) => sum + Number(active) * Number(size), 0)
}

/** What sockstat says of TCP in a namespace. */
async function socketsOf(at: Namespace, counted: 'inuse' | 'tw'): Promise<number> {
  const { stdout } = await at.exec('cat', ['/proc/net/sockstat'])
  return Number(new RegExp(`^TCP:.* ${counted} (\\d+)`, 'm').exec(stdout)?.[1])
}
