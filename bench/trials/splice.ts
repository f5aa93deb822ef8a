/**
 * `splice`: one connection's bulk, let go by `unproxy({ depth: 'splice' })`, beside all the other ways
 * through the engine and HAProxy with splice(2).
 */
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import type { EngineStatus } from '../../src/control/status.js'
import { until } from '../../src/laboratory/index.js'
import { iperf } from '../../test/helpers/iperf.js'
import { startIperf } from '../../test/helpers/servers.js'
import type { SluiceProcess } from '../../test/helpers/sluice-process.js'
import { withCpuSeconds } from '../cpu.js'
import { enterHaproxy } from '../peers/proxies.js'
import { passing } from '../services.js'
import type { MeasureOptions, Sample, Trial } from '../trial.js'
import { IPERF_PORT, type Load, type Site, subjectsOf, type Variant } from '../variants.js'

const KINDS = ['packet', 'tap'] as const
const WAYS = ['splice', 'relay', 'pipe', 'transform'] as const
/** Payload of a full segment with timestamps, over Ethernet's 1500 bytes. */
const SEGMENT = 1448

const haproxy = (name: string, splice: boolean): Variant => ({
  name,
  topology: 'two-arm',
  needs: ['netns'],
  tools: ['haproxy'],
  enter: (lab) => enterHaproxy(lab, [IPERF_PORT], { splice }),
})
const PEERS = [haproxy('HAProxy, splice', true), haproxy('HAProxy', false)]

const load: Load = { tools: ['iperf3'], programs: [], measure }

export const splice: Trial = {
  name: 'splice',
  about:
    'One stream of iperf3 through a service that splices, relays, pipes (which the engine does for it), or has ' +
    'every byte in JavaScript (transform). CPU: of the whole machine, client and server included. Of another ' +
    'second of it: connection blocks in use, bytes that JavaScript read and wrote, and times its thread woke, timers included.',
  metrics: [
    { name: 'throughput', unit: 'Gbit/s', better: 'higher' },
    { name: 'CPU of throughput', unit: 's/GB', better: 'lower' },
    { name: 'connection blocks', unit: 'blocks', better: 'lower' },
    { name: 'through JavaScript', unit: 'MB/s', better: 'lower' },
    { name: 'JavaScript woke', unit: 'times/s', better: 'lower' },
  ],
  runs: 5,
  laboratory: true,
  subjects: async () =>
    subjectsOf(
      [...KINDS.flatMap((kind) => WAYS.map((way) => passing(kind, way, [IPERF_PORT]))), ...PEERS],
      load,
    ),
  comparisons: KINDS.flatMap((kind) =>
    [...['relay', 'transform'].map((way) => `sluice ${kind} ${way}`), ...PEERS.map(nameOf)].map(
      (peer) => ({ subject: `sluice ${kind} splice`, peer }),
    ),
  ),
}

function nameOf({ name }: Variant): string {
  return name
}

async function measure(site: Site, { seconds }: MeasureOptions): Promise<Sample[]> {
  const { lab, server, address, engine } = site
  await startIperf(server, IPERF_PORT)
  const { namespace } = lab.client
  const [{ bytes, bitsPerSecond, retransmits }, cpu] = await withCpuSeconds(() =>
    iperf(namespace, address, { seconds, streams: 1, port: IPERF_PORT }),
  )
  const loss = bytes === 0 ? 1 : retransmits / (bytes / SEGMENT)
  const samples: Sample[] = [
    { metric: 'throughput', value: bitsPerSecond / 1e9, loss },
    { metric: 'CPU of throughput', value: cpu / (bytes / 1e9), loss: null },
  ]
  if (!engine) return samples
  const args = ['-c', address, '-p', String(IPERF_PORT), '-t', '0']
  const stream = await namespace.spawn('iperf3', args)
  samples.push(...(await observe(engine)))
  await stream.stop('SIGKILL')
  return samples
}

/** What a second in the middle of a stream shows of the engine. */
async function observe(engine: SluiceProcess): Promise<Sample[]> {
  const status = () => engine.ask<EngineStatus>('status')
  await until('the stream has begun', async () => {
    const { pairs } = (await status()).sockets
    return pairs.proxied + pairs.relay + pairs.splice === 2 && pairs.draining === 0
  })
  const before = await status()
  const woke = wakeUps(engine.process.pid)
  await setTimeout(1000)
  const wakes = wakeUps(engine.process.pid) - woke
  const after = await status()
  const read = ({ counters }: EngineStatus) =>
    counters.streamBytesRead + counters.streamBytesWritten
  return [
    { metric: 'connection blocks', value: after.counters.connections, loss: null },
    { metric: 'through JavaScript', value: (read(after) - read(before)) / 1e6, loss: null },
    { metric: 'JavaScript woke', value: wakes, loss: null },
  ]
}

/** Of a process's main thread, which is JavaScript's. */
function wakeUps(pid: number): number {
  const match = /^voluntary_ctxt_switches:\s+(\d+)$/m.exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  )
  if (!match) throw new Error(`no switches of ${pid}`)
  return Number(match[1])
}
