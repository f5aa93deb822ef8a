/**
 * `memory`: what a flow takes, as resident memory that was not there before it, in each half of the
 * engine, in the engine as a whole, and in the kernel's connection tracking.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SluiceConfig } from '../../src/config/config.js'
import type { EngineStatus } from '../../src/control/status.js'
import { Engine } from '../../src/engine.js'
import { Laboratory } from '../../src/laboratory/index.js'
import { run } from '../../src/laboratory/lab-process.js'
import { root } from '../../test/helpers/repository.js'
import { SluiceProcess } from '../../test/helpers/sluice-process.js'
import { DISCARD, FirstPackets, unavailable } from '../loads/first-packets.js'
import { QuerySource } from '../loads/query-source.js'
import { heapBytes, kernelObjectBytes, residentBytes } from '../memory.js'
import type { Sample, Subject, Trial } from '../trial.js'

const PROGRAM = join(root, 'out/cmake/build/flow_memory')
const FLOWS = 1_000_000
/** Each with a packet of its own in a buffer of 2 KB. */
const WAITING = 65_536
/** Below the 262 144 that the kernel has room for by default. */
const TRACKED = 100_000
/** Datagrams a second, each the first of its flow. */
const RATE = 50_000
const MEGABYTE = 1e6

export const memory: Trial = {
  name: 'memory',
  about:
    'Growth of resident memory, divided by the flows that are there then. `a flow` has all in it ' +
    'that is first touched meanwhile, rings and pools too; `a further flow` is what the second half ' +
    'of them adds, in tables made for either number. nf_conntrack: growth of the kernel’s ' +
    'unreclaimable objects, and the share of its hash table. Loss: offered and not held.',
  metrics: [
    { name: 'a flow', unit: 'bytes', better: 'lower' },
    { name: 'a further flow', unit: 'bytes', better: 'lower' },
    { name: 'JavaScript heap of a flow', unit: 'bytes', better: 'lower' },
    { name: 'at the start', unit: 'MB', better: 'lower' },
    { name: 'with all flows', unit: 'MB', better: 'lower' },
  ],
  runs: 3,
  laboratory: true,
  subjects: async () => [
    segment(`data flow segment, ${FLOWS} IPv4`, 'v4', FLOWS),
    segment(`data flow segment, ${FLOWS} IPv6`, 'v6', FLOWS),
    segment(`data flow segment, ${WAITING} waiting`, 'waiting', WAITING),
    CONTROL,
    ENGINE,
    CONNTRACK,
  ],
  comparisons: [
    { subject: `data flow segment, ${FLOWS} IPv4`, peer: `nf_conntrack, ${TRACKED}` },
    { subject: `engine, ${FLOWS}`, peer: `nf_conntrack, ${TRACKED}` },
  ],
}

/** The native half alone. Its ports in memory are there from the start. */
function segment(name: string, kind: 'v4' | 'v6' | 'waiting', flows: number): Subject {
  return {
    name,
    unavailable: async () =>
      existsSync(PROGRAM) ? undefined : `${PROGRAM} is not built: npm run build`,
    measure: async () => {
      const [half, all] = [await flowMemory(kind, flows / 2), await flowMemory(kind, flows)]
      const further = (grown(all) - grown(half)) / (all.flows - half.flows)
      return [
        sampleOf({ asked: flows, ...all }),
        { metric: 'a further flow', value: further, loss: null },
      ]
    },
  }
}

/** What the program prints. */
interface FlowMemory {
  flows: number
  before: number
  after: number
}

async function flowMemory(kind: string, flows: number): Promise<FlowMemory> {
  const { stdout } = await run([PROGRAM, kind, String(flows)])
  return JSON.parse(stdout) as FlowMemory
}

function grown({ before, after }: { before: number; after: number }): number {
  return after - before
}

