/**
 * `plain`: one virtual server in front of one server, decided by address alone, beside what the
 * kernel does on the very same laboratory.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  capabilities,
  type HostCapabilities,
  Laboratory,
  missingTools,
  type TopologyName,
} from '../../src/laboratory/index.js'
import { iperf } from '../../test/helpers/iperf.js'
import { root } from '../../test/helpers/repository.js'
import { NginxServer, startIperf } from '../../test/helpers/servers.js'
import { SluiceProcess } from '../../test/helpers/sluice-process.js'
import { withCpuSeconds } from '../cpu.js'
import { wrk } from '../loads/wrk.js'
import { enterHaproxy, enterNetPipe, enterNginxStream } from '../peers/proxies.js'
import type { MeasureOptions, Sample, Subject, Trial } from '../trial.js'

const CONNECTIONS = 64
const OBJECT = 1024
/** Payload of a full segment with timestamps, over Ethernet's 1500 bytes. */
const SEGMENT = 1448
const HTTP_PORT = 80
const IPERF_PORT = 5201

export const plain: Trial = {
  name: 'plain',
  about:
    `One virtual server, one server behind it. iperf3 with one stream; wrk with ${CONNECTIONS} ` +
    `connections and ${OBJECT} bytes from nginx, kept alive and closed. Loss: segments sent ` +
    'again, requests that failed. CPU: of the whole machine, clients and servers included.',
  metrics: [
    { name: 'throughput', unit: 'Gbit/s', better: 'higher' },
    { name: 'requests kept alive', unit: 'requests/s', better: 'higher' },
    { name: 'connections', unit: 'connections/s', better: 'higher' },
    { name: 'CPU of throughput', unit: 's/GB', better: 'lower' },
    { name: 'CPU of requests', unit: 's/100 000', better: 'lower' },
    { name: 'CPU of connections', unit: 's/1 000', better: 'lower' },
  ],
  runs: 7,
  laboratory: true,
  subjects: async () => SUBJECTS,
  comparisons: ['sluice packet', 'sluice tap'].flatMap((subject) =>
    ['nftables DNAT', 'kernel forwarding', 'HAProxy'].map((peer) => ({ subject, peer })),
  ),
}

interface Variant {
  name: string
  topology: TopologyName
  needs: (keyof HostCapabilities)[]
  tools: string[]
  files?: string[]
  runs?: number
  /** Puts itself between client and server; returns the address for clients. */
  enter(lab: Laboratory): Promise<string>
}

const VARIANTS: Variant[] = [
  {
    name: 'kernel forwarding',
    topology: 'two-arm',
    needs: ['netns'],
    tools: [],
    async enter(lab) {
      await lab.kernelRouter()
      return lab.serverAddresses()[0] as string
    },
  },
  {
    name: 'nftables DNAT',
    topology: 'two-arm',
    needs: ['netns'],
    tools: ['nft'],
    async enter(lab) {
      await lab.kernelNat()
      return lab.virtualAddress()
    },
  },
  {
    name: 'sluice packet',
    topology: 'two-arm',
    needs: ['netns', 'afPacket'],
    tools: [],
    enter: enterSluice,
  },
  {
    name: 'sluice tap',
    topology: 'tap',
    needs: ['netns', 'tun'],
    tools: [],
    enter: enterSluice,
  },
  ...proxies(),
]

/** What a user would program instead; far enough off that fewer runs tell. */
function proxies(): Variant[] {
  const common = { topology: 'two-arm' as const, needs: ['netns' as const], runs: 3 }
  const ports = [HTTP_PORT, IPERF_PORT]
  return [
    {
      ...common,
      name: 'HAProxy',
      tools: ['haproxy'],
      enter: (lab) => enterHaproxy(lab, ports),
    },
    {
      ...common,
      name: 'nginx stream',
      tools: ['nginx'],
      files: ['/usr/lib/nginx/modules/ngx_stream_module.so'],
      enter: (lab) => enterNginxStream(lab, ports),
    },
    { ...common, name: 'Node net pipe', tools: [], enter: (lab) => enterNetPipe(lab, ports) },
  ]
}

const SUBJECTS: Subject[] = VARIANTS.map((variant) => ({
  name: variant.name,
  ...(variant.runs === undefined ? {} : { runs: variant.runs }),
  unavailable: () => unavailable(variant),
  measure: (options) => measure(variant, options),
}))

async function unavailable({
  needs,
  tools,
  files = [],
  enter,
}: Variant): Promise<string | undefined> {
  const missing = missingTools('ip', 'nsenter', 'nginx', 'wrk', 'iperf3', ...tools)
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  const absent = files.find((file) => !existsSync(file))
  if (absent) return `${absent} is not there`
  const host = await capabilities()
  const lacking = needs.find((need) => !host[need].available)
  if (lacking) return `${host[lacking].reason}. ${host[lacking].remedy}`
  if (enter === enterSluice && !existsSync(join(root, 'dist/cli/main.js'))) {
    return 'Sluice is not built: npm run build'
  }
  return undefined
}

async function enterSluice(lab: Laboratory): Promise<string> {
  const [server] = lab.serverAddresses()
  await SluiceProcess.start(lab, {
    ports: lab.ports(),
    pools: {
      web: { nodes: [`${server}:${HTTP_PORT}`] },
      iperf: { nodes: [`${server}:${IPERF_PORT}`] },
    },
    virtualServers: {
      web: { listen: `tcp://${lab.virtualAddress()}:${HTTP_PORT}`, pool: 'web' },
      iperf: { listen: `tcp://${lab.virtualAddress()}:${IPERF_PORT}`, pool: 'iperf' },
    },
  })
  return lab.virtualAddress()
}

async function measure(variant: Variant, { seconds }: MeasureOptions): Promise<Sample[]> {
  await using lab = await Laboratory.create({
    topology: variant.topology,
    servers: 1,
    families: [4],
  })
  const [host] = lab.servers
  if (!host) throw new Error('a laboratory without a server')
  const server = await NginxServer.start(lab, host, { accessLog: false })
  await server.addFile(OBJECT)
  await startIperf(host, IPERF_PORT)
  const address = await variant.enter(lab)

  const client = lab.client.namespace
  const load = { seconds, connections: CONNECTIONS }
  const url = `http://${address}/bytes/${OBJECT}`
  const closing = { ...load, headers: { Connection: 'close' } }
  const [stream, streamCpu] = await withCpuSeconds(() =>
    iperf(client, address, { seconds, port: IPERF_PORT }),
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
