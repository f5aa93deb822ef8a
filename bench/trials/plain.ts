/**
 * `plain`: one virtual server in front of one server, decided by address alone, beside what the
 * kernel does on the very same laboratory.
 */
import { iperf } from '../../test/helpers/iperf.js'
import { startIperf } from '../../test/helpers/servers.js'
import { withCpuSeconds } from '../cpu.js'
import { wrk } from '../loads/wrk.js'
import type { MeasureOptions, Sample, Trial } from '../trial.js'
import { IPERF_PORT, type Load, OBJECT, type Site, subjectsOf, VARIANTS } from '../variants.js'

const CONNECTIONS = 64
/** Payload of a full segment with timestamps, over Ethernet's 1500 bytes. */
const SEGMENT = 1448

export const METRICS: Trial['metrics'] = [
  { name: 'throughput', unit: 'Gbit/s', better: 'higher' },
  { name: 'requests kept alive', unit: 'requests/s', better: 'higher' },
  { name: 'connections', unit: 'connections/s', better: 'higher' },
  { name: 'CPU of throughput', unit: 's/GB', better: 'lower' },
  { name: 'CPU of requests', unit: 's/100 000', better: 'lower' },
  { name: 'CPU of connections', unit: 's/1 000', better: 'lower' },
]

export const plain: Trial = {
  name: 'plain',
  about:
    `One virtual server, one server behind it. iperf3 with one stream; wrk with ${CONNECTIONS} ` +
    `connections and ${OBJECT} bytes from nginx, kept alive and closed. Loss: segments sent ` +
    'again, requests that failed. CPU: of the whole machine, clients and servers included.',
  metrics: METRICS,
  runs: 7,
  laboratory: true,
  subjects: async () => subjectsOf(VARIANTS, plainLoad(1)),
  comparisons: ['sluice packet', 'sluice tap'].flatMap((subject) =>
    ['nftables DNAT', 'kernel forwarding', 'HAProxy'].map((peer) => ({ subject, peer })),
  ),
}

/** @param streams of iperf3 at once */
export function plainLoad(streams: number): Load {
  return {
    tools: ['wrk', 'iperf3'],
    programs: [],
    measure: (site, options) => measure(site, options, streams),
  }
}

async function measure(
  { lab, server, address, path }: Site,
  { seconds }: MeasureOptions,
  streams: number,
): Promise<Sample[]> {
  await startIperf(server, IPERF_PORT)
  const client = lab.client.namespace
  const load = { seconds, connections: CONNECTIONS }
  const url = `http://${address}${path}`
  const closing = { ...load, headers: { Connection: 'close' } }
  const [stream, streamCpu] = await withCpuSeconds(() =>
    iperf(client, address, { seconds, streams, port: IPERF_PORT }),
  )
  const [kept, keptCpu] = await withCpuSeconds(() => wrk(client, url, load))
  const [closed, closedCpu] = await withCpuSeconds(() => wrk(client, url, closing))
  const segments = stream.bytes / SEGMENT
  return [
    {
      metric: 'throughput',
      value: stream.bitsPerSecond / 1e9,
      loss: segments === 0 ? 1 : stream.retransmits / segments,
    },
    { metric: 'requests kept alive', value: kept.requestsPerSecond, loss: kept.loss },
    { metric: 'connections', value: closed.requestsPerSecond, loss: closed.loss },
    { metric: 'CPU of throughput', value: streamCpu / (stream.bytes / 1e9), loss: null },
    { metric: 'CPU of requests', value: keptCpu / (kept.requests / 100_000), loss: null },
    { metric: 'CPU of connections', value: closedCpu / (closed.requests / 1000), loss: null },
  ]
}