function sampleOf(found: FlowMemory & { asked: number }): Sample {
  const loss = Math.max(0, 1 - found.flows / found.asked)
  return { metric: 'a flow', value: grown(found) / found.flows, loss }
}

/** The TypeScript half alone. What its source of QUERYs takes is there from the start. */
const CONTROL: Subject = {
  name: `control segment, ${FLOWS}`,
  unavailable: async () => undefined,
  async measure() {
    const virtual = '192.0.2.100:80'
    const source = new QuerySource(virtual, { flows: FLOWS, live: FLOWS })
    const config = {
      ports: {
        outside: { kind: 'packet', device: 'none0', address: '192.0.2.1/24' },
        inside: { kind: 'packet', device: 'none1', address: '10.1.0.1/24' },
      },
      pools: { web: { nodes: ['10.1.0.11:80', '10.1.0.12:80'] } },
      virtualServers: { web: { listen: `tcp://${virtual}`, pool: 'web' } },
    } as SluiceConfig
    await using _engine = await Engine.start(config, { segment: source })
    const [heap, before] = [heapBytes(), residentBytes('self')]
    await source.fill(FLOWS)
    const [heapAfter, after] = [heapBytes(), residentBytes('self')]
    const flows = source.decided
    return [
      sampleOf({ asked: source.asked, flows, before, after }),
      { metric: 'JavaScript heap of a flow', value: (heapAfter - heap) / flows, loss: null },
    ]
  },
}

/** Both halves as users run them, filled through a device. */
const ENGINE: Subject = {
  name: `engine, ${FLOWS}`,
  runs: 1, // takes 20 s
  unavailable: () => unavailable([]),
  async measure() {
    await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1, families: [4] })
    const virtual = lab.virtualAddress()
    const engine = await SluiceProcess.start(lab, {
      ports: lab.ports(),
      pools: { sink: { nodes: [`${lab.serverAddresses()[0]}:${DISCARD}`] } },
      virtualServers: { sink: { listen: `udp://${virtual}:${DISCARD}`, pool: 'sink' } },
      limits: { flows: FLOWS },
    })
    const packets = await FirstPackets.towards(lab, virtual)
    const before = residentBytes(engine.process.pid)
    await packets.offer({ flows: FLOWS, rate: RATE, seconds: FLOWS / RATE })
    const { flows } = await engine.ask<EngineStatus>('status')
    const after = residentBytes(engine.process.pid)
    return [
      sampleOf({ asked: FLOWS, flows, before, after }),
      { metric: 'at the start', value: before / MEGABYTE, loss: null },
      { metric: 'with all flows', value: after / MEGABYTE, loss: null },
    ]
  },
}

const CONNTRACK: Subject = {
  name: `nf_conntrack, ${TRACKED}`,
  unavailable: () => unavailable([]),
  async measure() {
    await using lab = await Laboratory.create({ topology: 'two-arm', servers: 1, families: [4] })
    await lab.kernelNat()
    const packets = await FirstPackets.towards(lab, lab.virtualAddress())
    const before = kernelObjectBytes()
    await packets.offer({ flows: TRACKED, rate: RATE, seconds: TRACKED / RATE })
    const { stdout } = await lab.namespace('ctl').exec('cat', [`${NETFILTER}/nf_conntrack_count`])
    const after = kernelObjectBytes()
    const flows = Number(stdout)
    const value = (after - before) / flows + hashTableShare()
    return [{ metric: 'a flow', value, loss: Math.max(0, 1 - flows / TRACKED) }]
  },
}

const NETFILTER = '/proc/sys/net/netfilter'

/** Of the table that is there from the start: a pointer a bucket, shared by as many as it is for. */
function hashTableShare(): number {
  const [buckets, most] = ['nf_conntrack_buckets', 'nf_conntrack_max'].map((name) =>
    Number(readFileSync(`${NETFILTER}/${name}`, 'utf8')),
  ) as [number, number]
  return (buckets * 8) / most
}
